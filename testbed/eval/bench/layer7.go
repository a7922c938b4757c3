// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
)

// PartLayer7 is connections that are placed by what they ask for, beside proxies.
const PartLayer7 = "l7"

// The systems that place connections by what they ask for, and what they are compared with.
const (
	L7Direct   = "direct"
	L7Redirect = "dpr-redirect" // placed by the SYN
	L7Handover = "dpr-handover"
	L7HAProxy  = "haproxy" // http mode
	L7Nginx    = "nginx"   // as a proxy
)

// How requests come.
const (
	l7Close     = "close"     // each on a connection of its own
	l7KeepAlive = "keepalive" // many on one
)

// What limits the load.
const (
	l7Links      = "links"
	l7Processors = "processors"
)

// Sizes of replies, their paths, and how many requests' first bytes are timed in a round.
var l7Replies = []struct {
	bytes int64
	path  string
	timed int
}{{1, "/1", 100}, {15_000, "/15k", 60}, {1_000_000, "/1m", 10}, {10_000_000, "/10m", 3}}

const (
	l7Rounds   = 2
	l7Users    = 8 // of each of two clients, while connections are counted
	l7Duration = 3 * time.Second
	l7Largest  = 15_000 // bytes of a reply whose connections are counted
	l7Memory   = 448    // MiB of a server
)

// A Layer7 is what requests of one kind did.
type Layer7 struct {
	System     string  `json:"system"`
	ReplyBytes int64   `json:"reply_bytes"`
	TTFBP50MS  float64 `json:"ttfb_p50_ms"` // of a request alone, from connect() if it has a connection of its own
	TTFBP99MS  float64 `json:"ttfb_p99_ms"`
	// ConnectionsPS are requests per second of several users that never idle, of the
	// larger replies those of one; with keep-alive they are no connections.
	ConnectionsPS float64 `json:"connections_per_s"`
	Users         int     `json:"users"`
	Mode          string  `json:"mode"`
	Limit         string  `json:"limit"`
}

// l7Systems are measured in this order, in turn.
var l7Systems = []struct {
	name    string
	on, off string // commands for s1
	port    int    // of s1; 0: the servers behind it are asked
}{
	{L7Direct, "", "", 0},
	{L7Redirect, "dprctl service set 80 --policy lowest && dprctl drain", "dprctl undrain && dprctl service set 80 --policy off", 80},
	{L7Handover, "dprctl service set 80 --policy lowest --dispatch connection && dprctl rules set 80 /root/l7.rules && dprctl drain",
		"dprctl undrain && dprctl rules del 80 && dprctl service set 80 --policy off --dispatch syn", 80},
	{L7HAProxy, "haproxy -D -q -p /run/haproxy.pid -f /root/l7.haproxy", "kill $(cat /run/haproxy.pid)", haproxyPort},
	{L7Nginx, "nginx -c /root/l7.nginx", "nginx -c /root/l7.nginx -s stop", nginxPort},
}

// nginxPort is where nginx listens on s1 as a proxy.
const nginxPort = 83

// layer7 measures a family.
func (o Options) layer7(ctx context.Context, r *Report, f family.Family) error {
	if f != family.V4 {
		return nil // groups name hosts by one family; the way is the same
	}
	c := lab.Config{
		Name: o.Lab, Kernel: o.Kernel, Servers: httpServers, Clients: httpClients, Memory: l7Memory,
		Programs: []string{"/usr/sbin/haproxy"}, DPR: lab.DPRConfig{Policy: "off"}, Progress: o.Progress,
		WebFiles: map[string]int64{"/1": 1, "/10m": 10_000_000},
	}
	return lab.With(ctx, c, func(l *lab.Lab) error {
		b := &l7Bench{Lab: l, o: o, sums: make(map[l7Key]*l7Sum)}
		err := b.run(ctx)
		r.Layer7 = b.all()
		if r.Kernel == "" {
			r.Kernel = l.Kernel().Release
		}
		return errors.Join(l.Check(), err)
	})
}

// An l7Key is one kind of requests, an l7Sum what all rounds saw of them.
type (
	l7Key struct {
		system, mode, limit string
		bytes               int64
	}
	l7Sum struct {
		first []time.Duration
		rates []float64 // of each round
		users int
	}
)

type l7Bench struct {
	*lab.Lab
	o    Options
	keys []l7Key
	sums map[l7Key]*l7Sum
}

func (b *l7Bench) sum(k l7Key) *l7Sum {
	if b.sums[k] == nil {
		b.sums[k] = &l7Sum{}
		b.keys = append(b.keys, k)
	}
	return b.sums[k]
}

