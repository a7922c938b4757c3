// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

var (
	own   = netip.MustParseAddr("192.0.2.1")
	peer  = netip.MustParseAddr("192.0.2.2")
	start = time.UnixMicro(1_700_000_000_000_000)
	key   = report.NewKey([report.KeyLen]byte{1})
)

type kernel struct {
	mu       sync.Mutex
	config   dprnl.Config
	services []dprnl.Service
	peers    []dprnl.PeerUpdate
	deleted  []string
	refused  netip.Addr // a peer that is not taken
	protocol uint32     // 0: the newest
	err      error
}

func (k *kernel) Config(context.Context) (dprnl.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.config, k.err
}

func (k *kernel) SetConfig(_ context.Context, u dprnl.ConfigUpdate) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		if u.Address != nil {
			k.config.Address = *u.Address
		}
		if u.HandoverKeys != nil {
			k.config.HandoverKeyIDs = [dprnl.MaxHandoverKeys]uint32{}
			for i, key := range *u.HandoverKeys {
				k.config.HandoverKeyIDs[i] = key.ID
			}
		}
		if u.Policy != nil {
			k.config.Policy = *u.Policy
		}
	}
	return k.err
}

func (k *kernel) Services(context.Context) ([]dprnl.Service, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.services, k.err
}

func (k *kernel) AddService(_ context.Context, s dprnl.Service) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.services = append(k.services, s)
	return k.err
}

func (k *kernel) SetService(context.Context, dprnl.Service) error {
	return errors.New("nothing is to be changed")
}

func (k *kernel) DeleteService(context.Context, dprnl.Service) error {
	return errors.New("nothing is to be deleted")
}

func (k *kernel) Ruleset(context.Context, dprnl.Service) (dprnl.Ruleset, error) {
	return dprnl.Ruleset{}, nil
}

func (k *kernel) Backends(context.Context) ([]dprnl.BackendStatus, error) { return nil, nil }

func (k *kernel) SetBackend(context.Context, dprnl.Backend) error {
	return errors.New("no backend is to be set")
}

func (k *kernel) DeleteBackend(context.Context, string) error {
	return errors.New("no backend is to be deleted")
}

func (k *kernel) SetRuleset(context.Context, dprnl.Service, dprnl.Ruleset) error {
	return errors.New("no rules are to be set")
}

func (k *kernel) SetPeer(_ context.Context, u dprnl.PeerUpdate) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.peers = append(k.peers, u)
	}
	return k.err
}

func (k *kernel) SetPeers(ctx context.Context, list []dprnl.PeerUpdate) []error {
	errs := make([]error, len(list))
	for i, u := range list {
		if errs[i] = k.SetPeer(ctx, u); errs[i] == nil && u.Address == k.refused {
			errs[i] = &dprnl.Error{Op: "setting a peer", Errno: syscall.ENOSPC}
		}
	}
	if errors.Join(errs...) == nil {
		return nil
	}
	return errs
}

func (k *kernel) DeletePeer(_ context.Context, a netip.Addr, dead bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.deleted = append(k.deleted, fmt.Sprint(a, dead))
	}
	return k.err
}

func (k *kernel) Protocol() uint32 {
	if k.protocol != 0 {
		return k.protocol
	}
	return 6
}

func (k *kernel) Close() error { return nil }

func (k *kernel) set(err error, config dprnl.Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.config, k.services = err, config, nil
}

func (k *kernel) get() (dprnl.Config, int, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.config, len(k.services), len(k.peers)
}

// A source is a channel of datagrams.
type source struct {
	in     chan Datagram
	closed bool
}

func (s *source) Read(deadline time.Time) ([]Datagram, bool, error) {
	select {
	case d := <-s.in:
		return []Datagram{d}, false, nil
	case <-time.After(time.Until(deadline)):
		return nil, false, os.ErrDeadlineExceeded
	}
}

func (s *source) Maintain() error { return nil }
func (s *source) Close() error    { s.closed = true; return nil }

func testConfig() *config.Config {
	c := config.Defaults()
	c.Address = own
	c.Services = []dprnl.Service{{Port: 80, Address: netip.IPv4Unspecified()}}
	c.Report.Keys = []*report.Key{key}
	c.Report.Networks = []config.Network{{Unicast: netip.MustParseAddrPort("192.0.2.2:7743")}}
	return &c
}

