// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/ethtool"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
	"dpr/userland/rtnl"
)

// A Kernel is the part of dprnl.Client that Gather uses.
type Kernel interface {
	Config(context.Context) (dprnl.Config, error)
	Services(context.Context) ([]dprnl.Service, error)
	Peers(context.Context) ([]dprnl.Peer, error)
	Stats(context.Context) (dprnl.Stats, error)
	AskPeer(ctx context.Context, address netip.Addr) error
}

// Options say what Gather reads.
type Options struct {
	File *config.Config
	// Kernel is nil if the module is not loaded.
	Kernel Kernel
	// Reports asks dpr-receive.
	Reports func(ctx context.Context, path string) (receive.Status, error)
	// FastPath asks dpr-fastpath.
	FastPath func(ctx context.Context, path string) (fastpath.Status, error)
	Name     string // a DNS name; empty: none
}

// listen is how many periods Gather listens for reports, and longest at most.
const (
	listen  = 2
	longest = 10 * time.Second
)

// patience is how long Gather waits for DNS.
const patience = 5 * time.Second

// Gather reads the facts of this host. It needs the rights of root; what a host cannot
// tell is left out. It sends each peer two ICMP echo requests, and has the module ask each
// for answers.
func Gather(ctx context.Context, o Options) (*Facts, error) {
	f := &Facts{File: o.File, Sysctls: map[string]int{}, Routes: map[netip.Addr]Route{}, Name: o.Name}
	var before dprnl.Stats
	if o.Kernel != nil {
		var err error
		if before, err = f.readKernel(ctx, o.Kernel); err != nil {
			return nil, err
		}
	}
	if err := f.readLinks(kernelTables()); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- f.readReports(ctx, o) }()
	f.readFastPath(ctx, o)
	f.readRoutes(kernelTables())
	answered := make(chan map[netip.Addr]Answer, 1)
	go func() { answered <- f.askPeers(ctx, o.Kernel) }()
	f.readSysctls()
	f.readFirewall(ctx)
	f.Filtered = readFiltered()
	f.Vendor = strings.TrimSpace(readText("/sys/class/dmi/id/sys_vendor"))
	f.Unsynced = unsynced()
	f.Echoes = echoes(ctx, f.Routes)
	f.Answers = <-answered
	if err := <-done; err != nil {
		return nil, err
	}
	if o.Kernel != nil {
		if err := f.readDropped(ctx, o.Kernel, before); err != nil {
			return nil, err
		}
	}
	if o.Name != "" {
		f.resolve(ctx, net.DefaultResolver)
	}
	return f, nil
}

// resolve looks up the name. One that does not exist stands for no address.
func (f *Facts) resolve(ctx context.Context, r *net.Resolver) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	family := "ip4"
	if f.six() {
		family = "ip6"
	}
	named, err := r.LookupNetIP(ctx, family, f.Name)
	var failed *net.DNSError
	if err != nil && !(errors.As(err, &failed) && failed.IsNotFound) {
		f.Unnamed = err.Error()
	}
	for _, a := range named {
		f.Named = append(f.Named, a.Unmap())
	}
}

// readKernel returns the counters, too.
func (f *Facts) readKernel(ctx context.Context, k Kernel) (s dprnl.Stats, err error) {
	f.Loaded = true
	if f.Config, err = k.Config(ctx); err != nil {
		return s, err
	}
	if f.Services, err = k.Services(ctx); err != nil {
		return s, err
	}
	if f.Peers, err = k.Peers(ctx); err != nil {
		return s, err
	}
	return k.Stats(ctx)
}

// readDropped compares the counters of handovers that are dropped with those of before.
func (f *Facts) readDropped(ctx context.Context, k Kernel, before dprnl.Stats) error {
	now, err := k.Stats(ctx)
	if err != nil {
		return err
	}
	more := func(s dprnl.Stat) uint64 { return max(now.Get(s), before.Get(s)) - before.Get(s) }
	f.Stale, f.Forged = more(dprnl.StatRxHandoverStale), more(dprnl.StatRxHandoverForged)
	return nil
}

// readReports compares dpr-receive's counts over some periods.
func (f *Facts) readReports(ctx context.Context, o Options) error {
	if !f.configured() || o.File == nil || len(o.File.Report.Networks) == 0 {
		return nil
	}
	start := time.Now()
	before, err := o.Reports(ctx, o.File.CountsPath())
	if err != nil {
		return nil // it does not run: that is the finding
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(listen*o.File.Report.Period+200*time.Millisecond, longest)):
	}
	after, err := o.Reports(ctx, o.File.CountsPath())
	if err != nil {
		return nil
	}
	f.Receiving, f.Waited, f.Refused = true, time.Since(start), map[string]uint64{}
	for name, n := range after.Counts {
		if d := n - before.Counts[name]; n > before.Counts[name] {
			f.Refused[name] = d
		}
	}
	f.Refusing = map[string][]netip.Addr{}
	for _, h := range after.Hosts {
		if !h.RefusedAt.Before(start.Round(0)) {
			f.Refusing[h.Refused] = append(f.Refusing[h.Refused], h.Address)
		}
	}
	f.Shared, f.Several = f.shared(after.Hosts), f.several(after.Hosts)
	f.Heard = f.Refused[receive.Accepted] + f.Refused[receive.Superseded]
	return nil
}

