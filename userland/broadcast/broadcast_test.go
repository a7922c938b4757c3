// SPDX-License-Identifier: MIT

package broadcast

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

var (
	host  = netip.MustParseAddr("192.0.2.1")
	boot  = report.BootID{1}
	start = time.UnixMicro(1_700_000_000_000_000)
)

type kernel struct {
	mu       sync.Mutex
	config   dprnl.Config
	load     dprnl.Load
	services []dprnl.ServiceStatus
	peers    []dprnl.Peer
	protocol uint32 // 0: 3
	err      error
}

func (k *kernel) ServiceStates(context.Context) ([]dprnl.ServiceStatus, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.services, k.err
}

func (k *kernel) Peers(context.Context) ([]dprnl.Peer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.peers), k.err
}

func (k *kernel) Config(context.Context) (dprnl.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.config, k.err
}

func (k *kernel) Load(context.Context) (dprnl.Load, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.load, k.err
}

func (k *kernel) Protocol() uint32 { return cmp.Or(k.protocol, 3) }

func (k *kernel) Close() error { return nil }

// An ether is all networks: it keeps what is sent to each.
type ether struct {
	mu      sync.Mutex
	sent    map[string][][]byte // reports of version 2
	old     map[string][][]byte // those of version 1, each after one of version 2
	opened  []string
	open    int
	failing map[string]error
}

type sender struct {
	n    *ether
	name string
}

func (n *ether) Open(network config.Network, _ uint16, from netip.Addr) (Sender, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = append(n.opened, from.String()+" to "+network.String())
	n.open++
	return &sender{n, network.String()}, nil
}

func (s *sender) Send(b []byte) error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if err := s.n.failing[s.name]; err != nil {
		return err
	}
	if b[4] == 1 {
		s.n.old[s.name] = append(s.n.old[s.name], b)
	} else {
		s.n.sent[s.name] = append(s.n.sent[s.name], b)
	}
	return nil
}

func (s *sender) Close() error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	s.n.open--
	return nil
}

func (n *ether) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sent[name])
}

const netA, netB = "10.0.0.1:7743", "10.0.0.2:7743"

func testConfig() *config.Config {
	c := config.Defaults()
	c.Report.Keys = []*report.Key{report.NewKey([report.KeyLen]byte{1}), report.NewKey([report.KeyLen]byte{2})}
	for _, a := range []string{netA, netB} {
		c.Report.Networks = append(c.Report.Networks, config.Network{Unicast: netip.MustParseAddrPort(a)})
	}
	return &c
}

func setup(t *testing.T) (*Broadcaster, *kernel, *ether) {
	t.Helper()
	k := &kernel{
		config: dprnl.Config{Address: host, State: dprnl.StateDraining, Weight: 4},
		load:   dprnl.Load{Metrics: dprnl.Metrics{Connections: 1, CPU: 2, Redirected: 3, Sockets: 4}},
	}
	n := &ether{sent: make(map[string][][]byte), old: make(map[string][][]byte), failing: make(map[string]error)}
	b, err := New(Options{
		Config:   testConfig(),
		Dial:     func() (Kernel, error) { return k, nil },
		Open:     n.Open,
		Boot:     boot,
		Sequence: func() (uint64, error) { return 100, nil }, // a clock that stands still
		Addresses: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), host, netip.MustParseAddr("198.51.100.1")}, nil
		},
		Software: "0.3.0",
		Now:      func() time.Time { return start },
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, k, n
}

