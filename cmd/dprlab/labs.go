// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/initramfs"
)

func up() *task {
	c := lab.Defaults()
	return &task{
		name: "up", usage: "bring a lab up, building what it needs",
		options: &c, lab: &c.Name,
		run: func(ctx context.Context, e env) error {
			if c.Clients == 0 {
				c.Clients = -1 // none, which 0 does not mean
			}
			c.Progress = e.stderr
			_, err := lab.Up(ctx, c)
			return err
		},
	}
}

func down() *task {
	name := lab.Defaults().Name
	return &task{
		name: "down", usage: "bring a lab down, or remove what a crash left of it", lab: &name, ownSignals: true,
		run: func(ctx context.Context, _ env) error { return lab.Down(ctx, name) },
	}
}

func packages() *task {
	return &task{
		name: "packages", usage: "list the Debian packages that a lab needs",
		run: func(_ context.Context, e env) error {
			for _, p := range initramfs.Packages() {
				fmt.Fprintln(e.stdout, p)
			}
			return nil
		},
	}
}

type statusOptions struct {
	JSON bool
}

func (o *statusOptions) Flags() flags.Set {
	return flags.Set{flags.Bool(&o.JSON, "json", "as JSON")}
}

func status() *task {
	var o statusOptions
	t := withLab(func(ctx context.Context, l *lab.Lab, e env) error {
		hosts, err := l.Status(ctx)
		if err != nil {
			return err
		}
		if o.JSON {
			j := json.NewEncoder(e.stdout)
			j.SetIndent("", "  ")
			return j.Encode(hosts)
		}
		fmt.Fprintf(e.stdout, "lab %s: kernel %s under %s, own addresses of %s\n", l.Name(), l.Kernel().Release, l.Accel(), l.Family().Name())
		t := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		for _, h := range hosts {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s", h.Name, h.Kind, h.Address, h.Address6, h.State)
			if !h.Since.IsZero() {
				fmt.Fprintf(t, " for %v", time.Since(h.Since).Round(time.Second))
			}
			if h.Why != "" {
				fmt.Fprintf(t, ": %s", h.Why)
			}
			fmt.Fprintln(t)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		return l.Check()
	})
	t.name, t.usage, t.options, t.ownSignals = "status", "show a lab's hosts", &o, true
	return t
}
