// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"strings"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
)

// The lab of whole connections.
const (
	httpServers = 3
	httpClients = 2

	haproxyPort = 81 // where HAProxy listens on s1
	natPort     = 82 // of IPVS-NAT: at port 80, IPVS would know connections of its tunnels
)

// virtual is what IPVS balances, on every server.
var virtual = lab.Host{Address: "10.77.0.99", Address6: "fd77::99"}

// tunnelSource is where IPVS's tunnels of IPv6 come from. In IPv6 dpr takes what comes
// from a peer's own address for redirected; nor may it be an address of the receiver,
// which has that of virtual.
const tunnelSource = "fd77::98"

// httpPath is a way from a client to a server's nginx.
type httpPath struct {
	name string
	// on and off are commands for s1 before and after the load.
	on, off string
	// behindOn and behindOff are those for the servers behind it, "" for none; CLIENTS in
	// them are the clients' addresses, S1 is that of s1, and IP is ip(8) of the family.
	behindOn, behindOff string
	// target returns the address and port that client i asks.
	target func(h *httpLab, i int) string
}

func throughFirst(port int) func(*httpLab, int) string {
	return func(h *httpLab, _ int) string { return h.Servers()[0].Endpoint(h.o.family, port) }
}

// forwards makes s1 a router, or not. As one it would tell the servers of a shorter way to
// the clients, which are on their own link.
func forwards(value string) string {
	return "echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects && echo 0 >/proc/sys/net/ipv4/conf/eth0/send_redirects && echo " + value +
		" >/proc/sys/net/ipv4/ip_forward && echo " + value + " >/proc/sys/net/ipv6/conf/all/forwarding"
}

// httpPaths are measured in this order. Behind s1 is whatever its path leads to:
// all use the same servers.
var httpPaths = []httpPath{
	{name: PathDirect, target: func(h *httpLab, i int) string {
		servers := h.Servers()
		return servers[1+i%(len(servers)-1)].Endpoint(h.o.family, 80)
	}},
	{name: PathDPR, on: "dprctl policy set lowest && dprctl drain", off: "dprctl policy set off", target: throughFirst(80)},
	// The servers behind s1 send the answers, so theirs is the setting that counts. That s1
	// got some is seen at the end.
	{name: PathThrough, on: "dprctl policy set lowest && dprctl drain", off: "dprctl policy set off && dprctl stats --json | grep -q '\"rx_answers\": *[1-9]'",
		behindOn: "dprctl config set --answers through", behindOff: "dprctl config set --answers direct", target: throughFirst(80)},
	{name: PathIPVS, on: "ipvsadm -R </root/ipvs.rules", off: "ipvsadm -C", target: func(h *httpLab, _ int) string { return virtual.Endpoint(h.o.family, 80) }},
	{name: PathHAProxy, on: "haproxy -D -q -p /run/haproxy.pid -f /root/haproxy.cfg", off: "kill $(cat /run/haproxy.pid)", target: throughFirst(haproxyPort)},
}

// prepare makes the servers ready for all paths but those of bare.
func (h *httpLab) prepare(ctx context.Context) error {
	if err := drive.Of(h.Lab).AwaitPeers(ctx); err != nil {
		return err
	}
	servers, f := h.Servers(), h.o.family
	if err := h.sh(ctx, servers[0].Name, before(servers, f)); err != nil {
		return err
	}
	behind := behind(f)
	for _, s := range servers[1:] {
		if err := h.sh(ctx, s.Name, behind); err != nil {
			return err
		}
	}
	return nil
}