// readFastPath asks for the states of the devices that are to have the fast path.
func (f *Facts) readFastPath(ctx context.Context, o Options) {
	if o.File == nil {
		return
	}
	s, err := o.FastPath(ctx, o.File.FastPathSocket())
	f.FastPath = fastpath.States(o.File, s, err)
}

// tables are lists of the kernel.
type tables struct {
	links     func() ([]netlink.Link, error)
	addresses func(l netlink.Link, family int) ([]netlink.Addr, error)
	rules     func(family int) ([]netlink.Rule, error)
}

func kernelTables() tables { return tables{netlink.LinkList, netlink.AddrList, netlink.RuleList} }

func (f *Facts) readLinks(t tables) error {
	links, err := rtnl.Whole(t.links)
	if err != nil {
		return fmt.Errorf("reading the interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	for _, l := range links {
		a := l.Attrs()
		link := Link{Name: a.Name, Index: a.Index, Kind: l.Type(), Master: names[a.MasterIndex], MTU: a.MTU, Up: a.Flags&net.FlagUp != 0, LRO: ethtool.Has(a.Name, ethtool.LRO)}
		addrs, err := rtnl.Whole(func() ([]netlink.Addr, error) { return t.addresses(l, netlink.FAMILY_ALL) })
		if err != nil {
			return fmt.Errorf("reading the addresses of %s: %w", a.Name, err)
		}
		for _, x := range addrs {
			if p, ok := prefix(x.IPNet); ok {
				link.Addresses = append(link.Addresses, p)
			}
		}
		if r, ok := netip.AddrFromSlice(remote(l)); ok {
			link.Remote = r.Unmap()
		}
		switch x := l.(type) {
		case *netlink.Bond:
			link.Mode = x.Mode.String()
		case *netlink.Vlan:
			link.Parent = names[a.ParentIndex]
		}
		if link.Kind == "bridge" {
			dir := "/sys/class/net/" + a.Name + "/bridge/"
			link.Snooping = strings.TrimSpace(readText(dir+"multicast_snooping")) == "1"
			link.Querier = strings.TrimSpace(readText(dir+"multicast_querier")) == "1"
		}
		f.Links = append(f.Links, link)
	}
	return nil
}

// remote is the other end of a tunnel of a kind that dpr's packets have too.
func remote(l netlink.Link) net.IP {
	switch t := l.(type) {
	case *netlink.Iptun:
		return t.Remote
	case *netlink.Sittun:
		return t.Remote
	case *netlink.Ip6tnl:
		return t.Remote
	}
	return nil
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok
}

// readRoutes asks for the way to each peer, and for rules that ask for the source.
func (f *Facts) readRoutes(t tables) {
	for _, p := range f.peers() {
		f.Routes[p] = f.route(p)
	}
	family := netlink.FAMILY_V4
	if f.six() {
		family = netlink.FAMILY_V6
	}
	rules, err := rtnl.Whole(func() ([]netlink.Rule, error) { return t.rules(family) })
	if err != nil {
		return // a kernel without policy routing
	}
	for _, r := range rules {
		if src, ok := prefix(r.Src); ok && src.Bits() > 0 {
			f.Rules = append(f.Rules, Rule{r.Priority, src, r.Table})
		}
	}
}

func (f *Facts) route(p netip.Addr) Route {
	o := &netlink.RouteGetOptions{}
	if f.holder(f.Config.Address) != nil {
		o.SrcAddr = f.Config.Address.AsSlice()
	}
	routes, err := netlink.RouteGetWithOptions(p.AsSlice(), o)
	if err != nil {
		return Route{Err: err.Error()}
	}
	if len(routes) == 0 {
		return Route{Err: "none"}
	}
	r := Route{MTU: routes[0].MTU}
	for _, l := range f.Links {
		if l.Index == routes[0].LinkIndex {
			r.Device = l.Name
			if r.MTU == 0 {
				r.MTU = l.MTU
			}
		}
	}
	return r
}

func (f *Facts) readSysctls() {
	names := []string{"net/ipv4/conf/all/rp_filter", "net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max", "net/ipv4/neigh/default/gc_thresh3", "net/ipv6/neigh/default/gc_thresh3", "net/ipv4/tcp_syncookies"}
	for _, name := range []string{"arp_ignore", "arp_announce"} {
		names = append(names, "net/ipv4/conf/all/"+name)
	}
	for _, l := range f.Links {
		for _, name := range []string{"rp_filter", "arp_ignore", "arp_announce"} {
			names = append(names, "net/ipv4/conf/"+l.Name+"/"+name)
		}
	}
	for _, n := range names {
		if v, err := strconv.Atoi(strings.TrimSpace(readText("/proc/sys/" + n))); err == nil {
			f.Sysctls[n] = v
		}
	}
}

func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// readFiltered returns the count IPReversePathFilter of /proc/net/netstat.
func readFiltered() uint64 {
	return netstat(readText("/proc/net/netstat"), "TcpExt:", "IPReversePathFilter")
}

// netstat returns one count of a text of two lines for each group: names and values.
func netstat(text, group, name string) uint64 {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != group {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if n == name && i < len(f) {
				v, _ := strconv.ParseUint(f[i], 10, 64)
				return v
			}
		}
	}
	return 0
}

// unsynced asks the kernel whether a program keeps its clock right.
func unsynced() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC != 0
}
