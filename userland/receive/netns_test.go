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

	"dpr/userland/broadcast"
	"dpr/userland/config"
	"dpr/userland/testnetns"
)

const (
	testPort = 7743
	addressA = "10.99.0.1"
	addressB = "10.99.0.2"
)

// connect joins two namespaces by a cable.
func connect(a, b testnetns.Namespace) {
	a.Run(fmt.Sprintf("ip link add dpr0 type veth peer name dpr0 netns %d", b.PID()))
	a.Run("ip addr add " + addressA + "/24 dev dpr0")
	b.Run("ip addr add " + addressB + "/24 dev dpr0")
	a.Run("ip link set dpr0 up")
	b.Run("ip link set dpr0 up")
}

func group(name string) config.Network {
	return config.Network{Interface: "dpr0", Group: netip.MustParseAddr(name), TTL: 3}
}

// send sends a datagram from namespace n, which has address A.
func send(t testing.TB, n testnetns.Namespace, network config.Network, port uint16, text string) {
	t.Helper()
	n.Do(func() {
		s, err := broadcast.Open(network, port, netip.MustParseAddr(addressA))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Send([]byte(text)); err != nil {
			t.Fatal(err)
		}
	})
}

func read(t *testing.T, s Source, wait time.Duration) string {
	t.Helper()
	deadline := time.Now().Add(wait)
	for {
		batch, err := s.Read(deadline)
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
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a, b := testnetns.New(t), testnetns.New(t)
	connect(a, b)
	ours, theirs := group("239.77.43.1"), group("239.77.43.2")

	var sources [2]Source
	var other *ipv4.PacketConn
	for i, n := range []testnetns.Namespace{a, b} {
		n.Do(func() {
			s, err := Open(config.Report{Port: testPort, Networks: []config.Network{ours}})
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

	exchange(t, sources[1], addressA+" multicast", func() {
		send(t, a, theirs, testPort, "of another cluster")
		send(t, a, ours, testPort, "multicast")
	})
	send(t, a, theirs, testPort+1, "of another port")
	checkTTL(t, other, 3)
	if got := read(t, sources[0], 100*time.Millisecond); got != "nothing" {
		t.Errorf("the sender hears itself: %q", got)
	}
	unicast := config.Network{Unicast: netip.MustParseAddrPort(addressB + ":7743")}
	exchange(t, sources[1], addressA+" unicast", func() { send(t, a, unicast, testPort, "unicast") })

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
	exchange(t, sources[1], addressA+" again", func() { send(t, a, ours, testPort, "again") })
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

// join is another process of the host, on another port, that joins another
// group: the kernel then delivers that group to all sockets of its port.
func join(t *testing.T, group netip.Addr) *ipv4.PacketConn {
	t.Helper()
	ifi, err := net.InterfaceByName("dpr0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: group.AsSlice(), Port: testPort + 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := ipv4.NewPacketConn(conn)
	if err := p.JoinGroup(ifi, &net.UDPAddr{IP: group.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	if err := p.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		t.Fatal(err)
	}
	return p
}

func checkTTL(t *testing.T, p *ipv4.PacketConn, want int) {
	t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, cm, _, err := p.ReadFrom(make([]byte, 100))
	if err != nil || cm == nil || cm.TTL != want {
		t.Errorf("control message %v, %v", cm, err)
	}
}
