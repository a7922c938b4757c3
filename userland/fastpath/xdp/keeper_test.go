// SPDX-License-Identifier: MIT

package xdp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/fastpath"
	"dpr/userland/testlog"
)

// A bench is what a keeper works on: devices, and what is in their way.
type bench struct {
	*Keeper
	log       testlog.Buffer
	indices   map[string]int
	obstacles map[string]Obstacles
	attached  map[string]bool // whether by force
	fails     error           // of attaching
	unread    error           // of looking for obstacles
	did       []string
}

type benchLink struct {
	b      *bench
	device string
}

func (l benchLink) Close() error {
	l.b.did = append(l.b.did, "-"+l.device)
	delete(l.b.attached, l.device)
	return nil
}

func newBench() *bench {
	b := &bench{indices: map[string]int{"e0": 2, "e1": 3}, obstacles: map[string]Obstacles{}, attached: map[string]bool{}}
	b.Keeper = NewKeeper(slog.New(slog.NewTextHandler(&b.log, nil)))
	b.index = func(device string) int { return b.indices[device] }
	b.attach = func(device string, force bool) (attachment, error) {
		if b.fails != nil {
			return nil, b.fails
		}
		if _, ok := b.attached[device]; ok {
			return nil, ErrBusy
		}
		b.attached[device] = force
		b.did = append(b.did, fmt.Sprintf("+%s", device))
		return benchLink{b, device}, nil
	}
	b.Keeper.obstacles = func(_ context.Context, device string) (Obstacles, error) {
		o := b.obstacles[device]
		if _, ok := b.attached[device]; ok {
			o.Hard = append(slices.Clone(o.Hard), ErrBusy.Error())
		}
		return o, b.unread
	}
	return b
}

// want settles and says what was done, and the states.
func (b *bench) want(t *testing.T, what string, w fastpath.Want, did string, states ...fastpath.State) {
	t.Helper()
	b.did = nil
	b.settle(t.Context(), w)
	if got := strings.Join(b.did, " "); got != did {
		t.Errorf("%s: did %q, want %q", what, got, did)
	}
	if got := b.States(); !slices.Equal(got, states) {
		t.Errorf("%s: %+v, want %+v", what, got, states)
	}
}

