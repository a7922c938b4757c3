// SPDX-License-Identifier: MIT

package ctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/receive"
)

func (p *program) reportsCommand() *cli.Command {
	return &cli.Command{
		Name: "reports", Usage: "show how many load reports were accepted and refused, and why",
		Flags: []cli.Flag{fileFlag(), jsonFlag()},
		Action: func(c *cli.Context) error {
			if _, err := positional(c); err != nil {
				return err
			}
			path, err := p.countsPath(c.String("config"), c.IsSet("config"))
			if err != nil {
				return err
			}
			s, err := p.Reports(c.Context, path)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
				return fmt.Errorf("dpr-receive is not running or has no runtime directory: %w", err)
			}
			if err != nil {
				return err
			}
			return p.print(c, reportsView(s), func(w io.Writer) { writeReports(w, reportsView(s)) })
		},
	}
}

// countsPath returns where dpr-receive serves its counts. A mistake in the file may be
// why they are looked at: the processes run with what they read before, and few files
// give them another directory. A file that the caller has named must be right.
func (p *program) countsPath(file string, named bool) (string, error) {
	cfg, err := config.Load(file)
	if err == nil {
		return cfg.CountsPath(), nil
	}
	if named {
		return "", err
	}
	fmt.Fprintf(p.Err, "dprctl: %s has mistakes (dprctl check): asking dpr-receive in its usual place\n", file)
	defaults := config.Defaults()
	return defaults.CountsPath(), nil
}

type reportsView receive.Status

func writeReports(w io.Writer, v reportsView) {
	fmt.Fprintf(w, "since\t%s\t\n", v.Started.Format(time.DateTime))
	fmt.Fprintf(w, "accepted\t%d\t\n", v.Counts["accepted"])
	names := make([]string, 0, len(v.Counts))
	for n := range v.Counts {
		if n != "accepted" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(w, "%s\t%d\t%s\n", n, v.Counts[n], receive.Explain(n))
	}
}
