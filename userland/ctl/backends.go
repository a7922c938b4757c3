// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

// backendFlags are what is set of a backend. What is not given stays as it is, or is the
// default of one that is new.
type backendFlags struct {
	port     numberValue[uint16]
	weight   numberValue[uint32]
	limit    numberValue[uint32]
	services portsValue
}

// portsValue is the value of a flag that takes ports with commas between.
type portsValue []uint16

func (v *portsValue) Set(s string) error {
	var list []uint16
	for word := range strings.SplitSeq(s, ",") {
		p, err := parsePort("", word)
		if err != nil {
			return fmt.Errorf("%q is not a port from 1 to 65535", word)
		}
		list = append(list, p)
	}
	*v = list
	return nil
}

func (v *portsValue) String() string {
	if v == nil || len(*v) == 0 {
		return ""
	}
	return portList(*v)
}

func (f *backendFlags) flags() []cli.Flag {
	f.port.max = math.MaxUint16
	f.weight.min, f.weight.max = 1, dprnl.MaxWeight
	f.limit.max = math.MaxUint32
	return []cli.Flag{
		&cli.GenericFlag{Name: "services", Usage: "ports of its services, `PORT[,PORT...]`; of a new one all services'", Value: &f.services},
		&cli.GenericFlag{Name: "port", Usage: "its `PORT`; 0: the service's", Value: &f.port},
		&cli.GenericFlag{Name: "weight", Usage: "its relative `CAPACITY`", Value: &f.weight},
		&cli.GenericFlag{Name: "limit", Usage: "let it have `NUMBER` connections; 0: any number", Value: &f.limit},
		&cli.BoolFlag{Name: "proxy", Usage: "tell it the clients' addresses by the PROXY protocol, version 2"},
		&cli.BoolFlag{Name: "no-proxy", Usage: "do not tell it"},
		&cli.BoolFlag{Name: "down", Usage: "let it have no new connections"},
		&cli.BoolFlag{Name: "up", Usage: "let it have new connections again"},
	}
}

func (p *program) backendsCommand() *cli.Command {
	f := &backendFlags{}
	return &cli.Command{
		Name:   "backends",
		Usage:  "list the servers without DPR that get connections",
		Flags:  []cli.Flag{jsonFlag()},
		Action: show(p, readBackends, writeBackends),
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the backends", Flags: []cli.Flag{jsonFlag()}, Action: show(p, readBackends, writeBackends)},
			{
				Name: "set", Usage: "add a backend, or change one; what is not named stays", ArgsUsage: "NAME [ADDRESS]",
				Flags: f.flags(),
				Action: func(c *cli.Context) error {
					args, err := positional(c, "NAME", "[ADDRESS]")
					if err != nil {
						return err
					}
					if !dprnl.ValidBackendName(args[0]) {
						return usagef("NAME %q is not 1 to %d letters, digits, \"-\", \"_\" or \".\"", args[0], dprnl.MaxBackendName)
					}
					var address netip.Addr
					if args[1] != "" {
						if address, err = parseAddr("ADDRESS", args[1]); err != nil {
							return err
						}
					}
					if c.Bool("down") && c.Bool("up") {
						return usagef("%s--down and --up are opposites", where(c))
					}
					if c.Bool("proxy") && c.Bool("no-proxy") {
						return usagef("%s--proxy and --no-proxy are opposites", where(c))
					}
					return p.kernel(c, func(ctx context.Context, k Kernel) error {
						return setBackend(ctx, k, c, args[0], address, f)
					})
				},
			},
			{
				Name: "del", Usage: "remove a backend; its connections continue", ArgsUsage: "NAME",
				Action: func(c *cli.Context) error {
					args, err := positional(c, "NAME")
					if err != nil {
						return err
					}
					return p.kernel(c, func(ctx context.Context, k Kernel) error { return k.DeleteBackend(ctx, args[0]) })
				},
			},
		},
	}
}

