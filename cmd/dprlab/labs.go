// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/testbed/lab"
)

// labCommands are the commands about a lab as a whole.
func labCommands() []*cli.Command {
	return []*cli.Command{
		command("up", "bring a lab up, building what it needs", "", 0, 0, up, upFlags()...),
		command("down", "bring a lab down, or remove what a crash left of it", "", 0, 0, func(c *cli.Context) error {
			return lab.Down(c.Context, labName(c))
		}),
		command("status", "show a lab's hosts", "", 0, 0, status,
			&cli.BoolFlag{Name: "json", Usage: "as JSON"}),
		command("packages", "list the Debian packages that a lab needs", "", 0, 0, func(c *cli.Context) error {
			for _, p := range lab.Packages() {
				fmt.Fprintln(c.App.Writer, p)
			}
			return nil
		}),
	}
}

func upFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "servers", Value: 3, Usage: fmt.Sprintf("`N` servers, 1 to %d", lab.MaxServers)},
		&cli.IntFlag{Name: "clients", Value: 6, Usage: fmt.Sprintf("`N` clients, 0 to %d", lab.MaxClients)},
		&cli.StringFlag{Name: "kernel", Value: "6.1", Usage: "`VERSION` of the servers' kernel: a series, such as 6.12, or a release"},
		&cli.IntFlag{Name: "memory", Value: 384, Usage: "`MIB` of memory of each server"},
		&cli.IntFlag{Name: "cpus", Value: 1, Usage: fmt.Sprintf("`N` processors of each server, 1 to %d", lab.MaxCPUs)},
		&cli.BoolFlag{Name: "no-dpr", Usage: "servers without dpr"},
		&cli.StringFlag{Name: "policy", Usage: "dpr's `POLICY`, else its own default"},
		&cli.StringFlag{Name: "hash", Usage: "dpr's `HASH`, else its own default"},
		&cli.StringFlag{Name: "estimate", Usage: "dpr's `ESTIMATE`, else its own default"},
		&cli.StringFlag{Name: "marker", Usage: "dpr's `MARKER`, else its own default"},
		&cli.StringFlag{Name: "orphans", Usage: "dpr's `ORPHANS`, else its own default"},
		&cli.Uint64Flag{Name: "max-load", Usage: "dpr's MaxLoad"},
		&cli.StringFlag{Name: "link", Usage: "`RATE` of each server's link, such as 8mbit"},
		&cli.StringFlag{Name: "access-rate", Usage: "bytes per second that nginx gives a connection, such as 64k (`RATE`)"},
	}
}

func up(c *cli.Context) error {
	for _, name := range []string{"servers", "clients", "memory", "cpus"} {
		if n := c.Int(name); n < 0 || n == 0 && name != "clients" {
			return fmt.Errorf("up: --%s %d: too few", name, n)
		}
	}
	clients := c.Int("clients")
	if clients == 0 {
		clients = -1 // none, which 0 does not mean
	}
	ctx, stop := interruptible(c)
	defer stop()
	_, err := lab.Up(ctx, lab.Config{
		Name: labName(c), Servers: c.Int("servers"), Clients: clients,
		Kernel: c.String("kernel"), Memory: c.Int("memory"), CPUs: c.Int("cpus"), NoDPR: c.Bool("no-dpr"),
		DPR: lab.DPRConfig{
			Policy: c.String("policy"), Hash: c.String("hash"), Estimate: c.String("estimate"),
			Marker: c.String("marker"), Orphans: c.String("orphans"), MaxLoad: c.Uint64("max-load"),
		},
		Link: c.String("link"), AccessRate: c.String("access-rate"), Progress: os.Stderr,
	})
	return err
}

func status(c *cli.Context) error {
	l, err := openLab(c)
	if err != nil {
		return err
	}
	hosts, err := l.Status(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		e := json.NewEncoder(c.App.Writer)
		e.SetIndent("", "  ")
		return e.Encode(hosts)
	}
	fmt.Fprintf(c.App.Writer, "lab %s: kernel %s under %s\n", l.Name(), l.Kernel().Release, l.Accel())
	t := tabwriter.NewWriter(c.App.Writer, 0, 8, 2, ' ', 0)
	for _, h := range hosts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s", h.Name, h.Kind, h.Address, h.State)
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
}