func setup(t *testing.T) (*Receiver, *kernel, *source) {
	t.Helper()
	k := &kernel{config: dprnl.Config{Address: own, HandoverKeyIDs: [dprnl.MaxHandoverKeys]uint32{key.ID()}}, services: testConfig().Services}
	s := &source{in: make(chan Datagram, 100)}
	r, err := New(Options{
		Config: testConfig(),
		Dial:   func() (Kernel, error) { return k, nil },
		Open:   func(config.Report) (Source, error) { return s, nil },
		Boot:   report.BootID{1},
		Now:    func() time.Time { return start },
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.host = own
	return r, k, s
}

func sent(t *testing.T, from netip.Addr, boot byte, sequence uint64, state dprnl.State, k *report.Key) []byte {
	t.Helper()
	r := report.Report{Host: from, Boot: report.BootID{boot}, Sequence: sequence, Time: start, Period: time.Second,
		State: state, Weight: 3, Metrics: dprnl.Metrics{Connections: 5, CPU: 6, Redirected: 7, Sockets: 8}}
	b, err := r.Append(nil, k)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// one handles one datagram.
func (r *Receiver) one(t *testing.T, data []byte, from netip.Addr) error {
	return r.handle(t.Context(), []Datagram{{data, from}})
}

func TestHandle(t *testing.T) {
	r, k, _ := setup(t)
	good := sent(t, peer, 2, 1, dprnl.StateDraining, key)
	if err := r.one(t, good, peer); err != nil {
		t.Fatal(err)
	}
	if len(k.peers) != 1 {
		t.Fatalf("the kernel got %d peers", len(k.peers))
	}
	u := k.peers[0]
	if u.Address != peer || *u.Metrics != (dprnl.Metrics{Connections: 5, CPU: 6, Redirected: 7, Sockets: 8}) ||
		*u.State != dprnl.StateDraining || *u.Weight != 3 {
		t.Errorf("the kernel got %+v", u)
	}
	for _, tt := range []struct {
		reason string
		data   []byte
		from   netip.Addr
	}{
		{"replayed", good, peer},
		{"truncated", good[:20], peer},
		{"sender", sent(t, peer, 2, 2, 0, key), netip.MustParseAddr("192.0.2.3")},
		{"unauthenticated", sent(t, peer, 2, 2, 0, nil), peer},
		{"unknown_key", sent(t, peer, 2, 2, 0, report.NewKey([report.KeyLen]byte{9})), peer},
		{"own_address", sent(t, own, 9, 2, 0, key), own},
		{"own", sent(t, own, 1, 1, 0, key), own},
		{"own", []byte("anything"), own},
	} {
		before := r.counts.Get(tt.reason)
		if err := r.one(t, tt.data, tt.from); err != nil {
			t.Error(err)
		}
		if r.counts.Get(tt.reason) != before+1 {
			t.Errorf("%s was not counted", tt.reason)
		}
	}
	if len(k.peers) != 1 || r.counts.Get("accepted") != 1 || r.counts.total() != 9 {
		t.Errorf("the kernel got %d peers; counts %v", len(k.peers), r.counts.attrs())
	}
	k.err = dprnl.ErrNotLoaded
	if err := r.one(t, sent(t, peer, 2, 9, 0, key), peer); !errors.Is(err, dprnl.ErrNotLoaded) {
		t.Errorf("error %v", err)
	}
	if r.counts.Get("kernel") != 1 {
		t.Error("a refusal by the kernel was not counted")
	}
}

// Of datagrams that come together each counts by itself, in its order.
func TestBatch(t *testing.T) {
	r, k, _ := setup(t)
	host := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	k.refused = host(5)
	var batch []Datagram
	add := func(n byte, sequence uint64, state dprnl.State) {
		batch = append(batch, Datagram{sent(t, host(n), n, sequence, state, key), host(n)})
	}
	add(2, 1, dprnl.StateActive)
	add(3, 1, dprnl.StateLeaving)
	add(3, 2, dprnl.StateActive)
	add(2, 1, dprnl.StateActive) // again
	batch = append(batch, Datagram{[]byte("?"), host(4)})
	add(5, 1, dprnl.StateActive)
	add(6, 1, dprnl.StateLeaving)
	add(2, 2, dprnl.StateDraining)
	if err := r.handle(t.Context(), batch); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	var updated []string
	for _, u := range k.peers {
		updated = append(updated, fmt.Sprint(u.Address.As4()[3], *u.State))
	}
	want := []string{"2 active", "3 leaving", "3 active", "5 active", "6 leaving", "2 draining"}
	if !slices.Equal(updated, want) || !slices.Equal(k.deleted, []string{"192.0.2.3 false", "192.0.2.6 false"}) {
		t.Errorf("updated %q, deleted %q", updated, k.deleted)
	}
	for name, n := range map[string]uint64{"accepted": 5, "kernel": 1, "replayed": 1, "truncated": 1} {
		if r.counts.Get(name) != n {
			t.Errorf("%s: %d, want %d", name, r.counts.Get(name), n)
		}
	}
}

// A host that says it is leaving is out of the load table at its first word,
// stays out while it says so, and comes back when it is active again.
func TestLeaving(t *testing.T) {
	r, k, _ := setup(t)
	handle := func(sequence uint64, state dprnl.State) {
		t.Helper()
		if err := r.one(t, sent(t, peer, 2, sequence, state, key), peer); err != nil {
			t.Fatal(err)
		}
	}
	handle(1, dprnl.StateActive)
	handle(2, dprnl.StateDraining)
	if len(k.deleted) != 0 {
		t.Errorf("deleted %v", k.deleted)
	}
	handle(3, dprnl.StateLeaving)
	if !slices.Equal(k.deleted, []string{peer.String() + " false"}) || *k.peers[2].State != dprnl.StateLeaving {
		t.Errorf("deleted %v, updated %+v", k.deleted, k.peers)
	}
	handle(4, dprnl.StateLeaving)
	if len(k.peers) != 3 || len(k.deleted) != 1 {
		t.Errorf("it came back while leaving: %d updates", len(k.peers))
	}
	handle(5, dprnl.StateActive)
	handle(6, dprnl.StateLeaving)
	if len(k.peers) != 5 || len(k.deleted) != 2 {
		t.Errorf("it left again: %d updates, deleted %v", len(k.peers), k.deleted)
	}
	// A reloaded module knows nothing: the host must become known again.
	k.set(nil, dprnl.Config{Address: netip.IPv4Unspecified()})
	if err := r.adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	handle(7, dprnl.StateLeaving)
	if len(k.peers) != 6 || len(k.deleted) != 3 {
		t.Errorf("after the module's reload: %d updates, deleted %v", len(k.peers), k.deleted)
	}
	if n := r.counts.Get("accepted"); n != 7 {
		t.Errorf("%d accepted", n)
	}
}

// run starts Run and returns a function that ends it.
func run(t *testing.T, r *Receiver) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan bool, 1), make(chan error, 1)
	go func() { done <- r.Run(ctx, func() { ready <- true }, func() {}) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Run ended: %v", err)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended: %v", err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("never: %s", what)
}

func TestModuleReload(t *testing.T) {
	r, k, s := setup(t)
	end := run(t, r)
	s.in <- Datagram{sent(t, peer, 2, 1, 0, key), peer}
	eventually(t, "a peer", func() bool { _, _, n := k.get(); return n == 1 })
	if _, n, _ := k.get(); n != 1 {
		t.Error("a configured kernel was configured")
	}
	k.set(dprnl.ErrNotLoaded, dprnl.Config{})
	s.in <- Datagram{sent(t, peer, 2, 2, 0, key), peer}
	eventually(t, "a failure", func() bool { return r.Counts().Get("kernel") == 1 })
	k.set(nil, dprnl.Config{Address: netip.IPv4Unspecified()})
	eventually(t, "a configuration", func() bool { c, n, _ := k.get(); return c.Address == own && n == 1 })
	s.in <- Datagram{sent(t, peer, 2, 3, 0, key), peer}
	eventually(t, "a peer after the reload", func() bool { _, _, n := k.get(); return n == 2 })
	end()
	if !s.closed {
		t.Error("the socket stays open")
	}
}

func TestNewConfiguration(t *testing.T) {
	r, k, s := setup(t)
	end := run(t, r)
	other := report.NewKey([report.KeyLen]byte{2})
	c := testConfig()
	c.Report.Keys = []*report.Key{other}
	r.Reload(c)
	sequence := uint64(1)
	eventually(t, "a report with the new key", func() bool {
		s.in <- Datagram{sent(t, peer, 2, sequence, 0, other), peer}
		sequence++
		_, _, n := k.get()
		return n > 0
	})
	end()
}

func TestNoRight(t *testing.T) {
	r, k, _ := setup(t)
	k.err = &dprnl.Error{Op: "x", Errno: 1}
	if err := r.Run(t.Context(), func() {}, func() {}); !errors.Is(err, dprnl.ErrNoRight) {
		t.Errorf("error %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	r, _, _ := setup(t)
	r.o.Open = func(config.Report) (Source, error) { return nil, errors.New("port taken") }
	if err := r.Run(t.Context(), func() {}, func() {}); err == nil {
		t.Error("no error")
	}
}
