// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

// errTimeout is the cause of a wait that took too long.
var errTimeout = errors.New("timed out")

func (p *program) drainCommand() *cli.Command {
	return p.partCommand("drain", "stop giving this host new connections; existing ones continue", dprnl.StateDraining)
}

func (p *program) leaveCommand() *cli.Command {
	return p.partCommand("leave", "like drain, and leave the peers' load tables: this host is about to go down", dprnl.StateLeaving)
}

func (p *program) undrainCommand() *cli.Command {
	state := dprnl.StateActive
	return &cli.Command{
		Name: "undrain", Usage: "give this host new connections again after drain or leave",
		Action: p.change(func(ctx context.Context, k Kernel) error {
			return k.SetConfig(ctx, dprnl.ConfigUpdate{State: &state})
		}),
	}
}

// partCommand returns a command with which the host parts from the cluster.
func (p *program) partCommand(name, usage string, state dprnl.State) *cli.Command {
	timeout := &durationValue{max: dprnl.MaxTimeout * time.Millisecond}
	return &cli.Command{
		Name: name, Usage: usage,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "wait", Usage: "wait until no connection needs this host"},
			&cli.GenericFlag{Name: "timeout", Usage: "with --wait: exit with status 6 after `TIME`; keep the state", Value: timeout},
			&cli.BoolFlag{Name: "json", Usage: "with --wait: write JSON"},
		},
		Action: func(c *cli.Context) error {
			if _, err := positional(c); err != nil {
				return err
			}
			for _, f := range []string{"timeout", "json"} {
				if c.IsSet(f) && !c.Bool("wait") {
					return usagef("%s--%s needs --wait", where(c), f)
				}
			}
			return p.kernel(c, func(ctx context.Context, k Kernel) error {
				if err := k.SetConfig(ctx, dprnl.ConfigUpdate{State: &state}); err != nil || !c.Bool("wait") {
					return err
				}
				if timeout.set {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeoutCause(ctx, timeout.value, errTimeout)
					defer cancel()
				}
				return p.awaitEmpty(ctx, k, c.Bool("json"))
			})
		},
	}
}

// A partView is a line of output of drain --wait.
type partView struct {
	Connections int    `json:"connections"` // that this host serves
	Flows       uint64 `json:"flows"`       // that it redirects
	FlowsLive   uint64 `json:"flows_live"`
	Done        bool   `json:"done"`
}

// awaitEmpty waits until this host neither serves nor redirects a connection,
// and even a peer that missed its change of state can no longer choose it.
func (p *program) awaitEmpty(ctx context.Context, k Kernel, asJSON bool) error {
	c, err := k.Config(ctx)
	if err != nil {
		return err
	}
	settled := time.Now().Add(c.ReportMaxAge)
	tick := time.NewTicker(p.Poll)
	defer tick.Stop()
	var last *partView
	for {
		v, err := p.readPart(ctx, k)
		if err != nil {
			return err
		}
		v.Done = v.Connections == 0 && v.Flows == 0 && !time.Now().Before(settled)
		if last == nil || *last != v {
			if err := p.writePart(v, asJSON); err != nil {
				return err
			}
			last = &v
		}
		if v.Done {
			return nil
		}
		select {
		case <-ctx.Done():
			return waitError(ctx, v)
		case <-tick.C:
		}
	}
}

func waitError(ctx context.Context, v partView) error {
	return fmt.Errorf("waiting for %d connections served here and %d flows to end: %w", v.Connections, v.Flows, context.Cause(ctx))
}

func (p *program) readPart(ctx context.Context, k Kernel) (partView, error) {
	services, err := k.Services(ctx)
	if err != nil {
		return partView{}, err
	}
	var ports []uint16
	for _, s := range services {
		ports = append(ports, s.Port)
	}
	n, err := p.Connections(ctx, ports)
	if err != nil {
		return partView{}, err
	}
	stats, err := k.Stats(ctx)
	if err != nil {
		return partView{}, err
	}
	return partView{Connections: n, Flows: stats.Get(dprnl.StatFlows), FlowsLive: stats.Get(dprnl.StatFlowsLive)}, nil
}

func (p *program) writePart(v partView, asJSON bool) error {
	var err error
	if asJSON {
		err = json.NewEncoder(p.Out).Encode(v)
	} else {
		_, err = fmt.Fprintf(p.Out, "%s  %d connections served here, %d flows to peers, %d of them live\n",
			p.Now().Format("15:04:05"), v.Connections, v.Flows, v.FlowsLive)
	}
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
