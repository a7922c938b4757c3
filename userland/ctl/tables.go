// SPDX-License-Identifier: MIT

package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

func (p *program) peersCommand() *cli.Command {
	weight := &numberValue[uint32]{min: 1, max: dprnl.MaxWeight}
	return &cli.Command{
		Name:   "peers",
		Usage:  "list the other hosts by estimated load",
		Flags:  []cli.Flag{jsonFlag()},
		Action: show(p, readPeers, writePeers),
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "accept redirected packets from a host", ArgsUsage: "ADDRESS",
				Flags: []cli.Flag{&cli.GenericFlag{Name: "weight", Usage: "relative `CAPACITY` of the host", Value: weight}},
				Action: func(c *cli.Context) error {
					args, err := positional(c, "ADDRESS")
					if err != nil {
						return err
					}
					u := dprnl.PeerUpdate{Weight: weight.pointer()}
					if u.Address, err = parseAddr("ADDRESS", args[0]); err != nil {
						return err
					}
					return p.kernel(c, func(ctx context.Context, k Kernel) error { return k.SetPeer(ctx, u) })
				},
			},
			{
				Name: "del", Usage: "stop redirecting new connections to a host until it reports again", ArgsUsage: "ADDRESS",
				Flags: []cli.Flag{&cli.BoolFlag{Name: "dead", Usage: "forget the host and end its flows"}},
				Action: func(c *cli.Context) error {
					args, err := positional(c, "ADDRESS")
					if err != nil {
						return err
					}
					address, err := parseAddr("ADDRESS", args[0])
					if err != nil {
						return err
					}
					return p.kernel(c, func(ctx context.Context, k Kernel) error {
						return k.DeletePeer(ctx, address, c.Bool("dead"))
					})
				},
			},
		},
	}
}

func readPeers(ctx context.Context, k Kernel) ([]peerView, error) {
	list, err := k.Peers(ctx)
	return viewPeers(list), err
}

func writePeers(w io.Writer, list []peerView) {
	fmt.Fprintln(w, "ADDRESS\tSTATE\tUSABLE\tESTIMATE\tLOAD\tWEIGHT\tCONNS\tCPU\tREDIR\tSOCKETS\tAGE\tFLOWS\tLIVE\tREDIRECTS\tFORWARDING\tDOWN")
	for _, p := range list {
		age := "never"
		if p.Age != nil {
			age = millis(*p.Age).String()
		}
		forwarding := "-"
		if p.Forwarding != nil {
			forwarding = p.Forwarding.String()
		}
		fmt.Fprintf(w, "%v\t%v\t%s\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%s\t%d\t%d\t%d\t%s\t%s\n", p.Address, p.State,
			usable(p), p.Estimate, p.Load, p.Weight, p.Connections, percent(p.CPU), p.Redirected, p.Sockets, age, p.Flows, p.Live, p.Redirects, forwarding, portList(p.Down))
	}
}

func usable(p peerView) string {
	switch {
	case p.Usable:
		return "yes"
	case !p.Listed:
		return "known"
	case p.Barred != dprnl.BarredNo:
		return p.Barred.String()
	}
	return "no"
}

// portList names ports, "-" if there are none.
func portList(ports []uint16) string {
	if len(ports) == 0 {
		return "-"
	}
	var words []string
	for _, p := range ports {
		words = append(words, fmt.Sprint(p))
	}
	return strings.Join(words, ",")
}

func percent(thousandths uint32) string {
	return fmt.Sprintf("%d.%d%%", thousandths/10, thousandths%10)
}

func (p *program) flowsCommand() *cli.Command {
	var client, address, peer addrValue
	clientPort := numberValue[uint16]{min: 1, max: 65535}
	port := numberValue[uint16]{min: 1, max: 65535}
	state := wordValue[dprnl.FlowState, *dprnl.FlowState]{}
	return &cli.Command{
		Name:  "flows",
		Usage: "list the redirected connections",
		Flags: []cli.Flag{
			jsonFlag(),
			&cli.GenericFlag{Name: "client", Usage: "only flows from the client `ADDRESS`", Value: &client},
			&cli.GenericFlag{Name: "client-port", Usage: "only flows from the client `PORT`", Value: &clientPort},
			&cli.GenericFlag{Name: "address", Usage: "only flows to this host's `ADDRESS`", Value: &address},
			&cli.GenericFlag{Name: "port", Usage: "only flows to the service `PORT`", Value: &port},
			&cli.GenericFlag{Name: "peer", Usage: "only flows redirected to the peer `ADDRESS`", Value: &peer},
			&cli.GenericFlag{Name: "state", Usage: "only flows in state " + words(dprnl.FlowStateWords()), Value: &state},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return group(c)
			}
			f := dprnl.FlowFilter{Client: client.Addr, ClientPort: clientPort.value, Address: address.Addr,
				Port: port.value, Peer: peer.Addr, State: state.pointer()}
			return p.kernel(c, func(ctx context.Context, k Kernel) error { return p.writeFlows(ctx, c, k, f) })
		},
		Subcommands: []*cli.Command{{
			Name: "del", Usage: "delete a flow; answer the client's next packet with a RST", ArgsUsage: "CLIENT:PORT ADDRESS:PORT",
			Action: func(c *cli.Context) error {
				args, err := positional(c, "CLIENT:PORT", "ADDRESS:PORT")
				if err != nil {
					return err
				}
				var key dprnl.FlowKey
				if key.Client, err = parseAddrPort("CLIENT:PORT", args[0]); err != nil {
					return err
				}
				if key.Service, err = parseAddrPort("ADDRESS:PORT", args[1]); err != nil {
					return err
				}
				return p.kernel(c, func(ctx context.Context, k Kernel) error { return k.DeleteFlow(ctx, key) })
			},
		}},
	}
}

// writeFlows writes flows as they arrive.
func (p *program) writeFlows(ctx context.Context, c *cli.Context, k Kernel, f dprnl.FlowFilter) error {
	w := bufio.NewWriterSize(p.Out, 64<<10)
	enc, table := json.NewEncoder(w), &flowTable{w: w}
	asJSON := c.Bool("json")
	for flow, err := range k.Flows(ctx, f) {
		if err != nil {
			if !asJSON {
				_ = table.flush() // what was read; the error counts that ended it
			}
			w.Flush()
			return err
		}
		if asJSON {
			err = enc.Encode(viewFlow(flow))
		} else {
			err = table.add(flow)
		}
		if err != nil {
			return fmt.Errorf("writing flows: %w", err)
		}
	}
	var err error
	if !asJSON {
		err = table.flush()
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		return fmt.Errorf("writing flows: %w", err)
	}
	return nil
}
