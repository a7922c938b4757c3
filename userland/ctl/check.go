// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/doctor"
	"dpr/userland/dprnl"
)

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "look for what is wrong with the configuration file and this host, and say what to do", ArgsUsage: "[FILE]",
		Flags: []cli.Flag{
			fileFlag(), jsonFlag(),
			&cli.StringFlag{Name: "name", Usage: "compare the addresses of a DNS `NAME` with the hosts"},
		},
		Action: func(c *cli.Context) error {
			args, err := positional(c, "[FILE]")
			if err != nil {
				return err
			}
			path := c.String("config")
			if args[0] != "" {
				if c.IsSet("config") {
					return usagef("%sconflicting files: --config and the argument %q", where(c), args[0])
				}
				if c.IsSet("name") {
					return usagef("%s--name is for this host: leave out the argument %q", where(c), args[0])
				}
				path = args[0]
			}
			file, err := config.Load(path)
			v := checkView{File: path, OK: err == nil, Mistakes: []mistakeView{}, Findings: []doctor.Finding{}}
			if err == nil {
				v.Files = file.Files
			}
			if err == nil && args[0] != "" {
				v.Findings = append(v.Findings, doctor.ExamineFile(file)...)
			}
			if err != nil || args[0] != "" {
				return p.reportMistakes(c, v, err)
			}
			v.Findings, err = p.examine(c.Context, path, file, c.String("name"))
			if errors.Is(err, dprnl.ErrNoRight) {
				v.Findings = []doctor.Finding{{Check: "host", Severity: doctor.Note, What: "only root can look at the host: only the file was looked at"}}
			} else if err != nil {
				return err
			}
			if err := p.print(c, v, func(w io.Writer) { writeCheck(w, v) }); err != nil {
				return err
			}
			for _, f := range v.Findings {
				if f.Severity == doctor.Problem {
					return errUnhealthy
				}
			}
			return nil
		},
	}
}

// examine looks at this host: what status says, and what the doctor finds.
func (p *program) examine(ctx context.Context, path string, file *config.Config, name string) ([]doctor.Finding, error) {
	o := doctor.Options{File: file, Reports: p.Reports, FastPath: p.FastPath, Name: name}
	k, err := p.Dial()
	if err == nil {
		defer k.Close()
		o.Kernel = k
	} else if !errors.Is(err, dprnl.ErrNotLoaded) {
		return nil, err
	}
	facts, err := p.Gather(ctx, o)
	if err != nil {
		return nil, err
	}
	var list []doctor.Finding
	if v, err := p.readStatus(ctx, path); err == nil && v.Configured {
		for _, problem := range slices.Concat(v.Problems, v.Cluster) {
			severity := doctor.Problem
			if strings.HasPrefix(problem, "backend is down: ") {
				severity = doctor.Warning // it may be so for maintenance
			}
			list = append(list, doctor.Finding{Check: "status", Severity: severity, What: problem})
		}
	}
	return append(list, doctor.Examine(facts)...), nil
}

// reportMistakes writes the file's mistakes as JSON if --json is set. Otherwise the
// error itself lists them.
func (p *program) reportMistakes(c *cli.Context, v checkView, err error) error {
	var mistakes *config.Error
	if err != nil && !errors.As(err, &mistakes) {
		return err
	}
	if mistakes != nil {
		for _, m := range mistakes.Mistakes {
			v.Mistakes = append(v.Mistakes, mistakeView(m))
		}
	}
	if err != nil && !c.Bool("json") {
		return err
	}
	if perr := p.print(c, v, func(w io.Writer) { writeCheck(w, v) }); perr != nil {
		return perr
	}
	return err
}

func writeCheck(w io.Writer, v checkView) {
	for _, f := range v.Files {
		fmt.Fprintf(w, "%s: no mistakes\n", f)
	}
	for _, f := range v.Findings {
		fmt.Fprintf(w, "%s: %s: %s\n", f.Severity, f.Check, f.What)
		if f.Remedy != "" {
			fmt.Fprintf(w, "    remedy: %s\n", f.Remedy)
		}
	}
}

type checkView struct {
	File     string           `json:"file"`
	Files    []string         `json:"files"` // it, and those of conf.d
	OK       bool             `json:"ok"`    // the file
	Mistakes []mistakeView    `json:"mistakes"`
	Findings []doctor.Finding `json:"findings"`
}

type mistakeView struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Key     string `json:"key"`
	Message string `json:"message"`
}