// run measures all systems in turn, as the processors allow, and then with slow links.
func (b *l7Bench) run(ctx context.Context) error {
	if err := drive.Of(b.Lab).AwaitPeers(ctx); err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for range l7Rounds {
		if err := b.round(ctx, l7Processors); err != nil {
			return err
		}
	}
	for _, s := range b.Servers() {
		if err := b.sh(ctx, s.Name, "tc qdisc add dev eth0 root tbf rate "+httpLink+" burst 32k latency 100ms"); err != nil {
			return err
		}
	}
	return b.round(ctx, l7Links)
}

// round measures each system once. Links only limit what is not small.
func (b *l7Bench) round(ctx context.Context, limit string) error {
	for _, s := range l7Systems {
		if err := b.sh(ctx, b.Servers()[0].Name, s.on); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		time.Sleep(time.Second) // peers hear of it
		for _, mode := range []string{l7Close, l7KeepAlive} {
			for _, reply := range l7Replies {
				if limit == l7Links && reply.bytes != l7Largest {
					continue
				}
				if err := b.measure(ctx, b.targets(s.port), l7Key{s.name, mode, limit, reply.bytes}, reply.path, reply.timed); err != nil {
					return fmt.Errorf("%s, %s, %d bytes: %w", s.name, mode, reply.bytes, err)
				}
			}
		}
		if err := b.sh(ctx, b.Servers()[0].Name, s.off); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// targets are the addresses that clients ask: a port of s1, or the servers behind it.
func (b *l7Bench) targets(port int) []string {
	servers := b.Servers()
	if port != 0 {
		return []string{servers[0].Endpoint(family.V4, port)}
	}
	var all []string
	for _, s := range servers[1:] {
		all = append(all, s.Endpoint(family.V4, 80))
	}
	return all
}

// measure times requests one after the other, and then counts those of several users.
func (b *l7Bench) measure(ctx context.Context, targets []string, k l7Key, path string, timed int) error {
	sum := b.sum(k)
	begun := time.Now()
	ask := l7Ask{path: path, bytes: k.bytes, keep: k.mode == l7KeepAlive}
	before, err := drive.Of(b.Lab).ReadCounters(ctx)
	if err != nil {
		return err
	}
	u := b.user(b.Clients()[0].Name, targets[0], ask)
	for range timed {
		first, err := u.request(ctx)
		if err != nil {
			u.close()
			return err
		}
		sum.first = append(sum.first, first)
	}
	u.close()
	rate, users := float64(timed)/time.Since(begun).Seconds(), 1
	if k.bytes <= l7Largest {
		n, err := b.count(ctx, targets, ask)
		if err != nil {
			return err
		}
		rate, users = float64(n)/l7Duration.Seconds(), l7Users*len(b.Clients())
	}
	sum.rates, sum.users = append(sum.rates, rate), users
	after, err := drive.Of(b.Lab).ReadCounters(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.o.Progress, "          %-12s %-9s %-10s %8d B: first byte after %5.2f ms, %6.1f/s\n", k.system, k.mode, k.limit, k.bytes,
		milliseconds(quantile(sum.first, 0.5)), rate)
	return checkL7Way(k.system, before[0], after[0])
}

// checkL7Way makes sure that requests took the way that is measured, by what s1 counted.
func checkL7Way(system string, before, after drive.Counters) error {
	if n := after.Served - before.Served; n != 0 {
		return fmt.Errorf("s1 served %d connections itself", n)
	}
	redirects := system == L7Redirect || system == L7Handover
	if n := after.Redirected - before.Redirected; (n > 0) != redirects {
		return fmt.Errorf("s1 redirected %d connections", n)
	}
	return nil
}

func (b *l7Bench) all() []Layer7 {
	var all []Layer7
	for _, k := range b.keys {
		s := b.sums[k]
		if len(s.first) == 0 || len(s.rates) == 0 {
			continue
		}
		all = append(all, Layer7{
			System: k.system, ReplyBytes: k.bytes, Mode: k.mode, Limit: k.limit, Users: s.users,
			TTFBP50MS: milliseconds(quantile(s.first, 0.5)), TTFBP99MS: milliseconds(quantile(s.first, 0.99)),
			ConnectionsPS: median(s.rates),
		})
	}
	return all
}

// quantile returns the value that a share of all does not exceed; 0 of none.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return v[min(int(q*float64(len(v))), len(v)-1)]
}
