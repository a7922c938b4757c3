// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"dpr/testbed/lab/family"
)

// Kind is what a host is.
type Kind string

// The kinds of hosts.
const (
	Server Kind = "server" // a guest with a kernel of its own
	Client Kind = "client" // a network namespace of this machine
)

// Host is one host of a lab. All are in one /24 and one /64 on one bridge.
type Host struct {
	Name     string `json:"name"` // s1, s2, … or c1, c2, …
	Kind     Kind   `json:"kind"`
	Address  string `json:"address"`  // 10.77.0.11 and on, or 10.77.0.101 and on
	Address6 string `json:"address6"` // fd77::11 and on, or fd77::101 and on
	MAC      string `json:"mac"`      // of its eth0
}

// In returns the host's address of a family.
func (h Host) In(f family.Family) string {
	if f == family.V6 {
		return h.Address6
	}
	return h.Address
}

// Endpoint returns the host's address of a family with a port, as in a URL.
func (h Host) Endpoint(f family.Family, port int) string {
	return net.JoinHostPort(h.In(f), strconv.Itoa(port))
}

// URL returns the URL of what the host serves on port 80, by its address of a family and
// without a path.
func (h Host) URL(f family.Family) string {
	if f == family.V6 {
		return "http://[" + h.Address6 + "]"
	}
	return "http://" + h.Address
}

// The lab's networks. They are nobody else's: they live in namespaces of their own.
var (
	network  = netip.MustParsePrefix("10.77.0.0/24")
	network6 = netip.MustParsePrefix("fd77::/64")
)

const (
	firstServer = 11  // last octet of s1; in IPv6, the last digits
	firstClient = 101 // of c1
	bridge      = "br0"
)

func makeHosts(servers, clients int) []Host {
	var hosts []Host
	add := func(kind Kind, letter byte, first, n int) {
		base := network.Addr().As4()
		for i := range n {
			octet := byte(first + i)
			base[3] = octet
			hosts = append(hosts, Host{
				Name: fmt.Sprintf("%c%d", letter, i+1), Kind: kind,
				Address: netip.AddrFrom4(base).String(), Address6: address6(int(octet)),
				MAC: fmt.Sprintf("02:64:70:72:00:%02x", octet),
			})
		}
	}
	add(Server, 's', firstServer, servers)
	add(Client, 'c', firstClient, clients)
	return hosts
}

// address6 returns the address in network6 that ends with a number's decimal digits, so
// that people see which IPv4 address is the same host's.
func address6(n int) string { return network6.Addr().String() + strconv.Itoa(n) }

// Family returns the family of the servers' own addresses.
func (l *Lab) Family() family.Family { return l.state.Family }

// Hosts returns the lab's hosts, servers first.
func (l *Lab) Hosts() []Host { return slices.Clone(l.state.Hosts) }

// Servers returns the lab's servers.
func (l *Lab) Servers() []Host { return l.hosts(Server) }

// Clients returns the lab's clients.
func (l *Lab) Clients() []Host { return l.hosts(Client) }

func (l *Lab) hosts(k Kind) []Host {
	return slices.DeleteFunc(l.Hosts(), func(h Host) bool { return h.Kind != k })
}

// Host returns the host called name.
func (l *Lab) Host(name string) (Host, error) {
	for _, h := range l.state.Hosts {
		if h.Name == name {
			return h, nil
		}
	}
	last := l.state.Hosts[len(l.state.Hosts)-1]
	return Host{}, fmt.Errorf("lab %s has no host %q: its hosts are %s to %s", l.state.Name, name, l.state.Hosts[0].Name, last.Name)
}

// hostOf returns the host called name if it is of kind k.
func (l *Lab) hostOf(name string, k Kind) (Host, error) {
	h, err := l.Host(name)
	if err == nil && h.Kind != k {
		err = fmt.Errorf("host %s is a %s, not a %s", name, h.Kind, k)
	}
	return h, err
}
