// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/apply"
	"dpr/userland/config"
	"dpr/userland/dprnl"
)

func (p *program) loadCommand() *cli.Command {
	read := func(ctx context.Context, k Kernel) (loadView, error) {
		l, err := k.Load(ctx)
		return viewLoad(l), err
	}
	return &cli.Command{
		Name: "load", Usage: "show this host's metrics and load", Flags: []cli.Flag{jsonFlag()},
		Action: show(p, read, writeLoad),
	}
}

func writeLoad(w io.Writer, l loadView) {
	fmt.Fprintf(w, "load\t%d\n", l.Load)
	fmt.Fprintf(w, "connections\t%d\n", l.Connections)
	fmt.Fprintf(w, "cpu\t%s\n", percent(l.CPU))
	fmt.Fprintf(w, "redirected\t%d\n", l.Redirected)
	fmt.Fprintf(w, "sockets\t%d\n", l.Sockets)
}

func (p *program) statsCommand() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "show the counters", Flags: []cli.Flag{jsonFlag()},
		Action: show(p, func(ctx context.Context, k Kernel) (dprnl.Stats, error) { return k.Stats(ctx) }, writeStats),
	}
}

func writeStats(w io.Writer, s dprnl.Stats) {
	for k, v := range s.All() {
		fmt.Fprintf(w, "%s\t%d\t%s\n", k, v, k.Help())
	}
}

func (p *program) eventsCommand() *cli.Command {
	return &cli.Command{
		Name: "events", Aliases: []string{"watch"}, Usage: "show events as they happen, until interrupted",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			if _, err := positional(c); err != nil {
				return err
			}
			source, err := p.Events()
			if err != nil {
				return err
			}
			defer source.Close()
			for ev, err := range source.All(c.Context) {
				if errors.Is(err, dprnl.ErrEventsLost) {
					fmt.Fprintf(p.Err, "dprctl: %v\n", err)
					continue
				}
				if err != nil {
					return err
				}
				if err := p.writeEvent(ev, c.Bool("json")); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (p *program) writeEvent(ev dprnl.Event, asJSON bool) error {
	v := eventView{Time: p.Now(), Event: ev.Type}
	if ev.Peer.IsValid() {
		v.Peer = &ev.Peer
	}
	if ev.Type == dprnl.EventPeerState {
		v.State = &ev.State
	}
	var err error
	if asJSON {
		err = json.NewEncoder(p.Out).Encode(v)
	} else {
		line := fmt.Sprintf("%s  %v", v.Time.Format("15:04:05.000"), v.Event)
		if v.Peer != nil {
			line += "  " + v.Peer.String()
		}
		if v.State != nil {
			line += "  " + v.State.String()
		}
		_, err = fmt.Fprintln(p.Out, line)
	}
	if err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	return nil
}

func (p *program) expireCommand() *cli.Command {
	budget := &numberValue[uint32]{min: 1, max: dprnl.MaxExpireBudget}
	return &cli.Command{
		Name: "expire", Usage: "run one step of dpr-cleanup's work on the routing table",
		Flags: []cli.Flag{jsonFlag(),
			&cli.GenericFlag{Name: "budget", Usage: "scan up to `NUMBER` flows", Value: budget}},
		Action: show(p, func(ctx context.Context, k Kernel) (expiryView, error) {
			x, err := k.Expire(ctx, budget.value)
			return expiryView(x), err
		}, func(w io.Writer, x expiryView) {
			fmt.Fprintf(w, "scanned\t%d\nexpired\t%d\nreset\t%d\nflows\t%d\ndone\t%v\n", x.Scanned, x.Expired, x.Reset, x.Flows, x.Done)
		}),
	}
}

func (p *program) applyCommand() *cli.Command {
	return &cli.Command{
		Name:  "apply",
		Usage: "apply the configuration file to the kernel; remove services that are not in it",
		Flags: []cli.Flag{fileFlag(), jsonFlag(), &cli.BoolFlag{Name: "dry-run", Usage: "only say what would change, as config diff does"}},
		Action: func(c *cli.Context) error {
			if c.Bool("dry-run") {
				return p.diff(c)
			}
			if _, err := positional(c); err != nil {
				return err
			}
			cfg, err := config.Load(c.String("config"))
			if err != nil {
				return err
			}
			return p.kernel(c, func(ctx context.Context, k Kernel) error {
				r, err := apply.Apply(ctx, k, cfg)
				if err != nil {
					return err
				}
				v := applyView{r.Address.String(), viewServices(r.Added), viewServices(r.Removed), viewServices(r.Changed), viewServices(r.Ruled), names(r.BackendsSet), names(r.BackendsRemoved)}
				return p.print(c, v, func(w io.Writer) { writeApplied(w, v) })
			})
		},
	}
}

type applyView struct {
	Address string        `json:"address"`
	Added   []serviceView `json:"added"`
	Removed []serviceView `json:"removed"`
	Changed []serviceView `json:"changed"`
	Rules   []serviceView `json:"rules"`

	BackendsSet     []string `json:"backends_set"`
	BackendsRemoved []string `json:"backends_removed"`
}

// names is a list that is no null in JSON.
func names(list []string) []string { return append([]string{}, list...) }

func writeApplied(w io.Writer, v applyView) {
	fmt.Fprintf(w, "address\t%s\n", v.Address)
	for _, s := range v.Added {
		fmt.Fprintf(w, "added\tport %d on %s\n", s.Port, orAll(s.Address))
	}
	for _, s := range v.Removed {
		fmt.Fprintf(w, "removed\tport %d on %s\n", s.Port, orAll(s.Address))
	}
	for _, s := range v.Changed {
		fmt.Fprintf(w, "changed\tport %d on %s\n", s.Port, orAll(s.Address))
	}
	for _, s := range v.Rules {
		fmt.Fprintf(w, "rules\tport %d on %s\n", s.Port, orAll(s.Address))
	}
	for _, name := range v.BackendsSet {
		fmt.Fprintf(w, "set\tbackend %s\n", name)
	}
	for _, name := range v.BackendsRemoved {
		fmt.Fprintf(w, "removed\tbackend %s\n", name)
	}
}

// seconds formats a duration for people.
func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
