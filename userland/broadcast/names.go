// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
)

const (
	lookupEvery = 30 * time.Second // a name whose addresses are known
	lookupSoon  = 2 * time.Second  // a name that has none yet
	lookupLimit = 5 * time.Second  // what one lookup may take
)

// LookupHost looks up the addresses of a name of one family, "ip4" or "ip6", in
// /etc/hosts and DNS.
func LookupHost(ctx context.Context, family, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, family, name)
}

// names knows the addresses of hosts that the configuration has by name. It looks them up
// beside the reports, which wait for nothing. A name that cannot be looked up keeps the
// addresses that it had.
type names struct {
	lookup func(ctx context.Context, family, name string) ([]netip.Addr, error)
	log    *daemon.Limited
	wake   chan struct{} // with room for one: the family has changed

	mu      sync.Mutex
	six     bool                    // addresses of IPv6 are wanted, not of IPv4
	known   map[string][]netip.Addr // sorted
	changes int                     // of known
}

// run looks names up until ctx is done: those of the configuration of that moment.
func (n *names) run(ctx context.Context, current func() *config.Config) {
	due := make(map[string]time.Time)
	six := n.wantsSix()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		now := time.Now()
		wanted := wantedNames(current())
		if now := n.wantsSix(); now != six {
			six = now
			clear(due)
		}
		n.forget(wanted, due)
		var all sync.WaitGroup
		for _, name := range wanted {
			if now.Before(due[name]) {
				continue
			}
			all.Go(func() { n.ask(ctx, name) })
		}
		all.Wait()
		for _, name := range wanted {
			if !now.Before(due[name]) {
				due[name] = now.Add(lookupEvery)
				if len(n.addresses(name)) == 0 {
					due[name] = now.Add(lookupSoon)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.wake:
		}
	}
}

// use has addresses looked up of the family of this host's own: reports are sent from it.
func (n *names) use(host netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.six == host.Is6() {
		return
	}
	n.six = host.Is6()
	clear(n.known)
	n.changes++
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *names) wantsSix() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.six
}

// wantedNames returns the names of a configuration, each once.
func wantedNames(c *config.Config) []string {
	var list []string
	for _, network := range c.Report.Networks {
		if network.Name != "" && !slices.Contains(list, network.Name) {
			list = append(list, network.Name)
		}
	}
	return list
}

// ask looks one name up.
func (n *names) ask(ctx context.Context, name string) {
	limited, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	six, family := n.wantsSix(), "ip4"
	if six {
		family = "ip6"
	}
	found, err := n.lookup(limited, family, name)
	if err == nil && len(found) == 0 {
		err = errors.New("it has no address of " + family)
	}
	if err != nil {
		if ctx.Err() == nil {
			n.log.Log(slog.LevelWarn, "lookup "+name, "looking up a host failed", "name", name, "error", err, "addresses", n.addresses(name))
		}
		return
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare)
	found = slices.Compact(found)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.six == six && !slices.Equal(found, n.known[name]) {
		n.known[name] = found
		n.changes++
	}
}

// forget removes what is known of names that are not wanted any more.
func (n *names) forget(wanted []string, due map[string]time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range due {
		if !slices.Contains(wanted, name) {
			delete(due, name)
			delete(n.known, name)
			n.changes++
		}
	}
}

func (n *names) addresses(name string) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[name]
}

// version changes when an address does.
func (n *names) version() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes
}

// expand returns networks with addresses in place of names, but for this host's own
// (its name often has a loopback address in /etc/hosts), and for what is there already.
func (n *names) expand(list []config.Network, host netip.Addr) []config.Network {
	var out []config.Network
	add := func(network config.Network) {
		if !slices.Contains(out, network) {
			out = append(out, network)
		}
	}
	for _, network := range list {
		if network.Name == "" {
			add(network)
			continue
		}
		for _, a := range n.addresses(network.Name) {
			if a != host && !a.IsLoopback() {
				add(config.Network{Unicast: netip.AddrPortFrom(a, network.Port)})
			}
		}
	}
	return out
}
