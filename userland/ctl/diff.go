// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"dpr/userland/apply"
	"dpr/userland/config"
)

// changeView is a value of which the kernel has another one than the file.
type changeView struct {
	Key    string `json:"key"`              // of the file
	Kernel string `json:"kernel,omitempty"` // absent: a service that the kernel does not have
	File   string `json:"file,omitempty"`   // absent: a service that is not in the file
}

type diffView struct {
	Changes []changeView `json:"changes"`
}

// diff is the action of "config diff" and "apply --dry-run".
func (p *program) diff(c *cli.Context) error {
	if _, err := positional(c); err != nil {
		return err
	}
	path := c.String("config")
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	return p.kernel(c, func(ctx context.Context, k Kernel) error {
		changes, err := apply.Plan(ctx, k, cfg)
		if err != nil {
			return err
		}
		v := diffView{Changes: []changeView{}}
		for _, x := range changes {
			v.Changes = append(v.Changes, changeView(x))
		}
		return p.print(c, v, func(w io.Writer) { writeDiff(w, path, v) })
	})
}

func writeDiff(w io.Writer, path string, v diffView) {
	if len(v.Changes) == 0 {
		fmt.Fprintf(w, "the kernel has what %s says\n", path)
		return
	}
	fmt.Fprintln(w, "KEY\tKERNEL\tFILE")
	for _, x := range v.Changes {
		fmt.Fprintf(w, "%s\t%s\t%s\n", x.Key, orDash(x.Kernel), orDash(x.File))
	}
}
