// SPDX-License-Identifier: MIT

package cleanup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

var host = netip.MustParseAddr("192.0.2.2")

type kernel struct {
	mu       sync.Mutex
	peers    map[netip.Addr]dprnl.Peer
	services []dprnl.Service
	steps    int // of Expire until the table's end
	expired  int // calls
	deleted  []string
	err      error
}

func (k *kernel) Expire(_ context.Context, b uint32) (dprnl.Expiry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expired++
	return dprnl.Expiry{Scanned: b, Done: k.steps > 0 && k.expired%k.steps == 0}, k.err
}

func (k *kernel) Services(context.Context) ([]dprnl.Service, error) { return k.services, nil }

func (k *kernel) Peers(context.Context) ([]dprnl.Peer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []dprnl.Peer
	for _, p := range k.peers {
		list = append(list, p)
	}
	return list, nil
}

func (k *kernel) Peer(_ context.Context, a netip.Addr) (dprnl.Peer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.peers[a]
	if !ok {
		return p, fs.ErrNotExist
	}
	return p, nil
}

func (k *kernel) DeletePeer(_ context.Context, a netip.Addr, dead bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.peers[a]
	if !ok {
		return fs.ErrNotExist
	}
	what := a.String()
	if dead {
		what += " dead"
		delete(k.peers, a)
	} else {
		p.Listed = false
		k.peers[a] = p
	}
	k.deleted = append(k.deleted, what)
	return nil
}

func (k *kernel) Close() error { return nil }

func (k *kernel) done() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.deleted, ", ")
}

func (k *kernel) set(p dprnl.Peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.peers[p.Address] = p
}

// A probe is a prober whose verdict the test decides.
type probe struct {
	mu      sync.Mutex
	verdict Verdict
	ports   [][]uint16
}

func (p *probe) Probe(_ context.Context, _ netip.Addr, ports []uint16) Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ports = append(p.ports, ports)
	return p.verdict
}

func (p *probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ports)
}

func setup(t *testing.T, v Verdict, peers ...dprnl.Peer) (*Cleaner, *kernel, *probe) {
	t.Helper()
	k := &kernel{steps: 1, peers: make(map[netip.Addr]dprnl.Peer), services: []dprnl.Service{{Port: 80}, {Port: 443}}}
	for _, p := range peers {
		k.set(p)
	}
	pr := &probe{verdict: v}
	c := config.Defaults() // 5 periods of 1s, dead after 15s
	return New(Options{Config: &c, Dial: func() (Kernel, error) { return k, nil },
		Probe: pr.Probe, Log: slog.New(slog.DiscardHandler)}), k, pr
}

// interval is one interval, with the verdicts of the probes it started.
func interval(t *testing.T, c *Cleaner) {
	t.Helper()
	if err := c.clean(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	for len(c.probing) > 0 {
		if err := c.judge(t.Context(), <-c.results); err != nil {
			t.Fatal(err)
		}
	}
}

func peer(age time.Duration, listed bool) dprnl.Peer {
	return dprnl.Peer{Address: host, Reported: true, Age: age, Listed: listed, Flows: 3}
}

func TestSilence(t *testing.T) {
	const s = time.Second
	for name, tt := range map[string]struct {
		peer    dprnl.Peer
		verdict Verdict
		want    string
		probes  int
	}{
		"talks":                 {peer(s, true), Dead, "", 0},
		"five periods":          {peer(5*s, true), Dead, "", 0},
		"silent":                {peer(5*s+1, true), Dead, "192.0.2.2", 0},
		"silent, off the table": {peer(6*s, false), Dead, "", 0},
		"15 s":                  {peer(15*s, false), Dead, "", 0},
		"long silent, dead":     {peer(16*s, false), Dead, "192.0.2.2 dead", 1},
		"long silent, alive":    {peer(16*s, false), Alive, "", 1},
		"long silent, unknown":  {peer(16*s, false), Unknown, "", 1},
		"daemon was away":       {peer(60*s, true), Dead, "192.0.2.2, 192.0.2.2 dead", 1},
		"added by hand":         {dprnl.Peer{Address: host, Listed: true}, Dead, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, k, p := setup(t, tt.verdict, tt.peer)
			interval(t, c)
			if got := k.done(); got != tt.want {
				t.Errorf("deleted %q, want %q", got, tt.want)
			}
			if p.count() != tt.probes || tt.probes > 0 && !slices.Equal(p.ports[0], []uint16{80, 443}) {
				t.Errorf("probes %v", p.ports)
			}
		})
	}
}

