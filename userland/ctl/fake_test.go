// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/doctor"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/layer7"
	"dpr/userland/receive"
	"dpr/userland/sockets"
)

// healthyNow is the time that commands see.
var healthyNow = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)

// A kernel writes down the commands that change something.
type kernel struct {
	config   dprnl.Config
	services []dprnl.Service
	rules    dprnl.Rules // of the service that was added or set last
	rulesets map[uint16]dprnl.Ruleset
	backends []dprnl.BackendStatus
	result   *dprnl.RulesResult // of a test, if not what this program says itself
	peers    []dprnl.Peer
	flows    int
	load     dprnl.Load
	stats    dprnl.Stats
	filter   dprnl.FlowFilter
	budget   uint32
	update   dprnl.ConfigUpdate
	peer     dprnl.PeerUpdate
	log      []string
	states   map[uint16]dprnl.ServiceState // of services that are not up
	tick     func(*kernel)                 // called before the counters are read
	served   int                           // connections
	ports    []uint16
	reports  receive.Status
	path     string
	fastPath fastpath.Status
	fastErr  error  // of asking for that
	fastAt   string // where that was
	err      error  // of what changes something
	readErr  error  // of what reads

	reportsErr error
	module     string // its version
	host       HostFacts
	interfaces []string

	facts    doctor.Facts // of the host
	gathered doctor.Options
	factsErr error
	dialErr  error

	conns   []sockets.Connection
	more    []dprnl.Flow // before the flows
	traced  netip.AddrPort
	ran     []string
	answers map[string]string // of other hosts, by their address
	runErr  error             // of other hosts that have no answer
}

func (k *kernel) connections() int {
	if k.tick != nil {
		k.tick(k)
	}
	return k.served
}

func (k *kernel) did(format string, args ...any) error {
	k.log = append(k.log, fmt.Sprintf(format, args...))
	return k.err
}

func (k *kernel) Config(context.Context) (dprnl.Config, error) { return k.config, k.readErr }

func (k *kernel) SetConfig(_ context.Context, u dprnl.ConfigUpdate) error {
	k.update = u
	return k.did("config")
}

func (k *kernel) Services(context.Context) ([]dprnl.Service, error) { return k.services, k.readErr }

func (k *kernel) ServiceStates(context.Context) ([]dprnl.ServiceStatus, error) {
	var all []dprnl.ServiceStatus
	for _, s := range k.services {
		all = append(all, dprnl.ServiceStatus{Service: s, State: k.states[s.Port]})
	}
	return all, k.readErr
}

func (k *kernel) AddService(_ context.Context, s dprnl.Service) error {
	k.rules = s.Rules
	return k.did("service add %v", s)
}

func (k *kernel) SetService(_ context.Context, s dprnl.Service) error {
	k.rules = s.Rules
	return k.did("service set %v", s)
}

func (k *kernel) DeleteService(_ context.Context, s dprnl.Service) error {
	return k.did("service del %v", s)
}

func (k *kernel) Ruleset(_ context.Context, s dprnl.Service) (dprnl.Ruleset, error) {
	return k.rulesets[s.Port], k.readErr
}

func (k *kernel) Backends(context.Context) ([]dprnl.BackendStatus, error) {
	return k.backends, k.readErr
}

func (k *kernel) SetBackend(_ context.Context, b dprnl.Backend) error {
	return k.did("backend set %v down %v", b, b.Down)
}

func (k *kernel) SetBackendDown(_ context.Context, name string, down bool) error {
	return k.did("backend %s down %v", name, down)
}

func (k *kernel) DeleteBackend(_ context.Context, name string) error {
	return k.did("backend del %s", name)
}

func (k *kernel) SetRuleset(_ context.Context, s dprnl.Service, r dprnl.Ruleset) error {
	if k.rulesets == nil {
		k.rulesets = make(map[uint16]dprnl.Ruleset)
	}
	k.rulesets[s.Port] = r
	return k.did("rules %v %d", s, len(r.Matches))
}

func (k *kernel) TestRuleset(_ context.Context, s dprnl.Service, data []byte, final bool, client netip.AddrPort) (dprnl.RulesResult, error) {
	if k.result != nil {
		return *k.result, k.err
	}
	r := k.rulesets[s.Port]
	d := layer7.Decide(r, data, final)
	got := dprnl.RulesResult{Outcome: d.Outcome, Rule: dprnl.RulesNone, Group: dprnl.RulesNone, Hashed: d.Hashed, Hash: d.Hash}
	if client.Addr().IsValid() && d.Group != "" {
		got.Host = netip.MustParseAddr("192.0.2.2")
	}
	if d.Rule >= 0 {
		got.Rule = uint32(d.Rule)
	}
	if i := slices.IndexFunc(r.Groups, func(g dprnl.Group) bool { return g.Name == d.Group }); i >= 0 {
		got.Group = uint32(i)
	}
	return got, k.err
}

func (k *kernel) SetPeer(_ context.Context, u dprnl.PeerUpdate) error {
	k.peer = u
	return k.did("peer %v", u.Address)
}

func (k *kernel) DeletePeer(_ context.Context, a netip.Addr, dead bool) error {
	return k.did("peer del %v %v", a, dead)
}

func (k *kernel) AskPeer(_ context.Context, a netip.Addr) error { return k.did("peer ask %v", a) }

func (k *kernel) Peers(context.Context) ([]dprnl.Peer, error) { return k.peers, k.readErr }

