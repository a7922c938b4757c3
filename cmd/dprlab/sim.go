// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"dpr/testbed/eval/sim"
	"dpr/testbed/eval/sim/lard"
	"dpr/testbed/eval/sim/moved"
	"dpr/testbed/lab/flags"
)

type simOptions struct {
	sim.Options
	JSON bool // the results, instead of a table
}

func (o *simOptions) Flags() flags.Set {
	return append(o.Options.Flags(), flags.Bool(&o.JSON, "json", "as JSON"))
}

func simulate() *task {
	o := simOptions{Options: sim.Defaults()}
	return &task{
		name: "sim", usage: "simulate one cluster under some policies; a table, or JSON",
		options: &o,
		run: func(ctx context.Context, e env) error {
			configs, err := o.Configs()
			if err != nil {
				return fmt.Errorf("sim: %w", err)
			}
			results, err := sim.RunAll(ctx, configs, nil)
			if err != nil {
				return err
			}
			if o.JSON {
				j := json.NewEncoder(e.stdout)
				j.SetIndent("", "  ")
				return j.Encode(results)
			}
			return sim.WriteTable(e.stdout, results)
		},
	}
}

func study() *task {
	o := sim.StudyDefaults()
	return &task{
		name: "sim-study", usage: "simulate how policies fare against MaxLoad, the reports' period and the number of hosts",
		options: &o,
		run: func(ctx context.Context, e env) error {
			o.Progress = func(done, all int, r *sim.Result) {
				fmt.Fprintf(e.stderr, "sim: %d of %d: %d hosts, %s, %v: %.4f s\n", done, all, r.Config.Hosts, r.Config.Traffic, r.Choice(), r.DelayMean)
			}
			found, err := o.Run(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "sim: %d results, %d plots in %s\n", len(found.Sweep)+len(found.Scale), len(found.Plots), o.Dir)
			return sim.WriteTable(e.stdout, found.Scale)
		},
	}
}

type movedOptions struct {
	moved.Options
	JSON bool // the results, instead of a table
}

func (o *movedOptions) Flags() flags.Set {
	return append(o.Options.Flags(), flags.Bool(&o.JSON, "json", "as JSON"))
}

func simulateMoved() *task {
	o := movedOptions{Options: moved.OptionDefaults()}
	return &task{
		name: "sim-moved", usage: "simulate how hosts find connections that routers have moved to them; a table, or JSON",
		options: &o,
		run: func(ctx context.Context, e env) error {
			configs, err := o.Configs()
			if err != nil {
				return fmt.Errorf("sim-moved: %w", err)
			}
			var results []*moved.Result
			for _, c := range configs {
				r, err := moved.Run(ctx, c)
				if err != nil {
					return err
				}
				results = append(results, r)
			}
			if o.JSON {
				j := json.NewEncoder(e.stdout)
				j.SetIndent("", "  ")
				return j.Encode(results)
			}
			return moved.WriteTable(e.stdout, results)
		},
	}
}

func reproduceLARD() *task {
	o := lard.OptionDefaults()
	return &task{
		name: "reproduce-lard", usage: "simulate hosts whose memory is too small for all documents, under the policies of rules",
		options: &o,
		run: func(ctx context.Context, e env) error {
			o.Stdout = e.stdout
			return lard.Main(ctx, o)
		},
	}
}
