// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

func (p *program) serviceCommand() *cli.Command {
	return &cli.Command{
		Name:   "service",
		Usage:  "manage the TCP ports that the cluster serves",
		Action: group,
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "start serving a port", ArgsUsage: "PORT",
				Flags:  []cli.Flag{serviceAddressFlag()},
				Action: p.changeService(Kernel.AddService),
			},
			{
				Name: "del", Usage: "stop serving a port; existing connections continue", ArgsUsage: "PORT",
				Flags:  []cli.Flag{serviceAddressFlag()},
				Action: p.changeService(Kernel.DeleteService),
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

// changeService returns the action of service add and del.
func (p *program) changeService(do func(Kernel, context.Context, dprnl.Service) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := positional(c, "PORT")
		if err != nil {
			return err
		}
		s := dprnl.Service{Address: netip.IPv4Unspecified()}
		if s.Port, err = parsePort("PORT", args[0]); err != nil {
			return err
		}
		if a, ok := c.Generic("address").(*addrValue); ok && a.IsValid() {
			s.Address = a.Addr
		}
		return p.kernel(c, func(ctx context.Context, k Kernel) error { return do(k, ctx, s) })
	}
}

func readServices(ctx context.Context, k Kernel) ([]serviceStateView, error) {
	list, err := k.ServiceStates(ctx)
	return viewServiceStates(list), err
}

func writeServices(w io.Writer, list []serviceStateView) {
	fmt.Fprintln(w, "PORT\tADDRESS\tSTATE\tCONNS")
	for _, s := range list {
		fmt.Fprintf(w, "%d\t%s\t%v\t%d\n", s.Port, orAll(s.Address), s.State, s.Connections)
	}
}

func orAll(a netip.Addr) string {
	if a.IsUnspecified() {
		return "all"
	}
	return a.String()
}
