// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"dpr/userland/dprnl"
)

// A peer is asked twice, as a packet may get lost, and answers within a second.
const (
	answerTries = 2
	answerTime  = 1100 * time.Millisecond
	answerPoll  = 50 * time.Millisecond
)

// askable are the peers that get connections through the tunnel, or would.
func (f *Facts) askable() []netip.Addr {
	if !f.configured() {
		return nil
	}
	var list []netip.Addr
	for _, p := range f.Peers {
		if p.Listed && p.State != dprnl.StateLeaving && (p.Barred == dprnl.BarredNo || p.Barred == dprnl.BarredLost) && f.Routes[p.Address].Err == "" {
			list = append(list, p.Address)
		}
	}
	return list
}

// askPeers has all peers answer, and waits for the answers.
func (f *Facts) askPeers(ctx context.Context, k Kernel) map[netip.Addr]Answer {
	all := map[netip.Addr]Answer{}
	if k == nil {
		return all
	}
	open := f.askable()
	for range answerTries {
		open = ask(ctx, k, open, all)
		for deadline := time.Now().Add(answerTime); len(open) > 0 && time.Now().Before(deadline); {
			select {
			case <-ctx.Done():
				return all
			case <-time.After(answerPoll):
			}
			peers, err := k.Peers(ctx)
			if err != nil {
				return all
			}
			open = note(open, peers, all)
		}
	}
	return all
}

// ask asks peers, and returns those whose answers are to be waited for.
func ask(ctx context.Context, k Kernel, peers []netip.Addr, all map[netip.Addr]Answer) (open []netip.Addr) {
	for _, p := range peers {
		err := k.AskPeer(ctx, p)
		switch {
		case err == nil, errors.Is(err, syscall.EBUSY): // somebody else has asked just now
			all[p] = all[p]
			open = append(open, p)
		case errors.Is(err, fs.ErrNotExist): // it has gone
			delete(all, p)
		case errors.Is(err, syscall.EOPNOTSUPP):
			all[p] = Answer{Older: true}
		default:
			all[p] = Answer{Err: err.Error()}
		}
	}
	return open
}

// note adds the answers that have come, and returns the peers that owe some.
func note(open []netip.Addr, peers []dprnl.Peer, all map[netip.Addr]Answer) []netip.Addr {
	for _, p := range peers {
		if !slices.Contains(open, p.Address) {
			continue
		}
		a := all[p.Address]
		a.Tunnel = a.Tunnel || p.Answers&dprnl.AnswerTunnel != 0
		a.Own = a.Own || p.Answers&dprnl.AnswerOwn != 0
		a.Foreign = a.Foreign || p.Answers&dprnl.AnswerForeign != 0
		all[p.Address] = a
		if a.Foreign && a.Tunnel { // what else is lost says nothing
			open = slices.DeleteFunc(open, func(o netip.Addr) bool { return o == p.Address })
		}
	}
	return open
}

// foreignPass tells whether packets with this host's address as source have come from all
// peers that have answered.
func (f *Facts) foreignPass() bool {
	pass := false
	for _, a := range f.Answers {
		if a.Own && !a.Foreign {
			return false
		}
		pass = pass || a.Foreign
	}
	return pass
}

// checkAnswers finds peers whose answers to redirected connections the network drops: they
// have the address of the host that the client has asked as source.
func checkAnswers(f *Facts) []Finding {
	var list []Finding
	var older, unsure []netip.Addr
	for _, p := range f.peers() {
		a, ok := f.Answers[p]
		switch {
		case !ok || a.Foreign:
		case a.Older:
			older = append(older, p)
		case a.Err != "":
			list = append(list, Finding{"answers", Note, fmt.Sprintf("whether answers to redirected connections arrive was not tried with peer %v: %s", p, a.Err), ""})
		case a.Own && f.Config.Answers == dprnl.AnswersThrough:
			list = append(list, Finding{"answers", Note,
				fmt.Sprintf("packets that peer %v sends with this host's address as source do not arrive: this network needs answers = \"through\" on all hosts, as this one has it", p), ""})
		case a.Own:
			list = append(list, Finding{"answers", Problem,
				fmt.Sprintf("packets that peer %v sends with this host's address as source do not arrive, those with its own do: a network that checks sources drops the answers to redirected connections, and they hang", p),
				"set answers = \"through\" on all hosts, or turn the check off for their interfaces (AWS: source/destination check; OpenStack: allowed_address_pairs; a hypervisor: its filter of spoofed addresses; a router: unicast RPF), and look at the peer's own firewall and routing rules"})
		case a.Tunnel:
			unsure = append(unsure, p)
		default:
			list = append(list, Finding{"answers", Problem,
				fmt.Sprintf("peer %v does not answer a question through the tunnel: packets that are redirected to it do not arrive, or what it sends back", p),
				fmt.Sprintf("dprctl check on %v; let IP protocols 4 and 41 pass between the hosts", p)})
		}
	}
	if len(unsure) > 0 {
		list = append(list, Finding{"answers", Note,
			"whether answers to redirected connections arrive is not known, because something drops all packets of IP protocol 253 outside of tunnels, from peer " + some(unsure), ""})
	}
	if len(older) > 0 {
		list = append(list, Finding{"answers", Note,
			"whether answers to redirected connections arrive was not tried, because an older version does not know the question, with peer " + some(older), ""})
	}
	return list
}