// A host found alive is left alone for a while, and then probed again.
func TestAliveIsProbedAgain(t *testing.T) {
	c, k, p := setup(t, Alive, peer(time.Minute, false))
	interval(t, c)
	interval(t, c)
	if p.count() != 1 {
		t.Errorf("%d probes at once", p.count())
	}
	c.next[host] = time.Now()
	p.verdict = Dead
	interval(t, c)
	if k.done() != "192.0.2.2 dead" || p.count() != 2 {
		t.Errorf("deleted %q after %d probes", k.done(), p.count())
	}
	if interval(t, c); len(c.next) != 0 {
		t.Errorf("%d hosts are remembered that are no more", len(c.next))
	}
}

// A peer that reports while it is probed is not dead.
func TestComesBackWhileProbed(t *testing.T) {
	c, k, _ := setup(t, Dead, peer(time.Minute, false))
	if err := c.clean(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	k.set(peer(time.Second, true))
	if err := c.judge(t.Context(), <-c.results); err != nil || k.done() != "" {
		t.Errorf("deleted %q, %v", k.done(), err)
	}
}

func TestProbesAreBounded(t *testing.T) {
	var peers []dprnl.Peer
	for i := range 3 * maxProbes {
		p := peer(time.Minute, false)
		p.Address = netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		peers = append(peers, p)
	}
	c, k, _ := setup(t, Dead, peers...)
	if err := c.clean(t.Context(), func() {}); err != nil || len(c.probing) != maxProbes {
		t.Errorf("%d probes at once, %v", len(c.probing), err)
	}
	for range 3 {
		interval(t, c)
	}
	if n := len(k.deleted); n != len(peers) {
		t.Errorf("%d of %d peers are dead", n, len(peers))
	}
}

func TestExpireInSteps(t *testing.T) {
	c, k, _ := setup(t, Dead)
	k.steps = 7
	interval(t, c)
	if k.expired != 7 {
		t.Errorf("%d steps", k.expired)
	}
	k.steps, k.expired = 0, 0 // a table without end
	interval(t, c)
	if k.expired != maxSteps {
		t.Errorf("%d steps in a table without end", k.expired)
	}
}

func TestWithoutServices(t *testing.T) {
	c, k, p := setup(t, Alive, peer(time.Minute, false))
	k.services = nil
	interval(t, c)
	if p.count() != 1 || !slices.Equal(p.ports[0], []uint16{7743}) {
		t.Errorf("probes %v", p.ports)
	}
}

func TestRun(t *testing.T) {
	c, k, _ := setup(t, Dead, peer(time.Minute, true))
	cfg := config.Defaults()
	cfg.Cleanup.Interval = 10 * time.Millisecond
	c.Reload(&cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx, func() {}, func() {}) }()
	for end := time.Now().Add(10 * time.Second); k.done() != "192.0.2.2, 192.0.2.2 dead" && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil || k.done() != "192.0.2.2, 192.0.2.2 dead" {
		t.Errorf("%v; deleted %q", err, k.done())
	}
}

func TestRunOutlivesTheModule(t *testing.T) {
	c, k, _ := setup(t, Dead, peer(time.Minute, true))
	k.err = dprnl.ErrNotLoaded
	if err := c.clean(t.Context(), func() {}); !errors.Is(err, dprnl.ErrNotLoaded) {
		t.Errorf("error %v", err)
	}
	k.err = nil
	interval(t, c)
	if k.done() != "192.0.2.2, 192.0.2.2 dead" {
		t.Errorf("deleted %q", k.done())
	}
	k.err = &dprnl.Error{Op: "x", Errno: 1}
	if err := c.Run(t.Context(), func() {}, func() {}); !errors.Is(err, dprnl.ErrNoRight) {
		t.Errorf("error %v", err)
	}
}

// The log has both edges: a peer falls silent, and is back; and who is new.
func TestAnnounced(t *testing.T) {
	var log bytes.Buffer
	c, k, _ := setup(t, Alive, peer(time.Second, true))
	c.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	other := netip.MustParseAddr("192.0.2.3")
	for _, step := range []struct {
		peer dprnl.Peer
		want string // in the log; empty: nothing
	}{
		{peer(time.Second, true), ""}, // known since the start
		{peer(10*time.Second, true), `msg="peer is silent; it gets no new connections" peer=192.0.2.2`},
		{peer(11*time.Second, false), ""},
		{peer(time.Second, true), `msg="peer reports again" peer=192.0.2.2`},
		{peer(time.Second, true), ""},
		{dprnl.Peer{Address: other, Listed: true}, ""}, // added by hand
		{dprnl.Peer{Address: other, Listed: true, Reported: true}, `msg="peer is new" peer=192.0.2.3`},
		{dprnl.Peer{Address: other, Listed: true, Reported: true}, ""},
	} {
		log.Reset()
		k.set(step.peer)
		interval(t, c)
		if got := log.String(); !strings.Contains(got, step.want) || step.want == "" && got != "" {
			t.Errorf("%+v: log %q, want %q", step.peer, got, step.want)
		}
	}
}
