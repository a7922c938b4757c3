// SPDX-License-Identifier: MIT

package demo

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
)

// headers is how much of each packet is kept: the outer and the inner header.
const headers = 96

// captures looks at a client and at the host that redirects while they work.
type captures struct {
	client, server         lab.Host
	servers                []lab.Host
	mix                    family.Mix
	family, own            family.Family // of the client's connections; of the servers' own addresses
	clientFile, serverFile string
	running                []*lab.Capture
}

// startCaptures begins: on the first client all IP, between the servers tunnels.
func startCaptures(ctx context.Context, l drive.Cluster, o Options) (*captures, error) {
	client, servers := l.Clients()[0], l.Servers()
	c := &captures{
		client: client, server: servers[0], servers: servers, mix: o.Family, family: o.Family.Of(0), own: o.Family.Own(),
		clientFile: filepath.Join(o.Dir, "demo-"+client.Name+".pcap"),
		serverFile: filepath.Join(o.Dir, "demo-"+servers[0].Name+".pcap"),
	}
	for _, p := range []struct{ host, file, filter string }{
		{client.Name, c.clientFile, c.clientFilter()},
		{servers[0].Name, c.serverFile, tunnels(c.own)},
	} {
		running, err := l.Capture(ctx, p.host, lab.CaptureOptions{File: p.file, Filter: p.filter, Snaplen: headers})
		if err != nil {
			_ = c.stop()
			return nil, fmt.Errorf("capture on %s: %w", p.host, err)
		}
		c.running = append(c.running, running)
	}
	return c, nil
}

// clientFilter is all of the client's packets of its family, but for what finds
// neighbours: that goes to groups.
func (c *captures) clientFilter() string {
	if c.family == family.V6 {
		return "ip6 host " + c.client.Address6 + " and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"
	}
	return "ip host " + c.client.Address
}

// pair is all packets between the client and the server that it asks.
func (c *captures) pair() string {
	return fmt.Sprintf("((src host %s and dst host %s) or (src host %[2]s and dst host %[1]s))", c.client.In(c.family), c.server.In(c.family))
}

// protocols are those of tunnels, by what is in them.
var protocols = map[family.Family]string{family.V4: "4", family.V6: "41"}

// tunnels is all packets of any tunnel between addresses of a family.
func tunnels(own family.Family) string {
	return fmt.Sprintf("(%s or %s)", tunnel(own, family.V4), tunnel(own, family.V6))
}

// tunnel is those that carry packets of one family.
func tunnel(own, inner family.Family) string {
	if own == family.V6 {
		return "ip6 proto " + protocols[inner]
	}
	return "ip proto " + protocols[inner]
}

// mark is what tells redirected packets from those of other tunnels: in IPv4 the
// reserved bit; IPv6 has none, and there it is that their source is a host of the
// cluster.
func (c *captures) mark() string {
	if c.own == family.V4 {
		return "(ip[6] & 0x80 != 0)"
	}
	var from, to []string
	for _, s := range c.servers {
		from, to = append(from, "src host "+s.Address6), append(to, "dst host "+s.Address6)
	}
	return "((" + strings.Join(from, " or ") + ") and (" + strings.Join(to, " or ") + "))"
}

// marks says what tells redirected packets, for people.
func (c *captures) marks() string {
	if c.own == family.V4 {
		return "with 0x8000 set"
	}
	return "over IPv6 between servers"
}

// stop ends the captures; an error means that one is not complete.
func (c *captures) stop() error {
	var first error
	for _, running := range c.running {
		stats, err := running.Stop()
		if err == nil && stats.Dropped > 0 {
			err = fmt.Errorf("%d packets were missed", stats.Dropped)
		}
		if err != nil && first == nil {
			first = fmt.Errorf("capture: %w", err)
		}
	}
	c.running = nil
	return first
}

// verdicts reads the captures.
func (c *captures) verdicts(ctx context.Context) ([]Check, error) {
	counts := make(map[string]int)
	var carried []string
	queries := []struct{ name, file, filter string }{
		{"own", c.clientFile, c.pair()},
		{"foreign", c.clientFile, "not " + c.pair()},
		{"unmarked", c.serverFile, tunnels(c.own) + " and not " + c.mark()},
	}
	for _, f := range c.mix.Families() {
		carried = append(carried, protocols[f])
		queries = append(queries, struct{ name, file, filter string }{protocols[f], c.serverFile, tunnel(c.own, f) + " and " + c.mark()})
	}
	for _, q := range queries {
		n, err := drive.CountPackets(ctx, q.file, q.filter)
		if err != nil {
			return nil, err
		}
		counts[q.name] = n
	}
	marked, least := 0, math.MaxInt
	for _, protocol := range carried {
		marked, least = marked+counts[protocol], min(least, counts[protocol])
	}
	return []Check{
		{
			Name:   fmt.Sprintf("lowest: a capture on %s shows only %s's address", c.client.Name, c.server.Name),
			Passed: counts["own"] > 0 && counts["foreign"] == 0,
			Detail: fmt.Sprintf("%d packets with %s, %d with any other host", counts["own"], c.server.In(c.family), counts["foreign"]),
		},
		{
			Name:   fmt.Sprintf("lowest: a capture between the servers shows protocol %s %s", strings.Join(carried, " and "), c.marks()),
			Passed: least > 0 && counts["unmarked"] == 0,
			Detail: fmt.Sprintf("on %s %d like that, %d not", c.server.Name, marked, counts["unmarked"]),
		},
	}, nil
}
