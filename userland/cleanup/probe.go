// SPDX-License-Identifier: MIT

package cleanup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A Verdict is what a probe says about a host.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // this host could not send the probe, or heard nobody at all
	Alive                  // something answered, even if it refused
	Dead                   // nothing answered, and this host is not cut off itself
)

// A Prober connects to the services of a silent host, as a client would.
// Any answer, an accepted connection or a refused one, shows that the host is
// alive. Redirection does not distort the result: this host does not redirect
// what it sends itself, and if the silent host redirects the probe to another
// one, it must be alive to do so.
type Prober struct {
	Attempts int           // rounds over all ports
	Timeout  time.Duration // of one attempt to connect
	Pause    time.Duration // between rounds
	dial     func(ctx context.Context, address string) (net.Conn, error)
	// received counts the packets that came in by the way to a host; !ok if that cannot
	// be found out.
	received func(host netip.Addr) (n uint64, ok bool)
}

// NewProber returns a prober that takes five to ten seconds for a dead host with
// few services.
func NewProber() *Prober {
	var d net.Dialer
	return &Prober{Attempts: 3, Timeout: 2 * time.Second, Pause: 1500 * time.Millisecond,
		dial: func(ctx context.Context, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}, received: received}
}

// Probe finds out whether a host answers on any of the ports. The host is Dead
// only if no attempt got an answer. If meanwhile nothing at all came in by the way to
// it, this host may be the one that is cut off (a cable, a switch that boots), which
// TCP connections survive.
func (p *Prober) Probe(ctx context.Context, host netip.Addr, ports []uint16) Verdict {
	before, known := p.received(host)
	verdict := p.ask(ctx, host, ports)
	if verdict != Dead || !known {
		return verdict
	}
	if after, ok := p.received(host); ok && after == before {
		return Unknown
	}
	return Dead
}

// ask makes all attempts.
func (p *Prober) ask(ctx context.Context, host netip.Addr, ports []uint16) Verdict {
	verdict := Unknown
	for i := range p.Attempts {
		if i > 0 && !sleep(ctx, p.Pause) {
			return Unknown
		}
		switch p.round(ctx, host, ports) {
		case Alive:
			return Alive
		case Unknown:
			return Unknown
		case Dead:
			verdict = Dead
		}
	}
	return verdict
}

// round tries all ports at once.
func (p *Prober) round(ctx context.Context, host netip.Addr, ports []uint16) Verdict {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	found := make(chan Verdict, len(ports))
	for _, port := range ports {
		go func() {
			conn, err := p.dial(ctx, netip.AddrPortFrom(host, port).String())
			if err == nil {
				conn.Close()
			}
			found <- verdict(err)
		}()
	}
	worst := Dead
	for range ports {
		switch <-found {
		case Alive:
			return Alive
		case Unknown:
			worst = Unknown
		}
	}
	return worst
}

// verdict judges the error of a connection attempt. Only errors that show that
// the host does not answer count against it: a timeout, no ARP reply, or a router
// that cannot reach it. A network that is down on this host does not.
func verdict(err error) Verdict {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil, errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return Alive
	case errors.Is(err, context.Canceled):
		return Unknown
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		return Dead
	case errors.As(err, &timeout) && timeout.Timeout():
		return Dead
	}
	return Unknown
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
