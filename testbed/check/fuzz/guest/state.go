// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"dpr/userland/dprnl"
)

// state is all that messages can change in a namespace, less what changes by
// itself as time passes.
type state struct {
	config   dprnl.Config
	services []dprnl.Service
	rulesets []dprnl.Ruleset // of the services
	peers    []dprnl.Peer
	backends []dprnl.Backend
	flows    uint64
}

func readState(ctx context.Context, c *dprnl.Client) (s state, err error) {
	if s.config, err = c.Config(ctx); err != nil {
		return s, err
	}
	if s.services, err = c.Services(ctx); err != nil {
		return s, err
	}
	for _, service := range s.services {
		r, err := c.Ruleset(ctx, service)
		if err != nil {
			return s, err
		}
		s.rulesets = append(s.rulesets, r)
	}
	if s.peers, err = c.Peers(ctx); err != nil {
		return s, err
	}
	backends, err := c.Backends(ctx)
	if err != nil {
		return s, err
	}
	for _, b := range backends {
		s.backends = append(s.backends, b.Backend) // how many connections it has changes by time
	}
	stats, err := c.Stats(ctx)
	if err != nil {
		return s, err
	}
	s.flows = stats.Get(dprnl.StatFlows)
	for i := range s.peers {
		s.peers[i].Age, s.peers[i].Usable, s.peers[i].Estimate = 0, false, 0
	}
	slices.SortFunc(s.peers, func(a, b dprnl.Peer) int { return a.Address.Compare(b.Address) })
	return s, nil
}

func (s state) equal(o state) bool {
	return s.config == o.config && s.flows == o.flows && slices.Equal(s.services, o.services) && slices.EqualFunc(s.rulesets, o.rulesets, dprnl.Ruleset.Equal) &&
		reflect.DeepEqual(s.backends, o.backends) &&
		slices.EqualFunc(s.peers, o.peers, func(a, b dprnl.Peer) bool {
			a.Forwarding, b.Forwarding = 0, 0 // follows routes and neighbours
			return reflect.DeepEqual(a, b)
		})
}

// check returns what is wrong with a state that the kernel says it has.
func (s state) check(local []netip.Addr) error {
	c := s.config
	if c.Address.IsValid() && !c.Address.IsUnspecified() && !slices.Contains(local, c.Address) {
		return fmt.Errorf("its address is %s", c.Address)
	}
	if c.Policy > dprnl.PolicyOffer || c.Hash > dprnl.HashPort || c.Estimate > dprnl.EstimateReported || c.Marker > dprnl.MarkerSource ||
		c.State > dprnl.StateLeaving || c.Orphans > dprnl.OrphansAsk || c.Forwarding > dprnl.ForwardingDirect {
		return fmt.Errorf("it is configured to %+v", c)
	}
	for _, w := range []uint32{c.Weights.Connections, c.Weights.CPU, c.Weights.Redirected, c.Weights.Sockets, c.Weight} {
		if w > dprnl.MaxWeight {
			return fmt.Errorf("a weight is %d", w)
		}
	}
	if c.Affinity > dprnl.AffinityBits || c.Affinity6 == 0 || c.Affinity6 > dprnl.Affinity6Bits {
		return fmt.Errorf("its affinity is by %d bits, %d of IPv6", c.Affinity, c.Affinity6)
	}
	if c.Weights == (dprnl.Weights{}) || c.Weight == 0 || c.MaxFlows == 0 || c.MaxFlows > dprnl.MaxFlows {
		return fmt.Errorf("it is configured to %+v", c)
	}
	for _, d := range []time.Duration{c.ReportMaxAge, c.Timeouts.Syn, c.Timeouts.Established, c.Timeouts.Fin, c.Timeouts.Rst} {
		if d < time.Millisecond || d > week*time.Millisecond {
			return fmt.Errorf("a time is %s", d)
		}
	}
	if c.Answers > dprnl.AnswersThrough || c.SpliceFirstPort < 1024 || c.SpliceLastPort < c.SpliceFirstPort || c.MaxSplices == 0 || c.MaxSplices > dprnl.MaxSplices {
		return fmt.Errorf("it is configured to %+v", c)
	}
	if c.Group.IsValid() && !c.Group.IsUnspecified() && !c.Group.IsMulticast() {
		return fmt.Errorf("its group is %s", c.Group)
	}
	return errors.Join(s.checkRows(local), s.checkBackends(local))
}

func (s state) checkBackends(local []netip.Addr) error {
	if len(s.backends) > dprnl.MaxBackends {
		return fmt.Errorf("it has %d backends", len(s.backends))
	}
	for i, b := range s.backends {
		a, same := b.Address, func(o dprnl.Backend) bool { return o.Name == b.Name }
		switch {
		case b.Name == "" || len(b.Name) > dprnl.MaxBackendName || slices.ContainsFunc(s.backends[:i], same):
			return fmt.Errorf("it has the backend %q, of %d", b.Name, len(s.backends))
		case !a.IsValid() || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || slices.Contains(local, a):
			return fmt.Errorf("backend %s is at %s", b.Name, a)
		case b.Weight == 0 || b.Weight > dprnl.MaxWeight || len(b.Services) == 0 || len(b.Services) > dprnl.MaxBackendServices || slices.Contains(b.Services, 0):
			return fmt.Errorf("it has the backend %+v", b)
		}
	}
	return nil
}

func (s state) checkRows(local []netip.Addr) error {
	if len(s.services) > dprnl.MaxServices || len(s.peers) > dprnl.MaxPeers {
		return fmt.Errorf("it has %d services, %d peers", len(s.services), len(s.peers))
	}
	for i, v := range s.services {
		if v.Port == 0 || v.Address.IsMulticast() || v.Address.IsLoopback() || slices.Contains(s.services[:i], v) {
			return fmt.Errorf("it has the service %v, of %d", v, len(s.services))
		}
	}
	for i, p := range s.peers {
		a := p.Address
		if !a.IsValid() || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || slices.Contains(local, a) || i > 0 && s.peers[i-1].Address == a {
			return fmt.Errorf("it has the peer %s", a)
		}
		if p.State > dprnl.StateLeaving || p.Weight == 0 || p.Weight > dprnl.MaxWeight || p.Metrics.CPU > dprnl.MaxCPU || p.Live > p.Flows {
			return fmt.Errorf("it has the peer %+v", p)
		}
		if p.Forwarding != dprnl.ForwardingIpip && p.Forwarding != dprnl.ForwardingDirect {
			return fmt.Errorf("packets get to its peer %s by %v", a, p.Forwarding)
		}
		if len(p.Loads) > dprnl.MaxServiceLoads {
			return fmt.Errorf("it has %d loads of services of the peer %s", len(p.Loads), a)
		}
	}
	return nil
}
