// SPDX-License-Identifier: MIT

package cleanup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dpr/userland/testnetns"
)

// prober probes by dial, without waiting.
func prober(dial func(ctx context.Context, address string) (net.Conn, error)) *Prober {
	n := uint64(0)
	return &Prober{Attempts: 3, Timeout: 50 * time.Millisecond, Pause: time.Millisecond, dial: dial,
		received: func(netip.Addr) (uint64, bool) { n++; return n, true }}
}

// A host that hears nobody is not to say that others are dead.
func TestProbeCutOff(t *testing.T) {
	for name, tt := range map[string]struct {
		counts []uint64 // before and after; fewer: unknown
		err    error
		want   Verdict
	}{
		"nothing came":        {[]uint64{7, 7}, dialError(syscall.EHOSTUNREACH), Unknown},
		"something came":      {[]uint64{7, 8}, dialError(syscall.EHOSTUNREACH), Dead},
		"another device":      {[]uint64{7, 3}, dialError(syscall.EHOSTUNREACH), Dead},
		"no route":            {nil, dialError(syscall.EHOSTUNREACH), Dead},
		"no route any longer": {[]uint64{7}, dialError(syscall.EHOSTUNREACH), Dead},
		"it answers":          {[]uint64{7, 7}, dialError(syscall.ECONNREFUSED), Alive},
	} {
		p := prober(func(context.Context, string) (net.Conn, error) { return nil, tt.err })
		asked := 0
		p.received = func(h netip.Addr) (uint64, bool) {
			asked++
			if h != host || asked > len(tt.counts) {
				return 0, false
			}
			return tt.counts[asked-1], true
		}
		if got := p.Probe(t.Context(), host, []uint16{80}); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// What is received is what comes by the device that leads to the host.
func TestReceived(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a, b := testnetns.New(t), testnetns.New(t)
	a.Run(fmt.Sprintf("ip link add v0 type veth peer name v1 netns %d", b.PID()))
	a.Run("ip address add 192.0.2.1/24 dev v0")
	b.Run("ip address add 192.0.2.2/24 dev v1")
	b.Run("ip link set v1 up")
	a.Run("ip link set v0 up")
	count := func(h netip.Addr) (n uint64, ok bool) {
		a.Do(func() { n, ok = received(h) })
		return n, ok
	}
	before, ok := count(host)
	if !ok {
		t.Fatal("there is a way")
	}
	// IPv6 sends a few of its own.
	const some = 20
	a.Run(fmt.Sprintf("ping -c %d -i 0.01 -W 5 127.0.0.1", some))
	between, _ := count(host)
	if between-before >= some {
		t.Errorf("%d packets came from nowhere", between-before)
	}
	a.Run(fmt.Sprintf("ping -c %d -i 0.01 -W 5 192.0.2.2", some))
	if after, _ := count(host); after-between < some {
		t.Errorf("%d packets of %d answers", after-between, some)
	}
	a.Run("ip address add 2001:db8::1/64 dev v0 nodad")
	b.Run("ip address add 2001:db8::2/64 dev v1 nodad")
	six := netip.MustParseAddr("2001:db8::2")
	before, ok = count(six)
	a.Run(fmt.Sprintf("ping -c %d -i 0.01 -W 5 2001:db8::2", some))
	if after, _ := count(six); !ok || after-before < some {
		t.Errorf("%d packets of %d answers of IPv6", after-before, some)
	}
	for _, nowhere := range []string{"198.51.100.1", "2001:db8:1::1"} {
		if n, ok := count(netip.MustParseAddr(nowhere)); ok {
			t.Errorf("%d packets by no way to %s", n, nowhere)
		}
	}
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
	for _, local := range []string{"127.0.0.1", "::1"} {
		t.Run(local, func(t *testing.T) { realProbe(t, netip.MustParseAddr(local)) })
	}
}

func realProbe(t *testing.T, local netip.Addr) {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(local, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	if got := NewProber().Probe(t.Context(), local, []uint16{port}); got != Alive {
		t.Errorf("a listener: %v", got)
	}
	l.Close()
	if got := NewProber().Probe(t.Context(), local, []uint16{port}); got != Alive {
		t.Errorf("a refusal: %v", got)
	}
}
