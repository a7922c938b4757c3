// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"hash/fnv"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A way is how a client's packets come to the host that serves them: the client's family,
// 4 or 6, that of the hosts' own addresses and so of the tunnel, the marker, whether
// what can goes direct, and whether the answers go through the first host. Tests name
// addresses by their IPv4 ones; each host has the IPv6 one, too (vnet.Twin).
type way struct {
	client, tunnel int
	marker         dprnl.Marker
	direct         bool
	through        bool
}

// The ways that there are. An outer IPv6 header has no place for a mark.
var (
	fragbit4  = way{client: 4, tunnel: 4, marker: dprnl.MarkerFragbit}
	source4   = way{client: 4, tunnel: 4, marker: dprnl.MarkerSource}
	ways4     = []way{fragbit4, source4}
	fragbit64 = way{client: 6, tunnel: 4, marker: dprnl.MarkerFragbit} // clients of IPv6, tunnels of IPv4
	fourInSix = way{client: 4, tunnel: 6, marker: dprnl.MarkerSource}
	plain6    = way{client: 6, tunnel: 6, marker: dprnl.MarkerSource}
	ways      = append(ways4[:2:2], fragbit64, plain6, fourInSix)

	direct4 = fragbit4.straight()
	direct6 = plain6.straight()
	directs = []way{direct4, direct6}

	throughs = func() (all []way) {
		for _, w := range append(ways[:len(ways):len(ways)], directs...) {
			w.through = true
			all = append(all, w)
		}
		return all
	}()
)

// straight is the way on which what can goes direct.
func (w way) straight() way {
	w.direct = true
	return w
}

func (w way) String() string {
	text := map[int]string{4: "4", 6: "6"}[w.client] + "in" + map[int]string{4: "4", 6: "6"}[w.tunnel] + "-" + w.marker.String()
	if w.direct {
		text += "-direct"
	}
	if w.through {
		text += "-through"
	}
	return text
}

// waysEnv is a variable. "direct": allWays runs tests with the ways on which packets go
// direct, "through": with those on which answers go through the first host, in place of
// the others. "few": a test has one way of each family of clients, by the test's name, so that
// all the tests have all the ways; a long one has one way.
const waysEnv = "DPR_PATH_WAYS"

// allWays runs a test with each way, and fails it if the kernel complains meanwhile.
func allWays(t *testing.T, f func(t *testing.T, w way)) {
	switch os.Getenv(waysEnv) {
	case "direct":
		eachWay(t, directs, f)
	case "through":
		eachWay(t, throughs, f)
	default:
		eachWay(t, few(t, ways), f)
	}
}

// few returns the ways that a test is run with, if it is to be few.
func few(t *testing.T, ways []way) []way {
	if os.Getenv(waysEnv) != "few" {
		return ways
	}
	h := fnv.New32a()
	h.Write([]byte(t.Name()))
	var some []way
	for _, client := range []int{4, 6} {
		of := slices.DeleteFunc(slices.Clone(ways), func(w way) bool { return w.client != client })
		if len(of) != 0 {
			some = append(some, of[h.Sum32()/16%uint32(len(of))])
		}
	}
	return some
}

// anyForwarding is allWays, and those on which packets go direct.
func anyForwarding(t *testing.T, f func(t *testing.T, w way)) { withMore(t, f, directs) }

// anyAnswers is anyForwarding, and those on which answers go through the first host.
func anyAnswers(t *testing.T, f func(t *testing.T, w way)) { withMore(t, f, directs, throughs) }

// someAnswers is allWays, and two of those on which answers go through the first host.
func someAnswers(t *testing.T, f func(t *testing.T, w way)) {
	withMore(t, f, []way{throughTunnels[0], throughTunnels[3]})
}

// withMore is allWays, and those of further lists; of all of them if there are to be few.
func withMore(t *testing.T, f func(t *testing.T, w way), lists ...[]way) {
	more := slices.Concat(lists...)
	switch os.Getenv(waysEnv) {
	case "few":
		eachWay(t, few(t, slices.Concat(ways, more)), f)
	case "":
		eachWay(t, slices.Concat(ways, more), f)
	default:
		allWays(t, f)
	}
}

// onlyTunnels is allWays for what tunnels alone have.
func onlyTunnels(t *testing.T, f func(t *testing.T, w way)) { eachWay(t, few(t, ways), f) }

// bothMarkers is allWays for what IPv4 alone has.
func bothMarkers(t *testing.T, f func(t *testing.T, w way)) { eachWay(t, ways4, f) }

// ways6 is allWays for what clients of IPv6 alone have.
func ways6(t *testing.T, f func(t *testing.T, w way)) {
	var six []way
	for _, w := range ways {
		if w.six() {
			six = append(six, w)
		}
	}
	eachWay(t, six, f)
}

// long are tests that wait for a minute or so with all their ways: if those are to be few, they
// have one.
var long = []string{
	"TestBarred", "TestBlindSegments", "TestCleanUpByItself", "TestClientBehind", "TestConfirmedIsAskedAgain", "TestHandoverLost",
	"TestHandoverSeenFull", "TestHashMissed", "TestHashMissedByAll", "TestHashMissedUnasked", "TestHolderMoves", "TestIdleExpiry",
	"TestNamespaces", "TestOwnerAfterFlood", "TestOwnerDeniedAfterDeath", "TestOwnerDeniedByOne", "TestOwnerSilent",
	"TestOwnerSilentLong", "TestOwnerUnknownToSlowClient", "TestOwnerUnlisted", "TestOwnerUnsettled", "TestPeerLost",
	"TestProbesOfAThousand", "TestProcessorsComeAndGo", "TestRefusedByFullQueue", "TestReload", "TestReportedDown",
	"TestSourceProbeDropped", "TestThroughCloud",
}

