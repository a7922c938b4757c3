// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// With SYN cookies on the serving host the handshake leaves no trace there
// until its last packet; the connection is redirected all the same.
//
//	C ── switch ── A
//	        └───── B (tcp_syncookies=2)
func TestSynCookies(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		check(t, c.b.Sysctl("net/ipv4/tcp_syncookies", "2"))
		seen := observe(t, c.c)
		sent, got := snmp(t, c.b.Host, "TcpExtSyncookiesSent"), snmp(t, c.b.Host, "TcpExtSyncookiesRecv")
		unchanged(t, c.b.Host, "TcpExtSyncookiesFailed")
		b := c.b.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		check(t, k.upload(1<<20))
		check(t, k.download(1<<20))
		if p := await(t, seen, synAck); p.MSS() != w.loweredMSS() {
			t.Errorf("MSS %d, want %d", p.MSS(), w.loweredMSS())
		}
		if now := snmp(t, c.b.Host, "TcpExtSyncookiesSent"); now != sent+1 {
			t.Errorf("B sent %d cookies", now-sent)
		}
		if now := snmp(t, c.b.Host, "TcpExtSyncookiesRecv"); now != got+1 {
			t.Errorf("B received %d cookies", now-got)
		}
		b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1,
			dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe})
	})
}

// A client with a cookie of TCP Fast Open sends data in its SYN.
//
//	C ── switch ── A
//	        └───── B (tcp_fastopen)
func TestFastOpen(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := bareCluster(t, w)
		c.redirect(t, c.b)
		check(t, c.c.Sysctl("net/ipv4/tcp_fastopen", "1"))
		check(t, c.b.Sysctl("net/ipv4/tcp_fastopen", "2"))
		c.b.web = c.b.serveFor(t, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 16)
		})
		for _, fast := range []int{0, 1} { // the first connection asks for the cookie
			passive, active := snmp(t, c.b.Host, "TcpExtTCPFastOpenPassive"), snmp(t, c.c, "TcpExtTCPFastOpenActive")
			b := c.b.meter(t)
			k, err := dialWith(c.c, c.a.service(), func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
			})
			check(t, err)
			k.wantServed(t, "B")
			check(t, k.upload(100_000))
			check(t, k.Close())
			if got := snmp(t, c.b.Host, "TcpExtTCPFastOpenPassive") - passive; got != fast {
				t.Errorf("B opened %d connections fast, want %d", got, fast)
			}
			if got := snmp(t, c.c, "TcpExtTCPFastOpenActive") - active; got != fast {
				t.Errorf("C opened %d connections fast, want %d", got, fast)
			}
			wantEnded(t, c.a, 0)
			b.want(t, counts{dprnl.StatRxPackets: some, dprnl.StatRxBytes: some, dprnl.StatRxSyn: 1,
				dprnl.StatMssLowered: 1, dprnl.StatRxListenerDeferred: maybe,
				dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some, dprnl.StatTxOwnerMessages: 1})
		}
	})
}

// The MSS in SYN-ACKs of redirected connections is lower by the outer header,
// wherever the option stands; that of others is as it was.
//
//	R ── switch ── A
//	        └───── B
func TestMssClamp(t *testing.T) {
	onlyTunnels(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		t.Run("redirected", func(t *testing.T) {
			k := r.talk(c.a, 4000)
			k.say(t, "S", "")
			if p := k.hear(t, "SA"); p.MSS() != w.loweredMSS() {
				t.Errorf("MSS %d, want %d", p.MSS(), w.loweredMSS())
			}
			k.say(t, "R", "") // no SYN-ACK is sent again, and counted later
		})
		t.Run("direct", func(t *testing.T) {
			b := c.b.meter(t)
			k := r.talk(c.b, 4000)
			k.say(t, "S", "")
			if p := k.hear(t, "SA"); p.MSS() != w.mss() {
				t.Errorf("MSS %d, want %d", p.MSS(), w.mss())
			}
			b.want(t, counts{dprnl.StatServedOff: 1})
			k.say(t, "R", "")
		})
		mss := func(n uint16) layers.TCPOption {
			return layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(n >> 8), byte(n)}}
		}
		nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop, OptionLength: 1}
		unknown := layers.TCPOption{OptionType: 254, OptionLength: 4, OptionData: []byte{1, 0xc6}}
		short := layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 3, OptionData: []byte{5}}
		send := rawSender(t, c.b)
		over := uint16(w.overhead())
		header := w.headerLen() + 20
		for _, tt := range []struct {
			name    string
			options []layers.TCPOption
			want    uint16
			lowered uint64
		}{
			{"even", []layers.TCPOption{mss(1460)}, 1460 - over, 1},
			{"odd", []layers.TCPOption{nop, mss(1460), nop}, 1460 - over, 1},
			{"carry", []layers.TCPOption{nop, mss(0x0510), nop}, 0x0510 - over, 1},
			{"last", []layers.TCPOption{nop, nop, nop, nop, mss(9000)}, 9000 - over, 1},
			{"smallest lowered", []layers.TCPOption{mss(leastMSS + over)}, leastMSS, 1},
			{"too small", []layers.TCPOption{mss(leastMSS + over - 1)}, leastMSS + over - 1, 0},
			{"none", nil, 0, 0},
			{"behind another", []layers.TCPOption{unknown, mss(1460)}, 1460 - over, 1},
			{"cut", []layers.TCPOption{unknown, mss(1460)}, 0, 0},
			{"short", []layers.TCPOption{short}, 0, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				b := c.b.meter(t)
				s := wire.Segment{Src: c.a.service(), Dst: w.addrPort(addrR, 4001), Flags: "SA", Options: tt.options}
				packet := s.Bytes()
				if tt.name == "cut" {
					// The unknown option's length is beyond the header; the checksum stays.
					packet[header+1], packet[header+3] = 4+0xc4, 0xc6-0xc4
				}
				send(t, packet, w.addr(addrR))
				p := r.get(t, func(p *wire.Packet) bool { return p.Has("SA") && p.TCP.DstPort == 4001 })
				if p.MSS() != tt.want && tt.want != 0 {
					t.Errorf("MSS %d, want %d", p.MSS(), tt.want)
				}
				if !p.ChecksumsRight() {
					t.Errorf("wrong checksum in %v", p)
				}
				want := counts{}
				if tt.lowered > 0 {
					want[dprnl.StatMssLowered] = tt.lowered
				}
				b.want(t, want)
			})
		}
	})
}

// leastMSS is the smallest MSS that is lowered to.
const leastMSS = 536

// rawSender returns a function that sends whole IP packets by a host's own
// output path.
func rawSender(t *testing.T, s *server) func(t *testing.T, packet []byte, to netip.Addr) {
	t.Helper()
	fd := -1
	check(t, s.Do(func() (err error) {
		// Of either family it is for whole packets.
		fd, err = unix.Socket(s.way.domain(), unix.SOCK_RAW, unix.IPPROTO_RAW)
		return err
	}))
	t.Cleanup(func() { unix.Close(fd) })
	return func(t *testing.T, packet []byte, to netip.Addr) {
		t.Helper()
		check(t, unix.Sendto(fd, packet, 0, sockaddr(netip.AddrPortFrom(to, 0))))
	}
}
