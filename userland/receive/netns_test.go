// SPDX-License-Identifier: MIT

package receive

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"dpr/userland/broadcast"
	"dpr/userland/config"
	"dpr/userland/testnetns"
)

const (
	testPort = 7743
	addressA = "10.99.0.1"
	addressB = "10.99.0.2"
	address6 = "2001:db8:99::1" // of A
	addressC = "2001:db8:99::2" // of B
)

// connect joins two namespaces by a cable.
func connect(a, b testnetns.Namespace) {
	a.Run(fmt.Sprintf("ip link add dpr0 type veth peer name dpr0 netns %d", b.PID()))
	a.Run("ip addr add " + addressA + "/24 dev dpr0")
	b.Run("ip addr add " + addressB + "/24 dev dpr0")
	a.Run("ip addr add " + address6 + "/64 dev dpr0 nodad")
	b.Run("ip addr add " + addressC + "/64 dev dpr0 nodad")
	a.Run("ip link set dpr0 up")
	b.Run("ip link set dpr0 up")
}

func group(name string) config.Network {
	return config.Network{Interface: "dpr0", Group: netip.MustParseAddr(name), TTL: 3}
}

// send sends a datagram from namespace n, which has the addresses of A.
func send(t testing.TB, n testnetns.Namespace, network config.Network, port uint16, text string) {
	t.Helper()
	from := addressA
	if network.Group.Is6() || network.Unicast.Addr().Is6() {
		from = address6
	}
	n.Do(func() {
		s, err := broadcast.Open(network, port, netip.MustParseAddr(from))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		err = s.Send([]byte(text))
		// The kernel routes multicasts of IPv6 once it has noticed that the cable is in.
		for end := time.Now().Add(10 * time.Second); errors.Is(err, unix.ENETUNREACH) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
			err = s.Send([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

func read(t *testing.T, s Source, wait time.Duration) string {
	t.Helper()
	deadline := time.Now().Add(wait)
	for {
		batch, _, err := s.Read(deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "nothing"
		}
		if err != nil {
			t.Fatal(err)
		}
		// Those that come together are copies.
		for _, d := range batch {
			if string(d.Data) != string(batch[0].Data) {
				t.Errorf("%q came with %q", d.Data, batch[0].Data)
			}
		}
		if len(batch) > 0 {
			return batch[0].Sender.String() + " " + string(batch[0].Data)
		}
	}
}

func TestSockets(t *testing.T) {
	for name, tt := range map[string]struct{ ours, theirs, from, to string }{
		"IPv4":         {"239.77.43.1", "239.77.43.2", addressA, addressB},
		"IPv6":         {"ff12::7743", "ff12::7744", address6, addressC},
		"IPv6 of site": {"ff05::7743", "ff15::7743", address6, addressC},
	} {
		t.Run(name, func(t *testing.T) { sockets(t, group(tt.ours), group(tt.theirs), tt.from, netip.MustParseAddr(tt.to)) })
	}
}

// sockets sends from the first namespace's address to the other's, and to groups.
func sockets(t *testing.T, ours, theirs config.Network, from string, to netip.Addr) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a, b := testnetns.New(t), testnetns.New(t)
	connect(a, b)

	var sources [2]Source
	var other func() (int, error)
	for i, n := range []testnetns.Namespace{a, b} {
		n.Do(func() {
			s, err := Open(config.Report{Port: testPort, Networks: []config.Network{ours}, IPv6: to.Is6()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if err := s.Maintain(); err != nil {
				t.Fatal(err)
			}
			sources[i] = s
		})
	}
	b.Do(func() { other = join(t, theirs.Group) })

	exchange(t, sources[1], from+" multicast", func() {
		send(t, a, theirs, testPort, "of another cluster")
		send(t, a, ours, testPort, "multicast")
	})
	send(t, a, theirs, testPort+1, "of another port")
	if ttl, err := other(); err != nil || ttl != 3 {
		t.Errorf("TTL %d, %v", ttl, err)
	}
	if got := read(t, sources[0], 100*time.Millisecond); got != "nothing" {
		t.Errorf("the sender hears itself: %q", got)
	}
	// Every host is in this group. What would fill the buffer is not read at all.
	all := config.Network{Interface: "dpr0", Group: netip.MustParseAddr("224.0.0.1"), TTL: 1}
	if to.Is6() {
		all.Group = netip.MustParseAddr("ff02::1")
	}
	send(t, a, all, testPort, "to all hosts")
	send(t, a, theirs, testPort, "of another cluster")
	time.Sleep(50 * time.Millisecond)
	unread(t, sources[1])
	// A batch of which nothing is wanted is full, too.
	joined := sources[1].(*socket).groups[0]
	joined.index += 1000
	for range MaxBatch {
		send(t, a, ours, testPort, "by another interface")
	}
	for _, want := range []error{nil, os.ErrDeadlineExceeded} {
		batch, full, err := sources[1].Read(time.Now().Add(100 * time.Millisecond))
		if len(batch) != 0 || full != (want == nil) || !errors.Is(err, want) {
			t.Errorf("%v, full: %t, %v", batch, full, err)
		}
	}
	joined.index -= 1000
	unicast := config.Network{Unicast: netip.AddrPortFrom(to, testPort)}
	exchange(t, sources[1], from+" unicast", func() { send(t, a, unicast, testPort, "unicast") })

	// Another interface takes the name.
	a.Run("ip link del dpr0")
	b.Do(func() {
		if err := sources[1].Maintain(); err == nil {
			t.Error("an interface that is not there was joined")
		}
	})
	connect(a, b)
	b.Do(func() {
		if err := sources[1].Maintain(); err != nil {
			t.Error(err)
		}
	})
	exchange(t, sources[1], from+" again", func() { send(t, a, ours, testPort, "again") })
}

// A receiver hears an interface that was renamed, that has its name again, and that
// was down; of two that exchange their names, the one that has the name now.
func TestInterfaceRenamed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a, b := testnetns.New(t), testnetns.New(t)
	connect(a, b)
	ours := group("239.77.43.1")
	var source Source
	var err error
	b.Do(func() { source, err = Open(config.Report{Port: testPort, Networks: []config.Network{ours}}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	maintain := func() (err error) {
		b.Do(func() { err = source.Maintain() })
		return err
	}
	heard := func(what string) {
		t.Helper()
		exchange(t, source, addressA+" "+what, func() { send(t, a, ours, testPort, what) })
	}
	if err := maintain(); err != nil {
		t.Fatal(err)
	}
	heard("first")
	b.Run("ip link set dpr0 down")
	if err := maintain(); err != nil {
		t.Error(err)
	}
	b.Run("ip link set dpr0 up")
	heard("down and up")
	b.Run("ip link set dpr0 name old0")
	if err := maintain(); err == nil {
		t.Error("nothing is said of an interface that is not there")
	}
	heard("renamed")
	b.Run("ip link set old0 name dpr0")
	if err := maintain(); err != nil {
		t.Error(err)
	}
	heard("named again")
	b.Run("ip link set dpr0 name old0")
	b.Run("ip link add dpr0 type veth peer name new0")
	b.Run("ip link set dpr0 up")
	if err := maintain(); err != nil {
		t.Error(err)
	}
	send(t, a, ours, testPort, "by another interface")
	if got := read(t, source, 200*time.Millisecond); got != "nothing" {
		t.Errorf("heard %q by an interface that has another name now", got)
	}
}

// exchange sends until something arrives, as a link that was just set up
// loses datagrams, and then reads the copies.
func exchange(t *testing.T, s Source, want string, send func()) {
	t.Helper()
	got := "nothing"
	for range 100 {
		send()
		if got = read(t, s, 50*time.Millisecond); got != "nothing" {
			break
		}
	}
	for again := got; again != "nothing"; again = read(t, s, 100*time.Millisecond) {
		if again != want {
			t.Errorf("got %q, want %q", again, want)
		}
	}
	if got == "nothing" {
		t.Errorf("%q never arrived", want)
	}
}

// unread fails if the kernel has something for the socket.
func unread(t *testing.T, s Source) {
	t.Helper()
	raw, err := s.(*socket).conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	if err := raw.Control(func(fd uintptr) {
		if n, _, err := unix.Recvfrom(int(fd), buffer, unix.MSG_DONTWAIT|unix.MSG_PEEK); err == nil {
			t.Errorf("%q waits to be read", buffer[:n])
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// join is another process of the host, on another port, that joins another
// group: the kernel then delivers that group to all sockets of its port. It returns a
// function that waits for a datagram and returns its TTL or hop limit.
func join(t *testing.T, group netip.Addr) func() (int, error) {
	t.Helper()
	ifi, err := net.InterfaceByName("dpr0")
	if err != nil {
		t.Fatal(err)
	}
	at := &net.UDPAddr{IP: group.AsSlice(), Port: testPort + 1, Zone: "dpr0"}
	if group.Is4() {
		at.Zone = ""
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	to, buffer := &net.UDPAddr{IP: group.AsSlice()}, make([]byte, 100)
	var errs []error
	var wait func() (int, error)
	if group.Is4() {
		p := ipv4.NewPacketConn(conn)
		errs = append(errs, p.JoinGroup(ifi, to), p.SetControlMessage(ipv4.FlagTTL, true))
		wait = func() (int, error) {
			_, cm, _, err := p.ReadFrom(buffer)
			if err != nil {
				return 0, err
			}
			return cm.TTL, nil
		}
	} else {
		p := ipv6.NewPacketConn(conn)
		errs = append(errs, p.JoinGroup(ifi, to), p.SetControlMessage(ipv6.FlagHopLimit, true))
		wait = func() (int, error) {
			_, cm, _, err := p.ReadFrom(buffer)
			if err != nil {
				return 0, err
			}
			return cm.HopLimit, nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return func() (int, error) {
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return 0, err
		}
		return wait()
	}
}
