// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	pathwire "dpr/testbed/check/datapath/wire"
	"dpr/testbed/check/enemy/wire"
	"dpr/testbed/lab/guest/singlevm"
)

// servicePort is one that a program without rights can serve.
const servicePort = 8080

// foreign is an address that no host has.
var foreign = netip.MustParseAddr("203.0.113.7")

// local has a program without rights accept redirected connections on B, and try
// what it may not, while dpr is there and after it was removed.
func (e *enemy) local(ctx context.Context) (err error) {
	l := &local{enemy: e, next: firstClient}
	if l.cluster, err = newCluster(servicePort); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	// B answers for no address but its own, and any route will do.
	if err := l.b.Route(netip.MustParsePrefix("0.0.0.0/0"), addressC); err != nil {
		return err
	}
	if l.seen, err = pathwire.Open(l.net.Switch.Host, l.b.Name); err != nil {
		return err
	}
	defer l.seen.Close()
	if err := l.right(ctx, "before dpr"); err != nil {
		return err
	}
	for _, when := range []string{"with dpr", "after rmmod"} {
		for i := range attempts {
			if err := l.attempt(ctx, &attempts[i], when); err != nil {
				return fmt.Errorf("%s, %s: %w", attempts[i].name, when, err)
			}
		}
	}
	if err := l.steal(ctx); err != nil {
		return fmt.Errorf("stealing: %w", err)
	}
	return l.right(ctx, "after rmmod")
}

// local is the part's cluster, and what B sends.
type local struct {
	*enemy
	*cluster
	next uint16 // port of the client
	seen *pathwire.Endpoint
}

// load inserts dpr and has A redirect to B.
func (l *local) load(ctx context.Context) error {
	if err := singlevm.Insert("dpr", ""); err != nil {
		return err
	}
	return l.configure(ctx)
}

func (l *local) unload() error { return errors.Join(l.forget(), singlevm.Remove("dpr")) }

// attempt has the program accept a redirected connection and try one thing.
func (l *local) attempt(ctx context.Context, a *attempt, when string) (err error) {
	if err := l.say("%s, %s", a.name, when); err != nil {
		return err
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	loaded := true
	defer func() {
		if loaded {
			err = errors.Join(err, l.unload())
		}
	}()
	p, err := start(ctx, l.b.Host, a.name)
	if err != nil {
		return err
	}
	defer p.kill()
	if _, err := p.say("listening"); err != nil {
		return err
	}
	l.next++
	client, err := (&side{l.cluster, l.a, l.b}).dial(ctx, l.next, false)
	if err != nil {
		return err
	}
	defer client.close()
	if err := <-client.dialled; err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	accepted, err := p.say("accepted")
	if err != nil {
		return err
	}
	if when == "after rmmod" {
		if err := l.unload(); err != nil {
			return err
		}
		loaded = false
	}
	l.seen.Take(func(*pathwire.Packet) bool { return true })
	done, err := p.ask("try", "tried")
	if err != nil {
		return err
	}
	r := wire.Attempt{Attempt: a.name + ", " + when, Allowed: done.Gained, Detail: accepted.Detail + done.Detail}
	if p := l.spoofed(); p != nil {
		r.Allowed = true
		r.Detail += fmt.Sprintf("; on the wire: %v", p)
	}
	return l.record().Write(wire.Record{Local: &r})
}

// record is where results go: the cluster has a port, too.
func (l *local) record() *singlevm.Port { return l.enemy.port }

// firstClient is the port before that of the first connection.
const firstClient = 20_000

// spoofed is a packet that left B from an address that is not its own, and that no
// redirected connection explains, nil if there is none. Of connections before this
// one, ends may still come.
func (l *local) spoofed() *pathwire.Packet {
	time.Sleep(50 * time.Millisecond)
	for _, p := range l.seen.Take(func(*pathwire.Packet) bool { return true }) {
		src := p.Src()
		if p.TCP == nil || src != addressA && src != foreign {
			continue
		}
		to := uint16(p.TCP.DstPort)
		redirected := src == addressA && uint16(p.TCP.SrcPort) == servicePort && to > firstClient && to <= l.next
		if !redirected {
			return p
		}
	}
	return nil
}

// right makes sure that a program that may use other addresses still does.
func (l *local) right(ctx context.Context, when string) error {
	p, err := start(ctx, l.b.Host, attemptRight)
	if err != nil {
		return err
	}
	defer p.kill()
	l.seen.Take(func(*pathwire.Packet) bool { return true })
	done, err := p.ask("try", "tried")
	if err != nil {
		return err
	}
	r := wire.Attempt{Attempt: attemptRight + ", " + when, Control: true, Detail: done.Detail}
	if p := l.spoofed(); p != nil && p.Src() == foreign {
		r.Works = true
	}
	return l.record().Write(wire.Record{Local: &r})
}

// steal has the program listen on A's address on B, where another one serves on
// B's own, and sees who is asked.
func (l *local) steal(ctx context.Context) (err error) {
	if err := l.load(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.unload()) }()
	if err := l.right(ctx, "with dpr"); err != nil {
		return err
	}
	honest, err := start(ctx, l.b.Host, attemptHonest)
	if err != nil {
		return err
	}
	defer honest.kill()
	if _, err := honest.say("listening"); err != nil {
		return err
	}
	thief, err := start(ctx, l.b.Host, attemptThief)
	if err != nil {
		return err
	}
	defer thief.kill()
	listening, err := thief.say("listening")
	if err != nil {
		return err
	}
	l.next++
	client, err := (&side{l.cluster, l.a, l.b}).dial(ctx, l.next, false)
	if err != nil {
		return err
	}
	defer client.close()
	if err := <-client.dialled; err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	by, err := first(ctx, map[string]*program{attemptHonest: honest, attemptThief: thief})
	if err != nil {
		return err
	}
	r := wire.Attempt{Attempt: attemptThief, Allowed: by != attemptHonest, Detail: listening.Detail + "; served by: " + by}
	return l.record().Write(wire.Record{Local: &r})
}
