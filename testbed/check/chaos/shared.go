// SPDX-License-Identifier: MIT

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
)

const (
	// sharedName is what a connection has asked that used the address of all hosts.
	sharedName = "all hosts"
	// withdrawAfter is how long routes still lead to a host that is gone: routers notice
	// by BFD or a short hold time. It is less than ARP takes to give up.
	withdrawAfter = 1500 * time.Millisecond
)

// sharedAddress are those that all hosts have; no link has their networks.
var sharedAddress = map[family.Family]netip.Addr{
	family.V4: netip.MustParseAddr("10.88.0.80"),
	family.V6: netip.MustParseAddr("fd88::80"),
}

// roads are the routes of the clients to the address that all hosts have. Each client is
// its own router: it spreads its connections over the next hops by a hash of addresses and
// ports, so that a change of them moves connections to other hosts.
type roads struct {
	lab     *lab.Lab
	servers []lab.Host // that have the address

	mu    sync.Mutex
	hops  map[string]int // hosts that are next hops, with their weights
	holds map[string]int // how many events keep a host from being one
}

// newRoads has all hosts be next hops; install makes the routes.
func newRoads(l *lab.Lab) *roads {
	return roadsOf(l, l.Servers())
}

func roadsOf(l *lab.Lab, servers []lab.Host) *roads {
	r := &roads{lab: l, servers: servers, hops: map[string]int{}, holds: map[string]int{}}
	for _, h := range servers {
		r.hops[h.Name] = 1
	}
	return r
}

// install gives all hosts the address and all clients the routes.
func (r *roads) install(ctx context.Context) error {
	for _, h := range r.servers {
		if err := r.address(ctx, h.Name); err != nil {
			return err
		}
	}
	for _, client := range r.lab.Clients() {
		// Otherwise a socket that sends something again takes another route with it.
		settings := []string{"net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1", "net.core.txrehash=0"}
		if _, err := r.lab.Output(ctx, client.Name, append([]string{"sysctl", "-qw"}, settings...)...); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set(ctx)
}

// remove takes away what install has made.
func (r *roads) remove(ctx context.Context) error {
	var err error
	for _, client := range r.lab.Clients() {
		_, clientErr := r.lab.Output(ctx, client.Name, "sh", "-ec",
			fmt.Sprintf("ip route del %s; ip -6 route del %s", sharedAddress[family.V4], sharedAddress[family.V6]))
		err = errors.Join(err, clientErr)
	}
	for _, h := range r.servers {
		_, hostErr := r.lab.Output(ctx, h.Name, "sh", "-ec",
			fmt.Sprintf("ip addr del %s/32 dev lo; ip addr del %s/128 dev lo", sharedAddress[family.V4], sharedAddress[family.V6]))
		err = errors.Join(err, hostErr)
	}
	return err
}

// address gives a host the address.
func (r *roads) address(ctx context.Context, host string) error {
	_, err := r.lab.Output(ctx, host, "sh", "-ec", fmt.Sprintf("ip addr replace %s/32 dev lo; ip addr replace %s/128 dev lo nodad",
		sharedAddress[family.V4], sharedAddress[family.V6]))
	return err
}

// set gives all clients the routes. r.mu is held.
func (r *roads) set(ctx context.Context) error {
	script := r.script()
	for _, client := range r.lab.Clients() {
		if _, err := r.lab.Output(context.WithoutCancel(ctx), client.Name, "sh", "-ec", script); err != nil {
			return err
		}
	}
	return nil
}

// script is what a client runs to have the routes.
func (r *roads) script() string {
	var b strings.Builder
	for _, f := range family.All {
		fmt.Fprintf(&b, "ip -%d route replace %s", f, sharedAddress[f])
		for _, h := range r.next() {
			fmt.Fprintf(&b, " nexthop via %s dev eth0 weight %d", h.In(f), r.hops[h.Name])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// next are the hosts that are next hops. If events keep all from being one, all are: routers
// that have lost all routes send nothing, so that nothing could be said about dpr.
func (r *roads) next() []lab.Host {
	free := slices.DeleteFunc(slices.Clone(r.servers), func(h lab.Host) bool { return r.holds[h.Name] > 0 })
	if len(free) == 0 {
		return r.servers
	}
	return free
}

// withdraw takes a host out of the routes until the returned function is called.
func (r *roads) withdraw(ctx context.Context, host string) (announce func(context.Context) error, err error) {
	change := func(ctx context.Context, by int) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.holds[host] += by
		return r.set(ctx)
	}
	if err := change(ctx, 1); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return change(ctx, -1) }, nil
}

// lose is withdraw for a host that is gone without a word.
func (r *roads) lose(ctx context.Context, host string) (announce func(context.Context) error, err error) {
	rest(ctx, withdrawAfter)
	return r.withdraw(ctx, host)
}

// rehash gives the next hops weights, in the order of the hosts' names: most connections
// come to another host than before.
func (r *roads) rehash(ctx context.Context, weights []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, h := range r.servers {
		n, err := strconv.Atoi(weights[i%len(weights)])
		if err != nil {
			return fmt.Errorf("weight of a next hop: %w", err)
		}
		r.hops[h.Name] = n
	}
	return r.set(ctx)
}
