// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
)

// A dns answers with what it is told, and counts what it is asked.
type dns struct {
	mu    sync.Mutex
	addrs map[string][]netip.Addr
	asked map[string]int
	slow  time.Duration
}

func (d *dns) lookup(ctx context.Context, family, name string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[name]++
	if d.slow > 0 {
		slow := d.slow
		d.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(slow):
		}
		d.mu.Lock()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, ok := d.addrs[name]
	if !ok {
		return nil, errors.New("no such host")
	}
	a = slices.Clone(a)
	return slices.DeleteFunc(a, func(a netip.Addr) bool { return a.Is4() != (family == "ip4") }), nil
}

func (d *dns) set(name string, a ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.addrs, name)
	for _, s := range a {
		d.addrs[name] = append(d.addrs[name], netip.MustParseAddr(s))
	}
}

func (d *dns) times(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[name]
}

func named(list ...string) *config.Config {
	c := &config.Config{}
	for _, name := range list {
		c.Report.Networks = append(c.Report.Networks, config.Network{Name: name, Port: 7743})
	}
	return c
}

// Names are looked up at once, again after a while, and keep what they had if that fails.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dns{addrs: make(map[string][]netip.Addr), asked: make(map[string]int)}
		d.set("s2", "192.0.2.2")
		d.set("all", "192.0.2.9", "192.0.2.1", "192.0.2.9", "127.0.1.1")
		n := names{lookup: d.lookup, log: daemon.NewLimited(slog.New(slog.DiscardHandler), time.Second), known: make(map[string][]netip.Addr)}
		var mu sync.Mutex
		c := named("s2", "all", "s2", "none")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.run(ctx, func() *config.Config { mu.Lock(); defer mu.Unlock(); return c })
		}()
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := fmt.Sprint(n.expand(c.Report.Networks, netip.MustParseAddr("192.0.2.1"))); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		expect("[192.0.2.2:7743 192.0.2.9:7743]")
		d.set("s2")
		d.set("none", "192.0.2.5")
		time.Sleep(lookupSoon + time.Second)
		expect("[192.0.2.2:7743 192.0.2.9:7743 192.0.2.5:7743]")
		if d.times("s2") != 1 {
			t.Errorf("s2 was asked for %d times", d.times("s2"))
		}
		version := n.version()
		time.Sleep(lookupEvery)
		expect("[192.0.2.2:7743 192.0.2.9:7743 192.0.2.5:7743]")
		if d.times("s2") != 2 || n.version() != version {
			t.Errorf("s2 was asked for %d times, %d changes", d.times("s2"), n.version()-version)
		}
		d.set("s2", "192.0.2.3")
		time.Sleep(lookupEvery)
		expect("[192.0.2.3:7743 192.0.2.9:7743 192.0.2.5:7743]")
		// A lookup that hangs holds nothing up for longer than it may take.
		d.mu.Lock()
		d.slow = time.Hour
		d.mu.Unlock()
		time.Sleep(lookupEvery + lookupLimit)
		expect("[192.0.2.3:7743 192.0.2.9:7743 192.0.2.5:7743]")
		// What is not wanted any more is forgotten.
		mu.Lock()
		c = named("none")
		mu.Unlock()
		time.Sleep(lookupLimit + 2*time.Second)
		expect("[192.0.2.5:7743]")
		if a := n.addresses("s2"); a != nil {
			t.Errorf("s2 is still known: %v", a)
		}
		cancel()
		<-done
	})
}

// Reports go to all addresses that a name has, and follow a change.
func TestReportsByName(t *testing.T) {
	d := &dns{addrs: make(map[string][]netip.Addr), asked: make(map[string]int)}
	d.set("all", "192.0.2.1", "192.0.2.2", "192.0.2.3")
	b, _, n := setup(t)
	b.names.lookup = d.lookup
	c := testConfig()
	c.Report.Networks = named("all").Report.Networks
	b.Reload(c)
	b.names.ask(t.Context(), "all")
	_ = b.beat(t.Context())
	d.set("all", "192.0.2.3", "192.0.2.4")
	b.names.ask(t.Context(), "all")
	_ = b.beat(t.Context())
	for to, want := range map[string]int{"192.0.2.1:7743": 0, "192.0.2.2:7743": 1, "192.0.2.3:7743": 2, "192.0.2.4:7743": 1} {
		if got := len(n.sent[to]); got != want {
			t.Errorf("%d reports to %s, want %d", got, to, want)
		}
	}
}