// before returns what makes the first server ready. IPVS answers for an address of its
// own, so that dpr leaves it alone.
func before(servers []lab.Host, f family.Family) string {
	address, module := "ip address add "+virtual.Address+"/32 dev eth0", "ipip"
	if f == family.V6 {
		// The kernel chooses the source: of two addresses whose prefix is the longest
		// that which is not deprecated.
		address = "ip address add " + virtual.Address6 + "/128 dev eth0 nodad preferred_lft 0 && ip address add " + tunnelSource + "/128 dev eth0 nodad"
		module = "ip6_tunnel"
	}
	return fmt.Sprintf(`dprctl service del 80 && dprctl service add 80 --address %[1]s &&
		%[2]s && modprobe -a ip_vs ip_vs_lc %[3]s &&
		cat >/root/haproxy.cfg <<'END' && cat >/root/ipvs.rules <<'END2' && cat >/root/nat.rules <<'END3'
%[4]sEND
%[5]sEND2
%[6]sEND3
`, servers[0].In(f), address, module, haproxyConfig(servers[1:], f), ipvsRules(servers[1:], f, 80, "-i"), ipvsRules(servers[1:], f, natPort, "-m"))
}

// behind returns what makes the other servers ready, as IPVS wants it of real servers:
// they take packets for its address out of the tunnel and do not say that they have the
// address. In IPv6 no host says so of an address of another interface.
func behind(f family.Family) string {
	if f == family.V6 {
		return "modprobe ip6_tunnel && ip link set ip6tnl0 up && ip address add " + virtual.In(f) + "/128 dev ip6tnl0 nodad"
	}
	return "modprobe ipip && ip link set tunl0 up && ip address add " + virtual.In(f) + `/32 dev tunl0 &&
		echo 0 >/proc/sys/net/ipv4/conf/tunl0/rp_filter && echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter &&
		echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore && echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce`
}

// links sets the limits of the servers' links, or takes them off.
func (h *httpLab) links(ctx context.Context, limits string) error {
	for _, s := range h.Servers() {
		if err := h.sh(ctx, s.Name, "tc qdisc "+limits); err != nil {
			return err
		}
	}
	return nil
}

// do runs a path's commands on s1 and on the servers behind it.
func (h *httpLab) do(ctx context.Context, command, behind string) error {
	servers, f := h.Servers(), h.o.family
	if command != "" {
		if err := h.sh(ctx, servers[0].Name, command); err != nil {
			return err
		}
	}
	if behind == "" {
		return nil
	}
	var clients []string
	for _, c := range h.Clients() {
		clients = append(clients, c.In(f))
	}
	ip := "ip"
	if f == family.V6 {
		ip = "ip -6"
	}
	behind = strings.NewReplacer("CLIENTS", strings.Join(clients, " "), "S1", servers[0].In(f), "IP ", ip+" ").Replace(behind)
	for _, s := range servers[1:] {
		if err := h.sh(ctx, s.Name, behind); err != nil {
			return err
		}
	}
	return nil
}

func (h *httpLab) sh(ctx context.Context, host, command string) error {
	_, err := h.Output(ctx, host, "sh", "-c", command)
	return err
}

// haproxyConfig returns HAProxy's configuration: it passes TCP on, with so many options.
func haproxyConfig(servers []lab.Host, f family.Family, options ...string) string {
	var b strings.Builder
	b.WriteString(`global
	maxconn 8192
defaults
	mode tcp
	timeout connect 20s
	timeout client 60s
	timeout server 60s
listen web
	bind ` + lab.Host{Address: "0.0.0.0", Address6: "::"}.Endpoint(f, haproxyPort) + `
	balance leastconn
`)
	for _, o := range options {
		fmt.Fprintf(&b, "\t%s\n", o)
	}
	for _, s := range servers {
		fmt.Fprintf(&b, "\tserver %s %s\n", s.Name, s.Endpoint(f, 80))
	}
	return b.String()
}

// ipvsRules returns the rules of IPVS for ipvsadm -R, for a port of the virtual address and
// a way to the servers.
func ipvsRules(servers []lab.Host, f family.Family, port int, way string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-A -t %s -s lc\n", virtual.Endpoint(f, port))
	for _, s := range servers {
		fmt.Fprintf(&b, "-a -t %s -r %s %s\n", virtual.Endpoint(f, port), s.Endpoint(f, 80), way)
	}
	return b.String()
}