func verify(t *testing.T, key *report.Key, datagrams ...[]byte) []report.Report {
	t.Helper()
	v := report.NewVerifier(report.Policy{Keys: []*report.Key{key}, Window: time.Second}, func() time.Time { return start }, nil)
	var list []report.Report
	for _, d := range datagrams {
		r, err := v.Verify(d, host)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func TestBeat(t *testing.T) {
	b, k, n := setup(t)
	k.services = []dprnl.ServiceStatus{{Service: dprnl.Service{Port: 80}, Connections: 7, Counted: true}, {Service: dprnl.Service{Port: 443}}}
	for range 2 {
		if err := b.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// A receiver with the first key alone accepts both: the sequence grows.
	list := verify(t, testConfig().Report.Keys[0], n.sent[netA]...)
	want := report.Report{Host: host, Boot: boot, Sequence: 100, Time: start, Period: time.Second,
		State: dprnl.StateDraining, Weight: 4, Metrics: k.load.Metrics, Details: &report.Details{
			Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.1")}, Settings: report.SettingsOf(k.config), Software: "0.3.0", Protocol: 3,
			Services: []report.Service{{Port: 80}, {Port: 443}}, ServicesSaid: true, Counts: []dprnl.PortCount{{Port: 80, Connections: 7}},
		}}
	if len(list) != 2 || !reflect.DeepEqual(list[0], want) || list[1].Sequence != 102 {
		t.Errorf("got  %+v\nwant %+v", list, want)
	}
	// The same for hosts that know version 1 only.
	old := verify(t, testConfig().Report.Keys[0], n.old[netA]...)
	want.Details, want.Sequence = nil, 101
	if len(old) != 2 || old[0] != want || old[1].Sequence != 103 {
		t.Errorf("got  %+v\nwant %+v", old, want)
	}
	if n.count(netB) != 2 || len(n.opened) != 2 || n.opened[0] != "192.0.2.1 to "+netA {
		t.Errorf("second network: %d reports; opened %v", n.count(netB), n.opened)
	}
}

func TestFailingNetwork(t *testing.T) {
	b, _, n := setup(t)
	n.failing[netA] = errors.New("network is down")
	for range 3 {
		if err := b.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n.count(netA) != 0 || n.count(netB) != 3 {
		t.Errorf("reports: %d and %d", n.count(netA), n.count(netB))
	}
	delete(n.failing, netA)
	if err := b.beat(t.Context()); err != nil || n.count(netA) != 1 {
		t.Errorf("it is back: %v, %d reports", err, n.count(netA))
	}
	if n.open != 2 {
		t.Errorf("%d sockets are open", n.open)
	}
}

func TestNoReport(t *testing.T) {
	for name, change := range map[string]func(*kernel){
		"not loaded":     func(k *kernel) { k.err = dprnl.ErrNotLoaded },
		"not configured": func(k *kernel) { k.config.Address = netip.IPv4Unspecified() },
		"CPU above 100%": func(k *kernel) { k.load.CPU = 1001 },
	} {
		b, k, n := setup(t)
		change(k)
		if err := b.beat(t.Context()); err == nil || n.count(netA) != 0 {
			t.Errorf("%s: %v, %d reports", name, err, n.count(netA))
		}
	}
}

func TestChanges(t *testing.T) {
	b, k, n := setup(t)
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another address of this host: the sockets must have it.
	k.config.Address = netip.MustParseAddr("192.0.2.2")
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.opened[2] != "192.0.2.2 to "+netA || n.open != 2 {
		t.Errorf("opened %v, open %d", n.opened, n.open)
	}
	// Another configuration: one network less, another key.
	c := testConfig()
	c.Report.Networks = c.Report.Networks[1:]
	c.Report.Keys = c.Report.Keys[1:]
	b.Reload(c)
	k.config.Address = host
	if err := b.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.count(netA) != 2 || n.count(netB) != 3 || n.open != 1 {
		t.Errorf("reports %d and %d, open %d", n.count(netA), n.count(netB), n.open)
	}
	verify(t, c.Report.Keys[0], n.sent[netB][2])
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, n := setup(t)
		c := testConfig()
		c.Report.Period = 20 * time.Millisecond
		b.config.Store(c)
		ctx, cancel := context.WithCancel(t.Context())
		ready := make(chan bool, 1)
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx, func() { ready <- true }, func() {}) }()
		<-ready
		if n.count(netA) == 0 {
			t.Error("it is ready before the first report")
		}
		time.Sleep(19 * c.Report.Period)
		synctest.Wait()
		if sent := n.count(netA); sent != 20 {
			t.Errorf("%d reports at once and in 19 periods", sent)
		}
		cancel()
		if err := <-done; err != nil || n.open != 0 {
			t.Errorf("ended with %v, %d sockets open", err, n.open)
		}
	})
}

func TestRunEndsWithoutTheRight(t *testing.T) {
	b, k, _ := setup(t)
	k.err = &dprnl.Error{Op: "x", Errno: 1}
	err := b.Run(t.Context(), func() {}, func() {})
	if !errors.Is(err, dprnl.ErrNoRight) {
		t.Errorf("error %v", err)
	}
}

func TestNoNetworks(t *testing.T) {
	c := testConfig()
	c.Report.Networks = nil
	if _, err := New(Options{Config: c, Log: slog.Default()}); err == nil {
		t.Error("no error")
	}
}

func TestBoot(t *testing.T) {
	if id, err := BootID(); err != nil || id == (report.BootID{}) {
		t.Errorf("boot id %v, %v", id, err)
	}
	a, err := BootClock()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := BootClock(); err != nil || b <= a {
		t.Errorf("clock %d, then %d, %v", a, b, err)
	}
}