func eachWay(t *testing.T, ways []way, f func(t *testing.T, w way)) {
	if name, _, _ := strings.Cut(t.Name(), "/"); os.Getenv(waysEnv) == "few" && slices.Contains(long, name) && len(ways) > 1 {
		h := fnv.New32a()
		h.Write([]byte(t.Name()))
		i := h.Sum32() / 16 % uint32(len(ways))
		ways = ways[i : i+1]
	}
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			watchKernel(t)
			f(t, w)
		})
	}
}

// six says whether clients have IPv6.
func (w way) six() bool { return w.client == 6 }

// marked says whether redirected packets bear a mark. Those without may be from a tunnel
// of the hosts' own, so that more of them is left to the stack.
func (w way) marked() bool { return w.marker == dprnl.MarkerFragbit }

// ofFamily returns a host's address of a family, 4 or 6.
func ofFamily(family int, a netip.Addr) netip.Addr {
	if family == 6 {
		return vnet.Twin(a)
	}
	return a
}

// addr returns the address of a host that clients use, or a client's.
func (w way) addr(a netip.Addr) netip.Addr { return ofFamily(w.client, a) }

// own returns the address by which hosts know each other, and which is in tunnels.
func (w way) own(a netip.Addr) netip.Addr { return ofFamily(w.tunnel, a) }

// parse is addr of an IPv4 address in text.
func (w way) parse(a string) netip.Addr { return w.addr(netip.MustParseAddr(a)) }

// prefix returns the prefix of the clients' family.
func (w way) prefix(p string) netip.Prefix {
	if w.six() {
		return vnet.TwinPrefix(netip.MustParsePrefix(p))
	}
	return netip.MustParsePrefix(p)
}

// addrPort is addr with a port.
func (w way) addrPort(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(w.addr(a), p) }

// domain is the clients' address family for system calls.
func (w way) domain() int { return map[int]int{4: unix.AF_INET, 6: unix.AF_INET6}[w.client] }

// sockaddr is an address for system calls.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// addrOf returns the address that a system call has filled in.
func addrOf(s unix.Sockaddr) netip.Addr {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr).Unmap()
	}
	return netip.Addr{}
}

// freebind lets a socket of the clients' family have an address that the host has not.
func (w way) freebind(fd int) error {
	if w.six() {
		return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1)
}

// any is the unspecified address, on which a server listens for all clients.
func (w way) any() netip.Addr { return w.addr(netip.IPv4Unspecified()) }

// tcp is the network of a listener of clients' family only.
func (w way) tcp() string { return map[int]string{4: "tcp4", 6: "tcp6"}[w.client] }

// outer is the outer header of what a host redirects to another.
func (w way) outer(from, to netip.Addr) wire.Tunnel {
	t := wire.Tunnel{Src: w.own(from), Dst: w.own(to), Marked: w.marked(), Proto: layers.IPProtocolIPv4}
	if w.six() {
		t.Proto = layers.IPProtocolIPv6
	}
	return t
}

// forwarding is that of the hosts.
func (w way) forwarding() dprnl.Forwarding {
	if w.direct {
		return dprnl.ForwardingAuto
	}
	return dprnl.ForwardingIpip
}

// answers is how the hosts' answers get to clients.
func (w way) answers() dprnl.Answers {
	if w.through {
		return dprnl.AnswersThrough
	}
	return dprnl.AnswersDirect
}

// headerLen is the length of the clients' IP header in bytes.
func (w way) headerLen() int { return map[int]int{4: 20, 6: 40}[w.client] }

// overhead is what the tunnel adds to a packet, in bytes.
func (w way) overhead() int { return map[int]int{4: 20, 6: 40}[w.tunnel] }

// mss is that of a connection which is not redirected.
func (w way) mss() uint16 { return uint16(mtu - w.headerLen() - 20) }

// loweredMSS is that of a redirected connection whose hosts are on one link.
func (w way) loweredMSS() uint16 {
	if w.direct {
		return w.mss()
	}
	return w.tunnelMSS()
}

// tunnelMSS is that of a connection through a tunnel.
func (w way) tunnelMSS() uint16 { return w.mss() - uint16(w.overhead()) }

// bytes is the length of a TCP segment without options in its IP packet.
func (w way) bytes(payload int) uint64 { return uint64(w.headerLen() + 20 + payload) }

// report is that of a host which anybody on the network can be: it has both families'
// addresses. Only IPv6 needs more than a report of version 1.
func (w way) report(a netip.Addr, load uint32) dprnl.PeerUpdate {
	u := dprnl.PeerUpdate{Address: w.own(a), Metrics: &dprnl.Metrics{Sockets: load}}
	if w.client == 6 || w.tunnel == 6 || w.direct || w.through {
		u.Protocol, u.Others = w.protocol(), []netip.Addr{ofFamily(10-w.tunnel, a)}
	}
	return u
}

// protocol is the one between hosts that they need to know.
func (w way) protocol() uint32 {
	if w.through {
		return 4
	}
	return 3
}

// reportOf is report with another protocol, if the way's clients need no newer one.
func (w way) reportOf(a netip.Addr, protocol uint32) dprnl.PeerUpdate {
	u := w.report(a, 0)
	u.Protocol = max(u.Protocol, protocol)
	return u
}

// known is a peer that has not reported.
func (w way) known(a netip.Addr) dprnl.PeerUpdate { return dprnl.PeerUpdate{Address: w.own(a)} }
