// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
	"dpr/userland/testnetns"
)

const (
	hosts    = 1000
	interval = time.Second // their period
	// spread is the part of a period in which they send, one after the other.
	spread = interval * 8 / 10

	asSenders = "DPR_TEST_AS_SENDERS" // the number of periods to send for
)

func TestMain(m *testing.M) {
	if periods := os.Getenv(asSenders); periods != "" {
		if err := sendReports(periods); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// simulated is the address of the i-th host: on the loopback interface a
// network's addresses are all this machine's.
func simulated(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 98, byte(i >> 8), byte(i)}) }

// sendReports is the 1,000 hosts: each sends one report a period, whose
// metrics say which period it is.
func sendReports(periods string) error {
	var n int
	if _, err := fmt.Sscan(periods, &n); err != nil {
		return err
	}
	conns := make([]net.PacketConn, hosts)
	for i := range conns {
		c, err := net.ListenPacket("udp4", netip.AddrPortFrom(simulated(i+1), 0).String())
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(simulated(0), testPort))
	begin := time.Now()
	for p := range n {
		for i, c := range conns {
			// 50 at a time, as timers are not finer than that on a busy machine.
			if i%50 == 0 {
				time.Sleep(time.Until(begin.Add(time.Duration(p)*interval + time.Duration(i)*spread/hosts)))
			}
			r := report.Report{Host: simulated(i + 1), Boot: report.BootID{byte(i), byte(i >> 8), 1}, Sequence: uint64(p + 1),
				Time: time.Now(), Period: interval, Weight: 1, Metrics: dprnl.Metrics{Connections: uint32(p + 1), Sockets: uint32(i)}}
			b, err := r.Append(nil, key)
			if err != nil {
				return err
			}
			if _, err := c.WriteTo(b, to); err != nil {
				return err
			}
		}
		time.Sleep(time.Until(begin.Add(time.Duration(p)*interval + spread)))
		fmt.Println("sent", p+1)
		time.Sleep(time.Until(begin.Add(time.Duration(p+1) * interval)))
	}
	return nil
}

// A sink stands in for the module, which cannot be loaded where tests run at
// native speed. It sends what the client would, as messages of no operation,
// and waits for the acknowledgement, so that encoding and the round trip to
// the kernel are real; what dpr.ko itself does is not in it. It keeps the load table.
type sink struct {
	conn  *netlink.Conn
	mu    sync.Mutex
	table map[netip.Addr]dprnl.Metrics
}

func newSink() (*sink, error) {
	conn, err := netlink.Dial(genetlink.Protocol, nil)
	if err != nil {
		return nil, err
	}
	return &sink{conn: conn, table: make(map[netip.Addr]dprnl.Metrics)}, nil
}

