// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dpr/userland/dprnl"
)

// received are the counters of which one counts each packet of protocol 4 or 41 that
// the hook does not leave as it was. The first also counts those that came direct.
var received = []dprnl.Stat{
	dprnl.StatRxPackets, dprnl.StatRxStranger, dprnl.StatRxMalformed, dprnl.StatRxNested, dprnl.StatRxBadAddress, dprnl.StatRxNotServed,
	dprnl.StatRxEcn, dprnl.StatRxChecksum, dprnl.StatRxReset, dprnl.StatRxNoMemory, dprnl.StatRxListenerDeferred,
	dprnl.StatRefusedLoad, dprnl.StatRefusedDraining, dprnl.StatRefusedNoListener, dprnl.StatRefusedFull, dprnl.StatRefusedOwn,
	dprnl.StatRefusedLong, dprnl.StatRxProbed, dprnl.StatRxEcho, dprnl.StatRxEchoRefused,
	dprnl.StatOfferReturned, dprnl.StatOfferUnknown, dprnl.StatOfferLate,
	dprnl.StatRxOwnerAsked, dprnl.StatOwnerFound, dprnl.StatRxOwnerRefused,
	dprnl.StatOwnerDenied, dprnl.StatHashMissed, dprnl.StatRxHashMissed,
	dprnl.StatRxFlowAsked, dprnl.StatRxFlowAnswered, dprnl.StatRxFlowRefused, dprnl.StatRxPolicy, dprnl.StatRxFragments,
	dprnl.StatRxAnswerRefused, dprnl.StatRxAnswerHops, dprnl.StatRxAnswerNoRoute, dprnl.StatRxAnswerTooBig,
	dprnl.StatRxSourceAsked, dprnl.StatRxSourceLimited,
	dprnl.StatRxHandoverForged, dprnl.StatRxHandoverStale, dprnl.StatRxHandoverWaited, dprnl.StatRxHandoverRefused, dprnl.StatRxHandoverFull,
	dprnl.StatRxMigrate, dprnl.StatRxMigrateRefused, dprnl.StatMigrateHeld, dprnl.StatMigrateBounced,
	dprnl.StatHandoverTaken, dprnl.StatHandoverRefused, dprnl.StatHandoverLate,
}

// ended are the counters of which one counts each flow that is gone, but those
// that were offered: see check.
var ended = []dprnl.Stat{
	dprnl.StatFlowsExpired, dprnl.StatFlowsEvicted, dprnl.StatFlowsReplaced, dprnl.StatFlowsReset, dprnl.StatFlowsDeleted,
	dprnl.StatFlowsEnded, dprnl.StatOfferServed, dprnl.StatFlowsLost, dprnl.StatFlowsOwn,
}

// tunnelled is how many packets the module has sent in tunnels, as it counts them.
func tunnelled(s dprnl.Stats) uint64 { return s.Get(dprnl.StatTxPackets) - s.Get(dprnl.StatTxDirect) }

// read reads what the module counts and what the injector saw. The module sends
// messages about ends by itself: one that is on its way is waited for.
func (l *loaded) read(ctx context.Context) (stats dprnl.Stats, p passed, err error) {
	for range 20 {
		if stats, err = l.c.Stats(ctx); err != nil {
			return stats, p, err
		}
		if p, err = l.inject.state(); err != nil {
			return stats, p, err
		}
		if tunnelled(stats) == p.out()-l.first.out() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return stats, p, nil
}

// check reads all that the module says of itself, and fails what does not add up.
func (l *loaded) check(ctx context.Context) (dprnl.Stats, error) {
	stats, p, err := l.read(ctx)
	if err != nil {
		return stats, err
	}
	sum := func(of []dprnl.Stat) (n uint64) {
		for _, k := range of {
			n += stats.Get(k)
		}
		return n
	}
	flows := stats.Get(dprnl.StatFlows)
	l.r.MostFlows = max(l.r.MostFlows, flows)
	err = nil
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			err = errors.Join(err, l.fail(format, args...))
		}
	}
	taken := (p.before - l.first.before) - (p.after - l.first.after)
	kept := sum(received) - stats.Get(dprnl.StatRxDirect)
	wrong(kept != taken, "the hook kept %d packets of tunnels, and counts %d: %v", taken, kept, counted(stats, received))
	sent := p.out() - l.first.out()
	counts := tunnelled(stats)
	wrong(counts != sent && (!l.failing || counts < sent), "%d packets were tunnelled, and it counts %d", sent, counts)
	begun := stats.Get(dprnl.StatRedirected) + stats.Get(dprnl.StatOwnerFound)
	// Connections of the stateless policy may get a flow later, which nothing counts. So does one
	// that moves here from this host, or is handed over anew after others ended its first flow:
	// it was counted once.
	adopted := int64(flows+sum(ended)) - int64(begun)
	again := int64(stats.Get(dprnl.StatTxHandover))
	wrong(adopted < 0 || adopted > again && !l.stateless, "%d flows began, %d ended, and there are %d: %v",
		begun, sum(ended), flows, counted(stats, ended))
	wrong(flows > l.bound, "there are %d flows, though %d is the most", flows, l.bound)
	return stats, errors.Join(err, l.checkRows(ctx))
}

// checkRows compares the counts with what is there to be counted. A handover under way
// is placed some time after its packet, so that flows begin meanwhile: only what is
// said of a time in which nothing was counted adds up.
func (l *loaded) checkRows(ctx context.Context) error {
	before, err := l.c.Stats(ctx)
	if err != nil {
		return err
	}
	for range 100 {
		wrong, err := l.wrongRows(ctx, before)
		if err != nil {
			return err
		}
		after, err := l.c.Stats(ctx)
		if err != nil {
			return err
		}
		if after == before {
			if wrong != "" {
				return l.fail("%s", wrong)
			}
			return nil
		}
		before = after
		time.Sleep(20 * time.Millisecond)
	}
	return l.fail("the counts did not stand still for a moment")
}

// wrongRows says what does not add up if stats hold all the time, "" if all does.
func (l *loaded) wrongRows(ctx context.Context, stats dprnl.Stats) (string, error) {
	var flows, live uint64
	to := map[string]uint32{}
	for f, err := range l.c.Flows(ctx, dprnl.FlowFilter{}) {
		if err != nil {
			return "", err
		}
		flows++
		to[f.Peer.String()]++
		if f.State != dprnl.FlowEnded {
			live++
		}
	}
	if flows != stats.Get(dprnl.StatFlows) || live != stats.Get(dprnl.StatFlowsLive) {
		return fmt.Sprintf("it counts %d flows, %d of them live, and shows %d, %d", stats.Get(dprnl.StatFlows), stats.Get(dprnl.StatFlowsLive), flows, live), nil
	}
	all, err := l.c.Peers(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range all {
		// A dead peer's flows may be there still beside those of its successor.
		if n := to[p.Address.String()]; p.Flows > n || p.Live > p.Flows {
			return fmt.Sprintf("peer %s has %d flows, %d of them live, and %d are shown", p.Address, p.Flows, p.Live, n), nil
		}
	}
	s, err := readState(ctx, l.c)
	if err != nil {
		return "", err
	}
	if err := s.check(ownAddresses()); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// counted returns counters by name, for a failure.
func counted(stats dprnl.Stats, of []dprnl.Stat) map[string]uint64 {
	m := map[string]uint64{}
	for _, k := range of {
		m[k.String()] = stats.Get(k)
	}
	return m
}
