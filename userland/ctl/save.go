// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

func saveFlag() cli.Flag {
	return &cli.BoolFlag{Name: "save", Usage: "also save the values, in a file in conf.d beside the configuration file"}
}

// set changes the kernel's configuration, and with --save also what the next apply will
// say: both or none.
func (p *program) set(c *cli.Context, u dprnl.ConfigUpdate) error {
	if !c.Bool("save") {
		if c.IsSet("config") {
			return usagef("%s--config is for --save", where(c))
		}
		return p.kernel(c, func(ctx context.Context, k Kernel) error { return k.SetConfig(ctx, u) })
	}
	if u.State != nil {
		return usagef("%s--state is not saved: the key start says how this host begins", where(c))
	}
	return p.kernel(c, func(ctx context.Context, k Kernel) error {
		saving, err := config.Prepare(ctx, c.String("config"), keysOf(u))
		if err != nil {
			return err
		}
		if err := k.SetConfig(ctx, u); err != nil {
			return errors.Join(err, saving.Abort())
		}
		if err := saving.Commit(); err != nil {
			return fmt.Errorf("the kernel has the new values, but the next apply undoes them: %w", err)
		}
		fmt.Fprintf(p.Out, "saved in %s; systemctl reload dpr-receive lets the running process know\n", saving.Path)
		return nil
	})
}

// keysOf returns an update as keys of the configuration file.
func keysOf(u dprnl.ConfigUpdate) map[string]any {
	keys := make(map[string]any)
	text(keys, "policy", u.Policy)
	text(keys, "hash", u.Hash)
	text(keys, "estimate", u.Estimate)
	text(keys, "marker", u.Marker)
	text(keys, "forwarding", u.Forwarding)
	text(keys, "answers", u.Answers)
	text(keys, "orphans", u.Orphans)
	text(keys, "address", u.Address)
	if u.MaxLoad != nil && *u.MaxLoad == dprnl.MaxLoadAuto {
		keys["max_load"] = dprnl.FormatMaxLoad(*u.MaxLoad)
	} else if u.MaxLoad != nil {
		keys["max_load"] = *u.MaxLoad
	}
	if u.SpliceFirstPort != nil && u.SpliceLastPort != nil {
		keys["splice_ports"] = config.Ports{First: uint16(*u.SpliceFirstPort), Last: uint16(*u.SpliceLastPort)}.String()
	}
	for key, n := range map[string]*uint32{
		"weights.connections": u.WeightConnections, "weights.cpu": u.WeightCPU,
		"weights.redirected": u.WeightRedirected, "weights.sockets": u.WeightSockets,
		"weight": u.Weight, "max_flows": u.MaxFlows, "affinity": u.Affinity, "affinity6": u.Affinity6, "max_splices": u.MaxSplices,
	} {
		if n != nil {
			keys[key] = *n
		}
	}
	for key, d := range map[string]*time.Duration{
		"report_max_age": u.ReportMaxAge, "slow_start": u.SlowStart, "affinity_time": u.AffinityTime,
		"timeouts.syn": u.TimeoutSyn, "timeouts.established": u.TimeoutEstablished,
		"timeouts.fin": u.TimeoutFin, "timeouts.rst": u.TimeoutRst,
	} {
		if d != nil {
			keys[key] = d.String()
		}
	}
	return keys
}

// text adds a key whose value is a word.
func text[T fmt.Stringer](keys map[string]any, key string, v *T) {
	if v != nil {
		keys[key] = (*v).String()
	}
}
