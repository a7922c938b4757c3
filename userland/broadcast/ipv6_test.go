// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/report"
)

var host6 = netip.MustParseAddr("2001:db8::1")

// A host of IPv6 sends reports of version 2 only.
func TestBeatOfIPv6(t *testing.T) {
	b, k, n := setup(t)
	k.config.Address = host6
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(n.sent[netA]) != 1 || len(n.old[netA]) != 0 || n.opened[0] != "2001:db8::1 to "+netA {
		t.Errorf("%d reports, %d of version 1, opened %v", len(n.sent[netA]), len(n.old[netA]), n.opened)
	}
	v := report.NewVerifier(report.Policy{Window: time.Second}, func() time.Time { return start }, nil)
	r, err := v.Verify(n.sent[netA][0], host6)
	if err != nil || r.Protocol() != 3 || fmt.Sprint(r.Details.Addresses) != "[192.0.2.1 198.51.100.1]" {
		t.Errorf("%+v %+v, %v", r, r.Details, err)
	}
}

// Of a name, the addresses count that are of the family of this host's own, also once
// that is another one.
func TestNamesOfBothFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dns{addrs: make(map[string][]netip.Addr), asked: make(map[string]int)}
		d.set("s2", "192.0.2.2", "2001:db8::2")
		n := names{lookup: d.lookup, log: daemon.NewLimited(slog.New(slog.DiscardHandler), time.Second), wake: make(chan struct{}, 1), known: make(map[string][]netip.Addr)}
		c := named("s2")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.run(ctx, func() *config.Config { return c })
		}()
		for _, step := range []struct {
			host    netip.Addr
			want    string
			changes int // at least
		}{
			{host, "[192.0.2.2:7743]", 0}, {host6, "[[2001:db8::2]:7743]", 1},
			{netip.MustParseAddr("2001:db8::9"), "[[2001:db8::2]:7743]", 0}, {host, "[192.0.2.2:7743]", 1},
		} {
			version := n.version()
			n.use(step.host)
			synctest.Wait()
			if got := fmt.Sprint(n.expand(c.Report.Networks, step.host)); got != step.want {
				t.Errorf("%v: %s, want %s", step.host, got, step.want)
			}
			if got := n.version() - version; got < step.changes {
				t.Errorf("%v: %d changes", step.host, got)
			}
		}
		if d.times("s2") != 3 {
			t.Errorf("it was asked for %d times", d.times("s2"))
		}
		cancel()
		<-done
		// What is found for the other family comes too late.
		d.slow = time.Second
		go n.ask(t.Context(), "s2")
		synctest.Wait()
		n.use(host6)
		time.Sleep(2 * time.Second)
		if a := n.addresses("s2"); len(a) > 0 {
			t.Errorf("%v", a)
		}
	})
}
