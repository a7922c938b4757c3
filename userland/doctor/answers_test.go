// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"syscall"
	"testing"

	"dpr/userland/dprnl"
)

// answering is a host whose peers answer, each in its own way.
func answering(answer map[netip.Addr]func(try int) (uint32, error)) (*Facts, *kernel, map[netip.Addr]int) {
	f, k, asked := well(), &kernel{}, map[netip.Addr]int{}
	f.Peers = nil
	for a := range answer {
		f.Peers = append(f.Peers, dprnl.Peer{Address: a, Listed: true})
	}
	k.ask = func(a netip.Addr) error {
		asked[a]++
		came, err := answer[a](asked[a])
		k.peers = append([]dprnl.Peer(nil), k.peers...)
		for i := range k.peers {
			if k.peers[i].Address == a {
				k.peers[i].Answers = came
			}
		}
		return err
	}
	k.peers = append([]dprnl.Peer(nil), f.Peers...)
	return f, k, asked
}

// A peer whose answers do not all come is asked again, and what came either time counts.
// Those that cannot be asked are not asked again.
func TestAskPeers(t *testing.T) {
	a := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	says := func(came uint32, err error) func(int) (uint32, error) {
		return func(int) (uint32, error) { return came, err }
	}
	f, k, asked := answering(map[netip.Addr]func(int) (uint32, error){
		a(2): says(dprnl.AnswerTunnel|dprnl.AnswerOwn|dprnl.AnswerForeign, nil),
		a(3): says(dprnl.AnswerTunnel|dprnl.AnswerOwn, nil),
		a(4): func(try int) (uint32, error) { // packets get lost
			return map[int]uint32{1: dprnl.AnswerForeign, 2: dprnl.AnswerTunnel}[try], nil
		},
		a(5): says(dprnl.AnswerTunnel|dprnl.AnswerForeign, syscall.EBUSY),
		a(6): says(0, syscall.EOPNOTSUPP),
		a(7): says(0, errors.New("broken")),
		a(8): says(0, syscall.ENOENT),
		a(9): says(0, nil),
	})
	got := f.askPeers(t.Context(), k)
	want := map[netip.Addr]Answer{
		a(2): {Tunnel: true, Own: true, Foreign: true}, a(3): {Tunnel: true, Own: true}, a(4): {Tunnel: true, Foreign: true},
		a(5): {Tunnel: true, Foreign: true}, a(6): {Older: true}, a(7): {Err: "broken"}, a(9): {},
	}
	if !maps.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if want := map[netip.Addr]int{a(2): 1, a(3): 2, a(4): 2, a(5): 1, a(6): 1, a(7): 1, a(8): 1, a(9): 2}; !maps.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

// Peers that get no connections anyway are not asked, nor is anybody without the module.
func TestAskable(t *testing.T) {
	f, k, asked := answering(nil)
	f.Peers = []dprnl.Peer{
		{Address: peer, Listed: true, Barred: dprnl.BarredUnheard}, {Address: peer}, {Address: peer, Listed: true, State: dprnl.StateLeaving},
		{Address: other, Listed: true},
	}
	f.Routes[other] = Route{Err: "none"}
	if got := f.askPeers(t.Context(), k); len(got) != 0 || len(asked) != 0 {
		t.Errorf("%v, asked %v", got, asked)
	}
	if got := f.askPeers(t.Context(), nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
	f.Peers, f.Config.Address = []dprnl.Peer{{Address: peer, Listed: true, Barred: dprnl.BarredLost}}, netip.IPv4Unspecified()
	if got := f.askable(); len(got) != 0 {
		t.Errorf("%v asked by an unconfigured host", got)
	}
	f.Config.Address = own
	if got := f.askable(); len(got) != 1 {
		t.Errorf("%v, want the lost one", got)
	}
}

// A check that is broken off does not wait for answers.
func TestAskPeersCancelled(t *testing.T) {
	f, k, _ := answering(map[netip.Addr]func(int) (uint32, error){peer: func(int) (uint32, error) { return 0, nil }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := f.askPeers(ctx, k); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
