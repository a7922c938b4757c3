// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
	"dpr/userland/sockets"
)

func (p *program) traceCommand() *cli.Command {
	return &cli.Command{
		Name: "trace", Usage: "follow a client's connections: which hosts redirect and serve them", ArgsUsage: "CLIENT[:PORT]",
		Flags: []cli.Flag{
			jsonFlag(),
			&cli.BoolFlag{Name: "here", Usage: "show this host alone"},
			&cli.BoolFlag{Name: "all", Usage: "ask all peers, not only those that this host redirects to"},
			&cli.StringFlag{Name: "ssh", Usage: "`COMMAND` that runs a command on another host, whose address follows", Value: "ssh -o BatchMode=yes"},
		},
		Action: func(c *cli.Context) error {
			args, err := positional(c, "CLIENT[:PORT]")
			if err != nil {
				return err
			}
			client, port, err := parseClient(args[0])
			if err != nil {
				return err
			}
			if c.Bool("here") && c.Bool("all") {
				return usagef("%s--here and --all exclude each other", where(c))
			}
			shell := strings.Fields(c.String("ssh"))
			if len(shell) == 0 {
				return usagef("%s--ssh: missing command", where(c))
			}
			t := tracer{program: p, client: client, port: port, shell: shell, here: c.Bool("here"), all: c.Bool("all")}
			return p.kernel(c, func(ctx context.Context, k Kernel) error {
				hosts, err := t.trace(ctx, k)
				if err != nil {
					return err
				}
				if err := p.print(c, hosts, func(w io.Writer) { writeTrace(w, hosts) }); err != nil {
					return err
				}
				return unasked(hosts)
			})
		},
	}
}

// parseClient reads "ADDRESS" or "ADDRESS:PORT"; an IPv6 address with a port is in
// brackets.
func parseClient(s string) (netip.Addr, uint16, error) {
	if a, err := parseAddress(s); err == nil {
		return a, 0, nil
	}
	a, err := parseAddrPort("CLIENT[:PORT]", s)
	return a.Addr(), a.Port(), err
}

// A traceView is what one host knows of a client.
type traceView struct {
	Host        netip.Addr       `json:"host"`
	Error       string           `json:"error,omitempty"` // why the host could not be asked
	Flows       []flowView       `json:"flows"`           // that it redirects
	Connections []connectionView `json:"connections"`     // that it serves
}

type connectionView struct {
	Client      netip.Addr `json:"client"`
	ClientPort  uint16     `json:"client_port"`
	Address     netip.Addr `json:"address"` // that the client connected to
	Port        uint16     `json:"port"`
	State       string     `json:"state"`
	Unread      uint32     `json:"unread"`
	Unconfirmed uint32     `json:"unconfirmed"`
	Retransmits uint8      `json:"retransmits"`
}

func viewConnection(c sockets.Connection) connectionView {
	return connectionView{c.Client.Addr(), c.Client.Port(), c.Service.Addr(), c.Service.Port(), c.State, c.Unread, c.Unconfirmed, c.Retransmits}
}

// A tracer asks this host, and others about the same client.
type tracer struct {
	*program
	client    netip.Addr
	port      uint16
	shell     []string
	here, all bool
}

func (t *tracer) trace(ctx context.Context, k Kernel) ([]traceView, error) {
	config, err := k.Config(ctx)
	if err != nil {
		return nil, err
	}
	here := traceView{Host: config.Address, Flows: []flowView{}, Connections: []connectionView{}}
	for f, err := range k.Flows(ctx, dprnl.FlowFilter{Client: t.client, ClientPort: t.port}) {
		if err != nil {
			return nil, err
		}
		here.Flows = append(here.Flows, viewFlow(f))
	}
	served, err := t.Sockets(ctx, t.client, t.port)
	if err != nil {
		return nil, err
	}
	for _, c := range served {
		here.Connections = append(here.Connections, viewConnection(c))
	}
	hosts := []traceView{here}
	if t.here {
		return hosts, nil
	}
	next, err := t.next(ctx, k, here.Flows)
	for _, host := range next {
		hosts = append(hosts, t.ask(ctx, host))
	}
	return hosts, err
}

// next returns the hosts to ask: all peers, or those that flows lead to.
func (t *tracer) next(ctx context.Context, k Kernel, flows []flowView) ([]netip.Addr, error) {
	var list []netip.Addr
	if t.all {
		peers, err := k.Peers(ctx)
		for _, p := range peers {
			if p.Listed {
				list = append(list, p.Address)
			}
		}
		return list, err
	}
	for _, f := range flows {
		if !slices.Contains(list, f.Peer) {
			list = append(list, f.Peer)
		}
	}
	return list, nil
}

// ask runs this command on another host.
func (t *tracer) ask(ctx context.Context, host netip.Addr) traceView {
	client := t.client.String()
	if t.port != 0 {
		client = netip.AddrPortFrom(t.client, t.port).String()
	}
	out, err := t.Run(ctx, append(slices.Clone(t.shell), host.String(), "dprctl", "trace", "--here", "--json", client))
	var views []traceView
	if err == nil {
		if err = json.Unmarshal(out, &views); err == nil && len(views) != 1 {
			err = errors.New("no answer of one host")
		}
	}
	// So says version 0.1.
	if err != nil && strings.Contains(err.Error(), undefined+"here") {
		err = errors.New("its dprctl is of a version that cannot be asked; upgrade it")
	}
	if err != nil {
		return traceView{Host: host, Error: err.Error(), Flows: []flowView{}, Connections: []connectionView{}}
	}
	return views[0]
}

// unasked is the error of hosts that could not be asked.
func unasked(hosts []traceView) error {
	var errs []error
	for _, h := range hosts {
		if h.Error != "" {
			errs = append(errs, fmt.Errorf("asking %v: %s", h.Host, h.Error))
		}
	}
	return errors.Join(errs...)
}

func writeTrace(w io.Writer, hosts []traceView) {
	for i, h := range hosts {
		suffix := ""
		if i == 0 {
			suffix = " (this host)"
		}
		fmt.Fprintf(w, "%v%s\n", h.Host, suffix)
		for _, f := range h.Flows {
			fmt.Fprintf(w, "  %v to %v: redirected to %v; %v, client silent for %s\n", netip.AddrPortFrom(f.Client, f.ClientPort),
				netip.AddrPortFrom(f.Address, f.Port), f.Peer, f.State, seconds(millis(f.Idle)))
		}
		for _, c := range h.Connections {
			fmt.Fprintf(w, "  %v to %v: served here; %s, %d bytes not read by the server, %d not confirmed by the client, %d retransmits\n",
				netip.AddrPortFrom(c.Client, c.ClientPort), netip.AddrPortFrom(c.Address, c.Port), c.State, c.Unread, c.Unconfirmed, c.Retransmits)
		}
		switch {
		case h.Error != "":
			fmt.Fprintln(w, "  could not be asked")
		case len(h.Flows)+len(h.Connections) == 0:
			fmt.Fprintln(w, "  neither a flow nor a connection of this client")
		}
	}
}