func TestKeeper(t *testing.T) {
	b := newBench()
	both := fastpath.Want{Devices: []string{"e0", "e1"}}
	on0, on1 := fastpath.State{Device: "e0", Attached: true}, fastpath.State{Device: "e1", Attached: true}
	b.want(t, "nothing", fastpath.Want{}, "")
	b.want(t, "both", both, "+e0 +e1", on0, on1)
	b.want(t, "again", both, "", on0, on1)
	b.want(t, "one less", fastpath.Want{Devices: []string{"e1"}}, "-e0", on1)
	// A firewall comes and goes.
	b.obstacles["e1"] = Obstacles{Passed: []string{"a firewall"}}
	off1 := fastpath.State{Device: "e1", Reason: "packets would pass by a firewall"}
	b.want(t, "a firewall", both, "+e0 -e1", on0, off1)
	b.want(t, "still", both, "", on0, off1)
	if n := strings.Count(b.log.String(), "no fast path"); n != 1 {
		t.Errorf("one reason is in the log %d times", n)
	}
	forcedOn := []fastpath.State{{Device: "e0", Attached: true, Forced: true}, {Device: "e1", Attached: true, Forced: true}}
	b.want(t, "forced", fastpath.Want{Devices: both.Devices, Force: true}, "-e0 +e0 +e1", forcedOn...)
	if !b.attached["e0"] || !b.attached["e1"] {
		t.Error("attached, but not by force")
	}
	b.obstacles["e1"] = Obstacles{Hard: []string{"a port"}, Passed: []string{"a firewall"}}
	b.want(t, "what cannot be forced", fastpath.Want{Devices: both.Devices, Force: true}, "-e1", forcedOn[0], fastpath.State{Device: "e1", Forced: true, Reason: "a port"})
	delete(b.obstacles, "e1")
	b.want(t, "not forced", both, "-e0 +e0 +e1", on0, on1)
	// The device is another one of that name.
	b.indices["e0"] = 7
	b.want(t, "replaced", both, "-e0 +e0", on0, on1)
	// Somebody takes it off.
	delete(b.attached, "e0")
	b.want(t, "taken off", both, "-e0 +e0", on0, on1)
	// One look that fails takes nothing off; the second one does.
	b.unread = errors.New("cannot look")
	b.want(t, "not looked once", both, "", on0, on1)
	b.unread = nil
	b.want(t, "looked", both, "", on0, on1)
	b.obstacles["e1"] = Obstacles{Unread: []string{"nft: killed"}}
	unread1 := fastpath.State{Device: "e1", Reason: "packets would pass by firewall rules that cannot be read: nft: killed"}
	b.want(t, "rules not read once", both, "", on0, on1)
	b.want(t, "nor again", both, "-e1", on0, unread1)
	b.want(t, "still not", both, "", on0, unread1)
	delete(b.obstacles, "e1")
	b.want(t, "rules read", both, "+e1", on0, on1)
	b.obstacles["e1"] = Obstacles{Passed: []string{"a firewall"}, Unread: []string{"nft: killed"}}
	b.want(t, "some read", both, "-e1", on0, fastpath.State{Device: "e1", Reason: off1.Reason + "; " + unread1.Reason})
	delete(b.obstacles, "e1")
	b.want(t, "all read", both, "+e1", on0, on1)
	b.unread = errors.New("cannot look")
	b.want(t, "not looked at first", both, "", on0, on1)
	b.want(t, "not looked", both, "-e0 -e1", fastpath.State{Device: "e0", Reason: "cannot look"}, fastpath.State{Device: "e1", Reason: "cannot look"})
	b.unread, b.fails = nil, ErrKernel
	b.want(t, "no kernel", both, "", fastpath.State{Device: "e0", Reason: ErrKernel.Error()}, fastpath.State{Device: "e1", Reason: ErrKernel.Error()})
	b.fails = nil
	b.want(t, "on", both, "+e0 +e1", on0, on1)
}

// Run does what is wanted, and leaves nothing attached.
func TestKeeperRun(t *testing.T) {
	b := newBench()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool)
	b.Set(fastpath.Want{Devices: []string{"e0"}})
	looked := make(chan bool, 10)
	find := b.Keeper.obstacles
	b.Keeper.obstacles = func(ctx context.Context, device string) (Obstacles, error) {
		defer func() { looked <- true }()
		select {
		case <-b.Settled():
			if device == "e0" && len(b.attached) == 0 {
				t.Error("it is settled before it has looked")
			}
		default:
			time.Sleep(20 * time.Millisecond)
		}
		if b.Busy() <= 0 || b.Busy() > 10*time.Second {
			t.Errorf("it looks, and is busy for %v", b.Busy())
		}
		return find(ctx, device)
	}
	if b.Busy() != 0 {
		t.Errorf("nothing runs, and it is busy for %v", b.Busy())
	}
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	<-looked
	<-b.Settled()
	if s := b.States(); len(s) != 1 || !s[0].Attached {
		t.Errorf("it is settled, and not on: %+v", s)
	}
	b.Set(fastpath.Want{Devices: []string{"e0", "e1"}})
	<-looked
	<-looked
	cancel()
	<-done
	if b.Busy() != 0 {
		t.Errorf("it has ended, and is busy for %v", b.Busy())
	}
	if len(b.attached) != 0 || !slices.Contains(b.did, "+e1") || !slices.Contains(b.did, "-e0") || len(b.States()) != 0 {
		t.Errorf("did %v, attached %v, states %v", b.did, b.attached, b.States())
	}
}