func (k *kernel) Flows(_ context.Context, f dprnl.FlowFilter) iter.Seq2[dprnl.Flow, error] {
	k.filter = f
	return func(yield func(dprnl.Flow, error) bool) {
		for _, f := range k.more {
			if !yield(f, nil) {
				return
			}
		}
		for i := range k.flows {
			f := dprnl.Flow{FlowKey: dprnl.FlowKey{
				Client:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1234),
				Service: netip.MustParseAddrPort("192.0.2.1:80"),
			}, Peer: netip.MustParseAddr("192.0.2.2"), State: dprnl.FlowFin, Idle: time.Second, Expires: time.Minute}
			if !yield(f, nil) {
				return
			}
		}
		if k.readErr != nil {
			yield(dprnl.Flow{}, k.readErr)
		}
	}
}

func (k *kernel) DeleteFlow(_ context.Context, key dprnl.FlowKey) error {
	return k.did("flow del %v %v", key.Client, key.Service)
}

func (k *kernel) Expire(_ context.Context, budget uint32) (dprnl.Expiry, error) {
	k.budget = budget
	return dprnl.Expiry{Scanned: 1, Expired: 2, Reset: 3, Flows: 4, Done: true}, k.did("expire")
}

func (k *kernel) Load(context.Context) (dprnl.Load, error) { return k.load, k.readErr }
func (k *kernel) Stats(context.Context) (dprnl.Stats, error) {
	return k.stats, k.readErr
}
func (k *kernel) Close() error { return nil }

type events []dprnl.Event

func (e events) All(context.Context) iter.Seq2[dprnl.Event, error] {
	return func(yield func(dprnl.Event, error) bool) {
		if !yield(dprnl.Event{}, dprnl.ErrEventsLost) {
			return
		}
		for _, ev := range e {
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (e events) Close() error { return nil }

// A result is what a command line did.
type result struct {
	status   int
	out, err string
	dialled  bool
}

// dprctl runs a command line, split at spaces, against k.
func dprctl(t *testing.T, k *kernel, line string) result {
	t.Helper()
	var out, errs bytes.Buffer
	r := result{}
	r.status = Run(t.Context(), append([]string{"dprctl"}, strings.Fields(line)...), Environment{
		Out: &out, Err: &errs,
		Dial:   func() (Kernel, error) { r.dialled = true; return k, k.dialErr },
		Events: func() (EventSource, error) { r.dialled = true; return events(testEvents), nil },
		Now:    func() time.Time { return healthyNow },
		Module: func() string { return k.module },
		Poll:   time.Millisecond,
		Connections: func(_ context.Context, ports []uint16) (int, error) {
			k.ports = ports
			return k.connections(), k.readErr
		},
		Reports: func(_ context.Context, path string) (receive.Status, error) {
			k.path = path
			return k.reports, k.reportsErr
		},
		FastPath: func(_ context.Context, path string) (fastpath.Status, error) {
			k.fastAt = path
			return k.fastPath, k.fastErr
		},
		Host: func(interfaces []string) HostFacts {
			k.interfaces = interfaces
			return k.host
		},
		Sockets: func(_ context.Context, client netip.Addr, port uint16) ([]sockets.Connection, error) {
			k.traced = netip.AddrPortFrom(client, port)
			return k.conns, k.readErr
		},
		Run: func(_ context.Context, words []string) ([]byte, error) {
			k.ran = append(k.ran, strings.Join(words, " "))
			for host, text := range k.answers {
				if slices.Contains(words, host) {
					return []byte(text), nil
				}
			}
			return nil, cmp.Or(k.runErr, errors.New("no such host"))
		},
		Gather: func(_ context.Context, o doctor.Options) (*doctor.Facts, error) {
			k.gathered = o
			return &k.facts, k.factsErr
		},
	})
	r.out, r.err = out.String(), errs.String()
	return r
}

var testEvents = []dprnl.Event{
	{Type: dprnl.EventPeerState, Peer: netip.MustParseAddr("192.0.2.2"), State: dprnl.StateDraining},
	{Type: dprnl.EventTableFull},
}

// healthy is a host in good order.
func healthy() *kernel {
	return &kernel{
		config: dprnl.Config{Address: netip.MustParseAddr("192.0.2.1"), Policy: dprnl.PolicyLowest, MaxLoad: 9, Affinity6: dprnl.DefaultAffinity6,
			Weights: dprnl.Weights{Connections: 1}, Weight: 2, MaxFlows: 1000, ReportMaxAge: 3 * time.Second, SlowStart: 4 * time.Second, SpliceFirstPort: 61000, SpliceLastPort: 65535, MaxSplices: 65536,
			Timeouts: dprnl.Timeouts{Syn: time.Second, Established: time.Hour, Fin: time.Minute, Rst: 1500 * time.Millisecond}},
		services: []dprnl.Service{{Port: 80, Address: netip.IPv4Unspecified()}, {Port: 443, Address: netip.MustParseAddr("192.0.2.1")}},
		peers: []dprnl.Peer{
			{Address: netip.MustParseAddr("192.0.2.2"), Metrics: dprnl.Metrics{Connections: 5, CPU: 123, Redirected: 6, Sockets: 7},
				Weight: 1, Load: 5, Estimate: 4, Reported: true, Age: 250 * time.Millisecond, Usable: true, Listed: true,
				Flows: 8, Live: 7, Redirects: 1 << 40, Loads: []dprnl.PortLoad{{Port: 80, Known: true, Estimate: 6, Live: 2}, {Port: 443}},
				Forwarding: dprnl.ForwardingDirect},
			{Address: netip.MustParseAddr("192.0.2.3"), Weight: 1},
		},
		load:  dprnl.Load{Metrics: dprnl.Metrics{Connections: 1, CPU: 20, Redirected: 3, Sockets: 4}, Load: 1},
		flows: 2,
	}
}