func (s *sink) SetPeers(_ context.Context, list []dprnl.PeerUpdate) []error {
	messages := make([]netlink.Message, len(list))
	for i, u := range list {
		data, err := encode(u)
		if err != nil {
			return []error{err}
		}
		messages[i] = netlink.Message{Header: netlink.Header{Type: netlink.Noop, Flags: netlink.Request}, Data: data}
	}
	messages[len(list)-1].Header.Flags |= netlink.Acknowledge
	if _, err := s.conn.SendMessages(messages); err != nil {
		return []error{err}
	}
	if _, err := s.conn.Receive(); err != nil {
		return []error{err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range list {
		s.table[u.Address] = *u.Metrics
	}
	return nil
}

func encode(u dprnl.PeerUpdate) ([]byte, error) {
	e := netlink.NewAttributeEncoder()
	address := u.Address.As4()
	e.Bytes(1, address[:])
	for i, v := range []uint32{u.Metrics.Connections, u.Metrics.CPU, u.Metrics.Redirected, u.Metrics.Sockets, uint32(*u.State), *u.Weight} {
		e.Uint32(uint16(2+i), v)
	}
	data, err := e.Encode()
	if err != nil {
		return nil, err
	}
	return (&genetlink.Message{Header: genetlink.Header{Command: 6, Version: dprnl.GenlVersion}, Data: data}).MarshalBinary()
}

// right counts the hosts whose row is that of a period.
func (s *sink) right(period int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i := range hosts {
		if s.table[simulated(i+1)] == (dprnl.Metrics{Connections: uint32(period), Sockets: uint32(i)}) {
			n++
		}
	}
	return n
}

func (s *sink) Config(context.Context) (dprnl.Config, error) {
	return dprnl.Config{Address: simulated(0)}, nil
}
func (s *sink) SetPeer(context.Context, dprnl.PeerUpdate) error { return errors.New("no host left") }
func (s *sink) DeletePeer(context.Context, netip.Addr, bool) error {
	return errors.New("no host left")
}
func (s *sink) SetConfig(context.Context, dprnl.ConfigUpdate) error { return nil }
func (s *sink) Services(context.Context) ([]dprnl.Service, error)   { return nil, nil }
func (s *sink) AddService(context.Context, dprnl.Service) error     { return nil }
func (s *sink) SetService(context.Context, dprnl.Service) error     { return nil }
func (s *sink) DeleteService(context.Context, dprnl.Service) error  { return nil }
func (s *sink) Ruleset(context.Context, dprnl.Service) (dprnl.Ruleset, error) {
	return dprnl.Ruleset{}, nil
}
func (s *sink) Backends(context.Context) ([]dprnl.BackendStatus, error) { return nil, nil }

func (s *sink) SetBackend(context.Context, dprnl.Backend) error { return nil }

func (s *sink) DeleteBackend(context.Context, string) error { return nil }

func (s *sink) SetRuleset(context.Context, dprnl.Service, dprnl.Ruleset) error { return nil }
func (s *sink) Protocol() uint32                                               { return 2 }
func (s *sink) Close() error                                                   { return s.conn.Close() }

// cpu is the time this process, without its children, has used.
func cpu(b testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThousandHosts receives the reports of 1,000 hosts, each one a
// second, through a real socket: HMAC, replay check and memory file included.
// An iteration is a period; after each the load table must be right in all rows.
// It fails if that takes more than 5 % of a core.
func BenchmarkThousandHosts(b *testing.B) {
	const periods = 10
	r, table, n := thousand(b)
	ctx, cancel := context.WithCancel(b.Context())
	ready, done := make(chan bool, 1), make(chan error, 1)
	go func() { done <- r.Run(ctx, func() { ready <- true }, func() {}) }()
	<-ready

	senders := n.Command(os.Args[0])
	senders.Env = append(os.Environ(), asSenders+"="+fmt.Sprint(periods))
	senders.Stderr = os.Stderr
	out, err := senders.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := senders.Start(); err != nil {
		b.Fatal(err)
	}
	used, began := cpu(b), time.Now()
	worst := hosts
	for p := range periods {
		var period int
		if _, err := fmt.Fscanf(out, "sent %d\n", &period); err != nil || period != p+1 {
			b.Fatalf("the senders said %d, %v", period, err)
		}
		right := table.right(period)
		// What is in the socket still is dealt with before the next period.
		for end := time.Now().Add(interval * 15 / 100); right < hosts && time.Now().Before(end); right = table.right(period) {
			time.Sleep(interval / 100)
		}
		b.Logf("period %2d: %d of %d rows of the load table are right", period, right, hosts)
		worst = min(worst, right)
	}
	share := 100 * float64(cpu(b)-used) / float64(time.Since(began))
	if err := senders.Wait(); err != nil {
		b.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(share, "%-of-a-core")
	b.ReportMetric(float64(worst), "right-rows")
	b.ReportMetric(0, "ns/op")
	if worst != hosts || share > 5 {
		b.Errorf("%.2f %% of a core, at worst %d of %d rows right; counts %v", share, worst, hosts, r.counts.attrs())
	}
}

// thousand makes a receiver in a namespace where all the hosts are.
func thousand(b *testing.B) (*Receiver, *sink, testnetns.Namespace) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(b)
	n.Run("ip addr add " + simulated(0).String() + "/16 dev lo")
	networks := config.Report{Port: testPort, Keys: []*report.Key{key}, Period: interval, ClockWindow: 10 * time.Second,
		Networks: []config.Network{{Unicast: netip.AddrPortFrom(simulated(1), testPort)}}}
	var source Source
	var err error
	n.Do(func() { source, err = Open(networks) })
	if err != nil {
		b.Fatal(err)
	}
	table, err := newSink()
	if err != nil {
		b.Fatal(err)
	}
	memory, err := report.OpenMemory(filepath.Join(b.TempDir(), "reports"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { memory.Close() })
	c := config.Defaults()
	c.Report = networks
	r, err := New(Options{
		Config: &c,
		Dial:   func() (Kernel, error) { return table, nil },
		Open:   func(config.Report) (Source, error) { return source, nil },
		Memory: memory,
		Now:    time.Now,
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	return r, table, n
}
