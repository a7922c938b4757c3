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

	"dpr/userland/dprnl"
)

// errNotReady is the result of ready, which has already printed the reason.
var errNotReady = errors.New("this host is not ready")

// commandLimit bounds one command of ready. A command that hangs may not keep the host from
// being withdrawn later.
const commandLimit = 10 * time.Second

// readyView is whether routers should send clients to this host.
type readyView struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why not

	peers bool // some are usable
}

// readyFlags are the flags of the command ready.
type readyFlags struct {
	every, again, alone durationValue
}

func (p *program) readyCommand() *cli.Command {
	f := &readyFlags{
		every: durationValue{value: 500 * time.Millisecond, max: time.Minute},
		again: durationValue{value: 5 * time.Second, max: time.Hour},
		alone: durationValue{value: 10 * time.Second, max: time.Hour, zero: true},
	}
	return &cli.Command{
		Name: "ready", Usage: "say whether routers should send clients to this host, or have a routing daemon announce it",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "up", Usage: "run `COMMAND` with sh while this host is ready"},
			&cli.StringFlag{Name: "down", Usage: "run `COMMAND` with sh while it is not, and at the end"},
			&cli.GenericFlag{Name: "every", Usage: "look every `TIME` (default: 500ms)", Value: &f.every},
			&cli.GenericFlag{Name: "again", Usage: "repeat the command after `TIME` without a change (default: 5s)", Value: &f.again},
			&cli.GenericFlag{Name: "alone", Usage: "without a usable peer, announce this host only after `TIME` (default: 10s)", Value: &f.alone},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			if _, err := positional(c); err != nil {
				return err
			}
			a := &announcer{program: p, c: c, up: c.String("up"), down: c.String("down"), again: f.again.value, alone: f.alone.value}
			if (a.up == "") != (a.down == "") {
				return usagef("%s--up and --down need each other", where(c))
			}
			if a.up != "" {
				return a.loop(c.Context, f.every.value)
			}
			if f.every.set || f.again.set || f.alone.set {
				return usagef("%s--every, --again and --alone need --up and --down", where(c))
			}
			return p.ready(c)
		},
	}
}

// ready looks once.
func (p *program) ready(c *cli.Context) error {
	var v readyView
	err := p.kernel(c, func(ctx context.Context, k Kernel) (err error) {
		v, err = readReady(ctx, k)
		return err
	})
	if err != nil {
		return err
	}
	if err := p.print(c, v, func(w io.Writer) { fmt.Fprintln(w, v) }); err != nil {
		return err
	}
	if !v.Ready {
		return errNotReady
	}
	return nil
}

func (v readyView) String() string {
	if v.Ready {
		return "ready"
	}
	return "not ready: " + v.Reason
}

// readReady asks the kernel. The load table matters less than to status: a host
// without usable peers is not healthy, but if it is the last one, it has to serve.
func readReady(ctx context.Context, k Kernel) (readyView, error) {
	config, err := k.Config(ctx)
	if err != nil {
		return readyView{}, err
	}
	services, err := k.ServiceStates(ctx)
	if err != nil {
		return readyView{}, err
	}
	peers, err := k.Peers(ctx)
	if err != nil {
		return readyView{}, err
	}
	usable := summarize(peers).Usable > 0
	reason := unready(config, services, usable)
	return readyView{Ready: reason == "", Reason: reason, peers: usable}, nil
}

// unready says why routers should not send clients to this host; "" if they should.
func unready(c dprnl.Config, services []dprnl.ServiceStatus, usable bool) string {
	if cv := viewConfig(c); !cv.Configured {
		return "this host has no address configured"
	}
	if c.State != dprnl.StateActive {
		return fmt.Sprintf("this host is %v", c.State)
	}
	if len(services) == 0 {
		return "no service is configured"
	}
	up := 0
	down := ""
	for _, s := range services {
		if s.State == dprnl.ServiceNoListener {
			down = fmt.Sprintf("nothing listens on port %v of this host", s.Service)
		} else {
			up++
		}
	}
	switch {
	case up == 0:
		return down
	case down != "" && !usable:
		return down + ", and no peer is usable"
	}
	return ""
}

// An announcer has a routing daemon announce this host while it is ready.
type announcer struct {
	*program
	c            *cli.Context
	up, down     string
	again, alone time.Duration

	announced bool      // the host is, or is to be
	told      bool      // the last command succeeded
	since     time.Time // the host has been ready from then on
	ran       time.Time // when the last command ended
	reason    string    // that was printed last
	said      bool      // whether anything was
	failed    string    // the failure that was reported last
}

// loop runs until ctx ends. Then nobody watches the host any more, so that it is
// withdrawn.
func (a *announcer) loop(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := a.step(ctx); err != nil && ctx.Err() == nil {
			a.complain(err)
		}
		select {
		case <-ctx.Done():
			return a.run(context.WithoutCancel(ctx), a.down)
		case <-tick.C:
		}
	}
}

// complain reports a failure once, until a different one occurs.
func (a *announcer) complain(err error) {
	if err.Error() != a.failed {
		a.failed = err.Error()
		fmt.Fprintf(a.Err, "dprctl: ready: %v\n", err)
	}
}

// step looks once, and runs a command if something changed or it is time. That it cannot be
// said, as on a full disk, keeps no command from running.
func (a *announcer) step(ctx context.Context) error {
	v := a.look(ctx)
	if ctx.Err() != nil {
		return nil
	}
	change := v.Ready != a.announced || !a.said
	var unsaid error
	if change || v.Reason != a.reason {
		unsaid = a.notify(v)
	}
	if !change && a.told && a.Now().Sub(a.ran) < a.again {
		return unsaid
	}
	a.announced = v.Ready
	command := a.down
	if v.Ready {
		command = a.up
	}
	err := a.run(ctx, command)
	a.told, a.ran = err == nil, a.Now()
	if err == nil {
		a.failed = ""
	}
	return errors.Join(unsaid, err)
}

// look returns whether the host should be announced. One that knows no peer yet
// would answer other hosts' connections with a RST, as it cannot ask for them: it
// waits. One that is announced already may be the last one, and stays.
func (a *announcer) look(ctx context.Context) readyView {
	var v readyView
	err := a.kernel(a.c, func(_ context.Context, k Kernel) (err error) {
		v, err = readReady(ctx, k)
		return err
	})
	if err != nil {
		v = readyView{Reason: err.Error()}
	}
	now := a.Now()
	if !v.Ready {
		a.since = time.Time{}
		return v
	}
	if a.since.IsZero() {
		a.since = now
	}
	if !a.announced && !v.peers && now.Sub(a.since) < a.alone {
		return readyView{Reason: "no peer is usable yet"}
	}
	return v
}

// notify writes a line about a change.
func (a *announcer) notify(v readyView) error {
	a.said, a.reason = true, v.Reason
	var err error
	if a.c.Bool("json") {
		err = json.NewEncoder(a.Out).Encode(v)
	} else {
		_, err = fmt.Fprintln(a.Out, v)
	}
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// run runs a command. Its output is that of this one: ExaBGP reads its commands there.
func (a *announcer) run(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	return shell(ctx, command, a.Out, a.Err)
}