// onlyDown says whether nothing is given of a backend but whether it is down. That can be set
// whatever else the kernel would refuse by now.
func onlyDown(c *cli.Context, address netip.Addr, f *backendFlags) bool {
	if address.IsValid() || len(f.services) > 0 || c.Bool("proxy") || c.Bool("no-proxy") {
		return false
	}
	return (c.Bool("down") || c.Bool("up")) && f.port.pointer() == nil && f.weight.pointer() == nil && f.limit.pointer() == nil
}

// setBackend changes what is given of a backend that is there, or adds it.
func setBackend(ctx context.Context, k Kernel, c *cli.Context, name string, address netip.Addr, f *backendFlags) error {
	list, err := k.Backends(ctx)
	if err != nil {
		return err
	}
	b := dprnl.Backend{Name: name, Weight: 1}
	for _, there := range list {
		if there.Name != name {
			continue
		}
		if onlyDown(c, address, f) {
			return k.SetBackendDown(ctx, name, c.Bool("down"))
		}
		b = there.Backend
		b.Down = false // as it is then
	}
	if address.IsValid() {
		b.Address = address
	}
	if !b.Address.IsValid() {
		return usagef("%sthere is no backend %s: to add it, give its address", where(c), name)
	}
	if len(f.services) > 0 {
		b.Services = f.services
	}
	if len(b.Services) == 0 {
		if b.Services, err = servicePorts(ctx, k); err != nil {
			return err
		}
	}
	set(&b.Port, f.port.pointer())
	set(&b.Weight, f.weight.pointer())
	set(&b.Limit, f.limit.pointer())
	b.Down = c.Bool("down")
	b.Proxy = (b.Proxy || c.Bool("proxy")) && !c.Bool("no-proxy")
	if err := k.SetBackend(ctx, b); err != nil || !c.Bool("up") {
		return err
	}
	return k.SetBackendDown(ctx, name, false)
}

func set[T any](p, v *T) {
	if v != nil {
		*p = *v
	}
}

// servicePorts are the ports of all services, each once.
func servicePorts(ctx context.Context, k Kernel) ([]uint16, error) {
	services, err := k.Services(ctx)
	var list []uint16
	for _, s := range services { // by port
		if len(list) == 0 || list[len(list)-1] != s.Port {
			list = append(list, s.Port)
		}
	}
	return list, err
}

type backendView struct {
	Name        string     `json:"name"`
	Address     netip.Addr `json:"address"`
	Port        uint16     `json:"port"` // 0: the service's
	Services    []uint16   `json:"services"`
	Weight      uint32     `json:"weight"`
	Limit       uint32     `json:"limit"` // 0: none
	Down        bool       `json:"down"`
	Proxy       bool       `json:"proxy_protocol"`
	Connections uint32     `json:"connections"`
	Spliced     uint64     `json:"spliced"`
}

func readBackends(ctx context.Context, k Kernel) ([]backendView, error) {
	list, err := k.Backends(ctx)
	views := make([]backendView, 0, len(list))
	for _, b := range list {
		views = append(views, backendView{b.Name, b.Address, b.Port, b.Services, b.Weight, b.Limit, b.Down, b.Proxy, b.Connections, b.Spliced})
	}
	return views, err
}

func writeBackends(w io.Writer, list []backendView) {
	fmt.Fprintln(w, "NAME\tADDRESS\tPORT\tSERVICES\tSTATE\tWEIGHT\tLIMIT\tPROXY\tCONNS\tSPLICED")
	for _, b := range list {
		port, limit, state, proxy := "-", "-", "up", "-"
		if b.Port != 0 {
			port = fmt.Sprint(b.Port)
		}
		if b.Limit != 0 {
			limit = fmt.Sprint(b.Limit)
		}
		if b.Down {
			state = "down"
		}
		if b.Proxy {
			proxy = "v2"
		}
		fmt.Fprintf(w, "%s\t%v\t%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\n", b.Name, b.Address, port, portList(b.Services), state, b.Weight, limit, proxy, b.Connections, b.Spliced)
	}
}
