// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"os"

	"dpr/testbed/check/chaos"
	"dpr/testbed/check/enemy"
	"dpr/testbed/check/fuzz"
	"dpr/testbed/check/soak"
	"dpr/testbed/eval/bench"
	"dpr/testbed/eval/demo"
	"dpr/testbed/eval/demo/layer7"
	"dpr/testbed/eval/reproduce"
	"dpr/testbed/lab/httpload"
	"dpr/testbed/lab/surge"
)

// The hidden commands that runs start in clients' namespaces: a plan on standard
// input, the result on standard output.
const (
	loadClient  = "load-client"
	surgeClient = "surge-client"
)

func loadUsers() *task {
	return &task{
		name: loadClient, usage: "be one client's load", hidden: true,
		run: func(ctx context.Context, e env) error { return httpload.Serve(ctx, os.Stdin, e.stdout) },
	}
}

func surgeUsers() *task {
	return &task{
		name: surgeClient, usage: "be one process of SURGE's users", hidden: true,
		run: func(ctx context.Context, e env) error { return surge.Serve(ctx, os.Stdin, e.stdout) },
	}
}

func compare() *task {
	o := demo.Defaults()
	return &task{
		name: "demo", usage: "compare the policies off and lowest: three servers, six clients split 4:1:1",
		options: &o, lab: &o.Lab,
		run: func(ctx context.Context, e env) error {
			o.LoadCommand, o.Stdout, o.Progress = []string{e.self, loadClient}, e.stdout, e.stderr
			return demo.Run(ctx, o)
		},
	}
}

func showRules() *task {
	o := layer7.Defaults()
	return &task{
		name: "demo-l7", usage: "serve /images and /api by different servers, whichever one a client reaches",
		options: &o, lab: &o.Lab,
		run: func(ctx context.Context, e env) error {
			o.LoadCommand, o.Stdout, o.Progress = []string{e.self, loadClient}, e.stdout, e.stderr
			return layer7.Run(ctx, o)
		},
	}
}

func evaluate() *task {
	o := reproduce.Defaults()
	return &task{
		name: "reproduce", usage: "run the paper's evaluation: its tables and figures with ours beside them",
		options: &o, lab: &o.Lab,
		run: func(ctx context.Context, e env) error {
			o.LoadCommand, o.Stdout, o.Progress = []string{e.self, surgeClient}, e.stdout, e.stderr
			return reproduce.Main(ctx, o)
		},
	}
}

func measure() *task {
	o := bench.Defaults()
	return &task{
		name: "bench", usage: "measure what packets, flows and connections cost, beside IPVS and others",
		options: &o, lab: &o.Lab,
		run: func(ctx context.Context, e env) error {
			o.LoadCommand, o.Stdout, o.Progress = []string{e.self, loadClient}, e.stdout, e.stderr
			return bench.Run(ctx, o)
		},
	}
}

func measureChange() *task {
	o := bench.CompareDefaults()
	return &task{
		name: "bench-diff", usage: "measure a commit's module and the working tree's, and show what changed",
		args: "COMMIT", least: 1, most: 1, options: &o,
		run: func(ctx context.Context, e env) error {
			o.Base, o.Stdout, o.Progress = e.args[0], e.stdout, e.stderr
			return bench.Compare(ctx, o)
		},
	}
}

func breakHosts() *task {
	o := chaos.Defaults()
	return &task{
		name: "chaos", usage: "break hosts, links, clocks and processes under load, and judge every connection that failed",
		options: &o, lab: &o.Lab,
		run: func(ctx context.Context, e env) error {
			o.Stdout, o.Progress = e.stdout, e.stderr
			return chaos.Main(ctx, o)
		},
	}
}

func soakCluster() *task {
	o := soak.Defaults()
	return &task{
		name: "soak", usage: "keep a cluster under load for long, and see whether memory, flows and delays stay as they are",
		options: &o, lab: &o.Lab,
		run: func(ctx context.Context, e env) error {
			o.LoadCommand, o.Stdout, o.Progress = []string{e.self, loadClient}, e.stdout, e.stderr
			return soak.Main(ctx, o)
		},
	}
}

func breakModule() *task {
	o := fuzz.Defaults()
	return &task{
		name: "fuzz", usage: "try to break the module with generated messages and packets, failing memory and races",
		options: &o,
		run: func(ctx context.Context, e env) error {
			o.Stdout, o.Progress = e.stdout, e.stderr
			return fuzz.Run(ctx, o)
		},
	}
}

func attack() *task {
	o := enemy.Defaults()
	return &task{
		name: "enemy", usage: "attack dpr: blind packets, a local program without rights, races of two processors",
		options: &o,
		run: func(ctx context.Context, e env) error {
			o.Stdout, o.Progress = e.stdout, e.stderr
			return enemy.Run(ctx, o)
		},
	}
}
