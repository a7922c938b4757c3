// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/testbed/eval/sim"
	"dpr/userland/dprnl"
)

// simCommands simulate clusters, with the module's own decisions.
func simCommands() []*cli.Command {
	return []*cli.Command{
		command("sim", "simulate one cluster under some policies; a table, or JSON", "", 0, 0, runSim,
			&cli.StringSliceFlag{Name: "policies", Usage: "`POLICY,POLICY…` that are simulated", DefaultText: strings.Join(sim.Policies(), ",")},
			&cli.IntFlag{Name: "hosts", Value: 3, Usage: "`N` hosts; 3 are the paper's with its 1,500 users, others an open system"},
			&cli.StringFlag{Name: "traffic", Usage: "how connections are split over the hosts (`SPLIT`): uniform, zipf", DefaultText: "uniform; of 3 hosts 4:1:1"},
			&cli.Float64Flag{Name: "load", Value: 0.9, Usage: "of an open system, as a `PART` of its capacity"},
			&cli.StringFlag{Name: "estimate", Value: sim.Corrected, Usage: "a peer's load between reports (`WORD`): corrected, reported"},
			&cli.StringFlag{Name: "max-load", Value: "0", Usage: "MaxLoad, a `NUMBER` or auto"},
			&cli.Float64Flag{Name: "period", Value: 1, Usage: "of reports, `SECONDS`"},
			&cli.StringFlag{Name: "sizes", Value: sim.Exponential, Usage: fmt.Sprintf("`LAW` of the transfers' sizes: %s", strings.Join(sim.Laws, ", "))},
			&cli.Float64Flag{Name: "seconds", Value: 200, Usage: "simulated, `SECONDS`"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of all that is random"},
			&cli.BoolFlag{Name: "json", Usage: "as JSON"}),
		command("sim-study", "simulate how policies fare against MaxLoad, the reports' period and the number of hosts", "", 0, 0, runSimStudy,
			&cli.IntSliceFlag{Name: "hosts", Usage: "sizes of the clusters, beside the paper's (`N,N…`)", DefaultText: strings.Trim(strings.Join(strings.Fields(fmt.Sprint(sim.ScaleSizes)), ","), "[]")},
			&cli.Float64Flag{Name: "seconds", Value: 500, Usage: "simulated for each MaxLoad and period, `SECONDS`"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of all that is random"},
			&cli.StringFlag{Name: "out", Value: "out/sim", Usage: "`DIRECTORY` of sim.json, sim.md, tables and plots"}),
	}
}

// simConfig is the cluster that the flags describe.
func simConfig(c *cli.Context) (sim.Config, error) {
	n, traffic := c.Int("hosts"), c.String("traffic")
	var cfg sim.Config
	switch {
	case n < 1 || n > sim.MaxHosts:
		return cfg, fmt.Errorf("sim: --hosts %d is not from 1 to %d", n, sim.MaxHosts)
	case n == 3 && traffic == "":
		cfg = sim.PaperConfig()
	case traffic == "" || traffic == "uniform":
		cfg = sim.OpenConfig(n, "uniform", sim.Uniform(n))
	case traffic == "zipf":
		cfg = sim.OpenConfig(n, traffic, sim.Zipf(n, 1))
	default:
		return cfg, fmt.Errorf("sim: --traffic %q is neither uniform nor zipf", traffic)
	}
	load := c.Float64("load")
	if !(load > 0 && load < 1) {
		return cfg, fmt.Errorf("sim: --load %v is not between 0 and 1", load)
	}
	cfg.Rate *= load / 0.9
	maxLoad, err := dprnl.ParseMaxLoad(c.String("max-load"))
	if err != nil {
		return cfg, fmt.Errorf("sim: --max-load: %w", err)
	}
	cfg.Estimate, cfg.MaxLoad, cfg.Period = c.String("estimate"), maxLoad, c.Float64("period")
	cfg.SizeLaw, cfg.Seconds, cfg.Seed = c.String("sizes"), c.Float64("seconds"), c.Uint64("seed")
	return cfg, nil
}

func runSim(c *cli.Context) error {
	base, err := simConfig(c)
	if err != nil {
		return err
	}
	policies := sim.Policies()
	if c.IsSet("policies") {
		policies = c.StringSlice("policies")
	}
	var configs []sim.Config
	for _, p := range policies {
		base.Policy = p
		configs = append(configs, base)
	}
	ctx, stop := interruptible(c)
	defer stop()
	results, err := sim.RunAll(ctx, configs, nil)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(results)
	}
	return sim.WriteTable(os.Stdout, results)
}

func runSimStudy(c *cli.Context) error {
	sizes := sim.ScaleSizes
	if c.IsSet("hosts") {
		sizes = c.IntSlice("hosts")
	}
	ctx, stop := interruptible(c)
	defer stop()
	o := sim.StudyOptions{
		Dir: c.String("out"), Sweep: true, Sizes: sizes, Seconds: c.Float64("seconds"), Seed: c.Uint64("seed"),
		Progress: func(done, all int, r *sim.Result) {
			fmt.Fprintf(os.Stderr, "sim: %d of %d: %d hosts, %s, %v: %.4f s\n", done, all, r.Config.Hosts, r.Config.Traffic, r.Choice(), r.DelayMean)
		},
	}
	study, err := o.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("sim: %d results, %d plots in %s\n", len(study.Sweep)+len(study.Scale), len(study.Plots), o.Dir)
	return sim.WriteTable(os.Stdout, study.Scale)
}
