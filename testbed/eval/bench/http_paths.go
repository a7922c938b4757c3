// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"strings"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
)

// The lab of whole connections.
const (
	httpServers = 3
	httpClients = 2

	virtualAddress = "10.77.0.99" // what IPVS balances, on every server
	haproxyPort    = "81"         // where HAProxy listens on s1
)

// httpPath is a way from a client to a server's nginx.
type httpPath struct {
	name string
	// on and off are commands for s1 before and after the load.
	on, off string
	// target returns the address and port that client i asks.
	target func(servers []lab.Host, i int) string
}

func throughFirst(port string) func([]lab.Host, int) string {
	return func(servers []lab.Host, _ int) string { return servers[0].Address + port }
}

// httpPaths are measured in this order. Behind s1 is whatever its path leads to:
// all use the same servers.
var httpPaths = []httpPath{
	{name: PathDirect, target: func(servers []lab.Host, i int) string {
		return servers[1+i%(len(servers)-1)].Address
	}},
	{name: PathDPR, on: "dprctl policy set lowest && dprctl drain", off: "dprctl policy set off", target: throughFirst("")},
	{name: PathIPVS, on: "ipvsadm -R </root/ipvs.rules", off: "ipvsadm -C", target: func([]lab.Host, int) string { return virtualAddress }},
	{name: PathHAProxy, on: "haproxy -D -q -p /run/haproxy.pid -f /root/haproxy.cfg", off: "kill $(cat /run/haproxy.pid)", target: throughFirst(":" + haproxyPort)},
}

// prepare makes the servers ready for all paths.
func (h *httpLab) prepare(ctx context.Context) error {
	if err := drive.Of(h.Lab).AwaitPeers(ctx); err != nil {
		return err
	}
	servers := h.Servers()
	// IPVS answers for an address of its own, so that dpr leaves it alone.
	first := fmt.Sprintf(`dprctl service del 80 && dprctl service add 80 --address %[1]s &&
		ip address add %[2]s/32 dev eth0 && modprobe -a ip_vs ip_vs_lc ipip &&
		cat >/root/haproxy.cfg <<'END' && cat >/root/ipvs.rules <<'END2'
%[3]sEND
%[4]sEND2
`, servers[0].Address, virtualAddress, haproxyConfig(servers[1:]), ipvsRules(servers[1:]))
	if err := h.sh(ctx, servers[0].Name, first); err != nil {
		return err
	}
	// As IPVS wants it of real servers: they take packets for its address out of
	// the tunnel and do not answer ARP for it.
	const behind = `modprobe ipip && ip link set tunl0 up && ip address add ` + virtualAddress + `/32 dev tunl0 &&
		echo 0 >/proc/sys/net/ipv4/conf/tunl0/rp_filter && echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter &&
		echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore && echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce`
	for _, s := range servers[1:] {
		if err := h.sh(ctx, s.Name, behind); err != nil {
			return err
		}
	}
	return nil
}

// unlimit takes the limits off the servers' links.
func (h *httpLab) unlimit(ctx context.Context) error {
	for _, s := range h.Servers() {
		if err := h.sh(ctx, s.Name, "tc qdisc delete dev eth0 root"); err != nil {
			return err
		}
	}
	return nil
}

// do runs a path's command on s1.
func (h *httpLab) do(ctx context.Context, command string) error {
	if command == "" {
		return nil
	}
	return h.sh(ctx, h.Servers()[0].Name, command)
}

func (h *httpLab) sh(ctx context.Context, host, command string) error {
	_, err := h.Output(ctx, host, "sh", "-c", command)
	return err
}

// haproxyConfig returns HAProxy's configuration: it passes TCP on.
func haproxyConfig(servers []lab.Host) string {
	var b strings.Builder
	b.WriteString(`global
	maxconn 8192
defaults
	mode tcp
	timeout connect 20s
	timeout client 60s
	timeout server 60s
listen web
	bind :` + haproxyPort + `
	balance leastconn
`)
	for _, s := range servers {
		fmt.Fprintf(&b, "\tserver %s %s:80\n", s.Name, s.Address)
	}
	return b.String()
}

// ipvsRules returns the rules of IPVS for ipvsadm -R.
func ipvsRules(servers []lab.Host) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-A -t %s:80 -s lc\n", virtualAddress)
	for _, s := range servers {
		fmt.Fprintf(&b, "-a -t %s:80 -r %s:80 -i\n", virtualAddress, s.Address)
	}
	return b.String()
}
