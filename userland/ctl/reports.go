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
			cfg, err := config.Load(c.String("config"))
			if err != nil {
				return err
			}
			s, err := p.Reports(c.Context, cfg.CountsPath())
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
