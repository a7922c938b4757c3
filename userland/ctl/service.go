// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

func (p *program) serviceCommand() *cli.Command {
	added, set := newRuleFlags(), newRuleFlags()
	return &cli.Command{
		Name:   "service",
		Usage:  "manage the TCP ports that the cluster serves",
		Action: group,
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "start serving a port", ArgsUsage: "PORT",
				Flags: append([]cli.Flag{serviceAddressFlag()}, added.flags()...),
				Action: p.service(func(ctx context.Context, k Kernel, s dprnl.Service) error {
					added.change(&s.Rules)
					return k.AddService(ctx, s)
				}),
			},
			{
				Name: "set", Usage: "change the rules of a port's service; those not named stay", ArgsUsage: "PORT",
				Flags: append([]cli.Flag{serviceAddressFlag()}, set.flags()...),
				Action: p.service(func(ctx context.Context, k Kernel, s dprnl.Service) error {
					return setService(ctx, k, s, set)
				}),
			},
			{
				Name: "del", Usage: "stop serving a port; existing connections continue", ArgsUsage: "PORT",
				Flags: []cli.Flag{serviceAddressFlag()},
				Action: p.service(func(ctx context.Context, k Kernel, s dprnl.Service) error {
					return k.DeleteService(ctx, s)
				}),
			},
			{
				Name: "list", Usage: "list the services", Flags: []cli.Flag{jsonFlag()},
				Action: show(p, readServices, writeServices),
			},
		},
	}
}

func serviceAddressFlag() cli.Flag {
	return &cli.GenericFlag{Name: "address", Usage: "only on the local `ADDRESS`", Value: &addrValue{}}
}

// service returns the action of a command about one service.
func (p *program) service(do func(context.Context, Kernel, dprnl.Service) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := positional(c, "PORT")
		if err != nil {
			return err
		}
		s, err := namedService(c, args[0])
		if err != nil {
			return err
		}
		return p.kernel(c, func(ctx context.Context, k Kernel) error { return do(ctx, k, s) })
	}
}

// setService changes the rules for which flags were given.
func setService(ctx context.Context, k Kernel, s dprnl.Service, f *ruleFlags) error {
	if !f.given() {
		return errors.New("there is nothing to change: give at least one flag")
	}
	list, err := k.Services(ctx)
	if err != nil {
		return err
	}
	// What is not there, the kernel refuses.
	if i := slices.IndexFunc(list, s.Same); i >= 0 {
		s = list[i]
	}
	f.change(&s.Rules)
	return k.SetService(ctx, s)
}

func readServices(ctx context.Context, k Kernel) ([]serviceStateView, error) {
	list, err := k.ServiceStates(ctx)
	return viewServiceStates(list), err
}

func writeServices(w io.Writer, list []serviceStateView) {
	// Few services have these: without the columns, lines fit 80 characters.
	forwarding := slices.ContainsFunc(list, func(s serviceStateView) bool { return s.Forwarding != nil })
	fmt.Fprint(w, "PORT\tADDRESS\tSTATE\tCONNS\tPOLICY\tMAX LOAD\tHASH\tAFFINITY\tLOAD")
	if forwarding {
		fmt.Fprint(w, "\tFORWARDING")
	}
	dispatch := slices.ContainsFunc(list, func(s serviceStateView) bool { return s.Dispatch != nil })
	if dispatch {
		fmt.Fprint(w, "\tDISPATCH")
	}
	fmt.Fprintln(w)
	for _, s := range list {
		fmt.Fprintf(w, "%d\t%s\t%v\t%d\t%s\t%s\t%s\t%s\t%s", s.Port, orAll(s.Address), s.State, s.Connections, orDefault(s.Policy), orDefault(s.MaxLoad), orDefault(s.Hash), affinityOf(s.serviceView), loadOf(s.serviceView))
		if forwarding {
			fmt.Fprintf(w, "\t%s", orDefault(s.Forwarding))
		}
		if dispatch {
			fmt.Fprintf(w, "\t%s", orDefault(s.Dispatch))
		}
		fmt.Fprintln(w)
	}
}

// loadOf is which load the service's policy compares.
func loadOf(s serviceView) dprnl.ServiceLoad {
	if s.Load == nil {
		return dprnl.LoadOfHost
	}
	return *s.Load
}

// affinityOf is a service's own affinity in words: bits of an IPv4 address, of an IPv6
// one, and the time.
func affinityOf(s serviceView) string {
	if s.Affinity == nil && s.Affinity6 == nil && s.AffinityTime == nil {
		return ofConfig
	}
	var time *string
	if s.AffinityTime != nil {
		text := millis(*s.AffinityTime).String()
		time = &text
	}
	return orDefault(s.Affinity) + "/" + orDefault(s.Affinity6) + "/" + orDefault(time)
}

// orDefault is a rule's value, or the word for the configuration's.
func orDefault[T any](own *T) string {
	if own == nil {
		return ofConfig
	}
	return fmt.Sprint(*own)
}

func orAll(a netip.Addr) string {
	if a.IsUnspecified() {
		return "all"
	}
	return a.String()
}
