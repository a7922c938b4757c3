// SPDX-License-Identifier: MIT

package cleanup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// prober probes by dial, without waiting.
func prober(dial func(ctx context.Context, address string) (net.Conn, error)) *Prober {
	return &Prober{Attempts: 3, Timeout: 50 * time.Millisecond, Pause: time.Millisecond, dial: dial}
}

func dialError(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Verdict
	}{
		{nil, Alive},
		{dialError(syscall.ECONNREFUSED), Alive},
		{dialError(syscall.ECONNRESET), Alive},
		{dialError(syscall.ETIMEDOUT), Dead},
		{dialError(syscall.EHOSTUNREACH), Dead},
		{context.DeadlineExceeded, Dead},
		{os.ErrDeadlineExceeded, Dead},
		{context.Canceled, Unknown},
		{dialError(syscall.ENETUNREACH), Unknown},
		{dialError(syscall.ENETDOWN), Unknown},
		{dialError(syscall.EADDRNOTAVAIL), Unknown},
		{dialError(syscall.EMFILE), Unknown},
		{dialError(syscall.EPERM), Unknown},
		{errors.New("anything"), Unknown},
	} {
		if got := verdict(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestProbe(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []error // of the attempts, the last for all that follow
		want    Verdict
		dials   int32
	}{
		"at once":            {[]error{dialError(syscall.ECONNREFUSED)}, Alive, 1},
		"the third time":     {[]error{dialError(syscall.ETIMEDOUT), dialError(syscall.EHOSTUNREACH), dialError(syscall.ECONNREFUSED)}, Alive, 3},
		"never":              {[]error{dialError(syscall.ETIMEDOUT)}, Dead, 3},
		"network down":       {[]error{dialError(syscall.ENETUNREACH)}, Unknown, 1},
		"network goes down":  {[]error{dialError(syscall.ETIMEDOUT), dialError(syscall.ENETDOWN)}, Unknown, 2},
		"too many files, up": {[]error{dialError(syscall.EMFILE)}, Unknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var dials atomic.Int32
			p := prober(func(context.Context, string) (net.Conn, error) {
				n := int(dials.Add(1))
				return nil, tt.answers[min(n, len(tt.answers))-1]
			})
			if got := p.Probe(t.Context(), host, []uint16{80}); got != tt.want || dials.Load() != tt.dials {
				t.Errorf("%v after %d attempts, want %v after %d", got, dials.Load(), tt.want, tt.dials)
			}
		})
	}
}

// One port that answers is enough, and a silent one does not hold it up.
func TestProbePorts(t *testing.T) {
	p := prober(func(ctx context.Context, address string) (net.Conn, error) {
		if address == "192.0.2.2:443" {
			return nil, dialError(syscall.ECONNREFUSED)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	p.Timeout = time.Minute
	if got := p.Probe(t.Context(), host, []uint16{80, 443}); got != Alive {
		t.Errorf("%v", got)
	}
}

func TestProbeIsTimed(t *testing.T) {
	p := prober(func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if got := p.Probe(t.Context(), host, []uint16{80}); got != Dead {
		t.Errorf("silence: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := p.Probe(ctx, host, []uint16{80}); got != Unknown {
		t.Errorf("ended: %v", got)
	}
}

func TestRealProbe(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	local := netip.MustParseAddr("127.0.0.1")
	if got := NewProber().Probe(t.Context(), local, []uint16{port}); got != Alive {
		t.Errorf("a listener: %v", got)
	}
	l.Close()
	if got := NewProber().Probe(t.Context(), local, []uint16{port}); got != Alive {
		t.Errorf("a refusal: %v", got)
	}
}
