// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/enemy/wire"
	"dpr/testbed/check/rawip"
	"dpr/testbed/lab/guest/singlevm"
)

const (
	// enough broken connections tell the rate: more of them are not waited for.
	enough = 20
	// rowTime bounds what one kind in one state takes of one side, once
	// connections break.
	rowTime = 30 * time.Second
	// settle is what packets take through the switch, the attacker having sent them.
	settle = 3 * time.Millisecond
)

// blind attacks connections of each state with each kind of packets, redirected
// ones and plain ones.
func (e *enemy) blind(ctx context.Context) (err error) {
	if err := singlevm.Insert("dpr", ""); err != nil {
		return err
	}
	c, err := newCluster(80)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(), singlevm.Remove("dpr")) }()
	for _, n := range []*node{c.a, c.b, c.d, c.p} {
		stop, err := n.serve(ctx, c.port)
		if err != nil {
			return err
		}
		c.net.Defer(stop)
	}
	if err := c.configure(ctx); err != nil {
		return err
	}
	b := &blind{enemy: e, c: c, next: 10_000, sides: []*side{{c, c.a, c.b}, {c, c.p, c.p}}}
	for i := range states {
		if err := e.say("connections: %s", states[i].name); err != nil {
			return err
		}
		if err := b.notices(ctx, &states[i]); err != nil {
			return fmt.Errorf("%s: %w", states[i].name, err)
		}
		if err := b.all(ctx, &states[i]); err != nil {
			return fmt.Errorf("%s: %w", states[i].name, err)
		}
	}
	return nil
}

// blind is the attacker, and who looks at what comes of it.
type blind struct {
	*enemy
	c     *cluster
	sides []*side // the redirecting host's, and the plain one's

	mu   sync.Mutex // who is aimed at
	next uint16     // port of the client
}

// all attacks connections of a state with each kind of packets. Where most of the
// time is that of retransmissions, all at once.
func (b *blind) all(ctx context.Context, st *state) error {
	var g errgroup.Group
	g.SetLimit(1)
	if st.once {
		g.SetLimit(len(kinds))
	}
	for _, k := range kinds {
		g.Go(func() error {
			a, err := b.attack(ctx, st, k)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			return b.port.Write(wire.Record{Blind: &a})
		})
	}
	return g.Wait()
}

// open makes a connection of a state, and then aims at the other host: loads change
// all the time, so that who is chosen now is seldom who would be chosen later.
func (b *blind) open(ctx context.Context, s *side, st *state) (x *conn, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range 3 {
		if err := b.c.aim(ctx, b.c.b); err != nil {
			return nil, err
		}
		if b.next++; b.next > 60_000 {
			b.next = 10_000
		}
		if x, err = st.open(ctx, s, b.next); err == nil {
			return x, b.c.aim(ctx, b.c.d)
		}
		x.close()
	}
	return nil, fmt.Errorf("making a connection to %s: %w", s.to.Name, err)
}

// notices makes sure that a connection is found broken whose server ended it, if
// there is a server's socket, and found alive otherwise.
func (b *blind) notices(ctx context.Context, st *state) error {
	for _, s := range b.sides {
		x, err := b.open(ctx, s, st)
		if err != nil {
			return err
		}
		err = st.alive(x)
		x.close()
		if err != nil {
			return fmt.Errorf("a connection to %s that nobody attacks: %w", s.to.Name, err)
		}
		if st.once {
			continue
		}
		if x, err = b.open(ctx, s, st); err != nil {
			return err
		}
		if err := errors.Join(x.server.SetLinger(0), x.server.Close()); err != nil {
			return err
		}
		err = st.alive(x)
		x.close()
		if err == nil {
			return fmt.Errorf("a connection whose server on %s is gone is taken for alive", s.by.Name)
		}
	}
	return nil
}

// attack attacks both sides with the same packets.
func (b *blind) attack(ctx context.Context, st *state, k kind) (a wire.Attack, err error) {
	a = wire.Attack{State: st.name, Kind: k.name, Why: map[string]int{}}
	begun := time.Now()
	if a.Packets, a.Arrived, a.BrokenDPR, err = b.one(ctx, b.sides[0], st, k, a.Why); err != nil {
		return a, err
	}
	a.PacketsTCP, a.ArrivedTCP, a.BrokenTCP, err = b.one(ctx, b.sides[1], st, k, map[string]int{})
	a.Seconds = time.Since(begun).Seconds()
	return a, err
}

// one attacks one side. As long as connections live, more and more packets are sent
// before one is looked at; if they break, fewer.
func (b *blind) one(ctx context.Context, s *side, st *state, k kind, why map[string]int) (sent, arrived, broken int, err error) {
	mac, err := s.to.MAC(vnet.Link)
	if err != nil {
		return 0, 0, 0, err
	}
	var out *rawip.Socket
	if err := b.c.e.Do(func() (err error) { out, err = rawip.Open(vnet.Link, mac); return err }); err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	before, err := s.to.Received(vnet.Link)
	if err != nil {
		return 0, 0, 0, err
	}
	stream := uint64(crc32.ChecksumIEEE([]byte(st.name + ", " + k.name)))
	shot := &shot{Rand: rand.New(rand.NewPCG(b.plan.Seed, stream)), kind: k, planned: b.plan.Packets}
	var x *conn
	defer func() {
		if x != nil {
			x.close()
		}
	}()
	begun, size := time.Now(), 1
	if st.once && k.packets[0].flags != syn {
		size = 32
	}
	for sent < b.plan.Packets && broken < enough && (broken == 0 || time.Since(begun) < rowTime) {
		if x == nil {
			if x, err = b.open(ctx, s, st); err != nil {
				return sent, arrived, broken, err
			}
		}
		shot.from, shot.to = x.local(), x.remote()
		mtu := x.mtu()
		n, err := out.Send(min(size*len(k.packets), max(b.plan.Packets-sent, len(k.packets))), shot.packet)
		if err != nil {
			return sent, arrived, broken, err
		}
		sent += n
		time.Sleep(settle)
		err = st.alive(x)
		if now := x.mtu(); err == nil && mtu != 0 && now < mtu {
			err = errors.New("the path MTU is lower")
		}
		if err != nil {
			broken++
			why[reason(err)]++
			size = max(1, size/8)
		} else {
			size = min(2*size, max(1, b.plan.Packets/4/len(k.packets)))
		}
		if err != nil || st.once {
			x.close()
			x = nil
		}
	}
	after, err := s.to.Received(vnet.Link)
	return sent, int(after - before), broken, err
}
