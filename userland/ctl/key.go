// SPDX-License-Identifier: MIT

package ctl

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/report"
)

// keyPath is where "key new" puts a key.
const keyPath = "/etc/dpr/report.key"

// keyView is a key without its secret.
type keyView struct {
	ID    string `json:"id"`              // as in status --cluster
	File  string `json:"file,omitempty"`  // absent: the configuration names it
	Signs bool   `json:"signs,omitempty"` // this host's reports; the others are only accepted
}

type keysView struct {
	Keys []keyView `json:"keys"`
}

func (p *program) keyCommand() *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "make report keys, and tell them apart",
		Subcommands: []*cli.Command{
			{
				Name: "new", Usage: "make a key that only the owner may read, and show its id", ArgsUsage: "[FILE]",
				Action: func(c *cli.Context) error {
					args, err := positional(c, "[FILE]")
					if err != nil {
						return err
					}
					path := args[0]
					if path == "" {
						path = keyPath
					}
					k, err := report.WriteKey(path)
					if err != nil {
						return err
					}
					fmt.Fprintf(p.Out, "%s  %s\n", report.FormatID(k.ID()), path)
					return nil
				},
			},
			{
				Name: "id", Usage: "show the id of the key in FILE, or of those that the configuration names", ArgsUsage: "[FILE]",
				Flags: []cli.Flag{fileFlag(), jsonFlag()},
				Action: func(c *cli.Context) error {
					args, err := positional(c, "[FILE]")
					if err != nil {
						return err
					}
					v, err := keys(args[0], c.String("config"))
					if err != nil {
						return err
					}
					return p.print(c, v, func(w io.Writer) { writeKeys(w, v) })
				},
			},
		},
		Action: group,
	}
}

// keys reads the key in a file; without one, those of the configuration.
func keys(file, configuration string) (keysView, error) {
	if file != "" {
		k, err := report.ReadKey(file)
		if err != nil {
			return keysView{}, err
		}
		return keysView{[]keyView{{ID: report.FormatID(k.ID()), File: file}}}, nil
	}
	c, err := config.Load(configuration)
	if err != nil {
		return keysView{}, err
	}
	v := keysView{Keys: []keyView{}}
	for i, k := range c.Report.Keys {
		v.Keys = append(v.Keys, keyView{ID: report.FormatID(k.ID()), Signs: i == 0})
	}
	return v, nil
}

func writeKeys(w io.Writer, v keysView) {
	if len(v.Keys) == 0 {
		fmt.Fprintln(w, "reports are not authenticated: there is no key")
	}
	for _, k := range v.Keys {
		what := "accepted"
		switch {
		case k.File != "":
			what = k.File
		case k.Signs:
			what = "signs this host's reports, and is accepted"
		}
		fmt.Fprintf(w, "%s\t%s\n", k.ID, what)
	}
}
