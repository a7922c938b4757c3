// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"strings"

	"dpr/testbed/lab/drive"
)

// The paths to servers that run nothing of dpr, besides PathNAT.
const (
	PathSplice        = "splice"
	PathHAProxySplice = "haproxy-splice" // the kernel moves the bytes from socket to socket
)

// spliceOptions have HAProxy copy as little as it can.
var spliceOptions = []string{"option splice-auto", "option splice-request", "option splice-response"}

// barePaths are measured in this order, once the servers behind s1 run nothing of dpr.
var barePaths = []httpPath{
	// The servers' way to the clients is s1, which translates the answers.
	{name: PathNAT, on: "ipvsadm -R </root/nat.rules && " + forwards("1"), off: "ipvsadm -C && " + forwards("0"),
		behindOn: "for c in CLIENTS; do IP route add $c via S1; done", behindOff: "for c in CLIENTS; do IP route del $c via S1; done", target: func(h *httpLab, _ int) string { return virtual.Endpoint(h.o.family, natPort) }},
	{name: PathSplice, on: "dprctl policy set lowest && dprctl drain", off: "dprctl policy set off", target: throughFirst(80)},
	{name: PathHAProxySplice, on: "haproxy -D -q -p /run/haproxy.pid -f /root/splice.cfg", off: "kill $(cat /run/haproxy.pid)", target: throughFirst(haproxyPort)},
}

// withoutDPR ends dpr on a server. Whether the module is in use shows a little later.
const withoutDPR = `svc stop dpr-broadcast && svc stop dpr-receive && svc stop dpr-cleanup || exit
n=0; until rmmod dpr; do n=$((n + 1)); [ $n -lt 20 ] || exit 1; sleep 0.1; done`

// bare has the servers behind s1 run nothing of dpr, and be backends of s1.
func (h *httpLab) bare(ctx context.Context) error {
	servers, f := h.Servers(), h.o.family
	for _, s := range servers[1:] {
		if err := h.sh(ctx, s.Name, withoutDPR); err != nil {
			return err
		}
	}
	h.isBare = true
	// More ports than dpr has by default, but none of those that HAProxy's sockets get.
	var b strings.Builder
	b.WriteString("sleep 1 && dprctl config set --splice-ports 10000-32767")
	for _, s := range servers[1:] {
		// The last report may have come since.
		fmt.Fprintf(&b, " && dprctl peers del %[1]s --dead && dprctl backends set %[2]s %[1]s --services 80", s.In(f), s.Name)
	}
	fmt.Fprintf(&b, " && cat >/root/splice.cfg <<'END'\n%sEND\n", haproxyConfig(servers[1:], f, spliceOptions...))
	return h.sh(ctx, servers[0].Name, b.String())
}

// counters asks every server, in order, for what it counts.
func (h *httpLab) counters(ctx context.Context) ([]drive.Counters, error) {
	if !h.isBare {
		return drive.Of(h.Lab).ReadCounters(ctx)
	}
	servers := h.Servers()
	first, err := drive.Of(h.Lab).CountersOf(ctx, servers[0].Name)
	if err != nil {
		return nil, err
	}
	all := []drive.Counters{first}
	for _, s := range servers[1:] {
		served, err := h.Served(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, drive.Counters{Served: uint64(served.Connections)})
	}
	return all, nil
}
