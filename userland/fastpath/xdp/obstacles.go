// SPDX-License-Identifier: MIT

package xdp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dpr/userland/ethtool"
	"dpr/userland/firewall"
	"dpr/userland/rtnl"
)

// Obstacles are what keeps the fast path off a device.
type Obstacles struct {
	// Hard ones: it would do the wrong thing.
	Hard []string
	// Unseen ones can be forced: whether it does the wrong thing cannot be seen from here.
	Unseen []string
	// Passed ones can be forced, too: they would have seen packets that pass them by.
	Passed []string
	// Unread says why rules of the firewall could not be read: they may be of those.
	Unread []string
}

// None tells whether nothing is in the way, or nothing that cannot be forced.
func (o Obstacles) None(force bool) bool {
	return o.unread(force) && (force || len(o.Unread) == 0)
}

// unread tells whether nothing else is in the way than what could not be read.
func (o Obstacles) unread(force bool) bool {
	return len(o.Hard) == 0 && (force || len(o.Unseen) == 0 && len(o.Passed) == 0)
}

// why names those that count.
func (o Obstacles) why(force bool) string {
	list := slices.Clone(o.Hard)
	if !force {
		list = append(list, o.Unseen...)
		for _, p := range o.Passed {
			list = append(list, "packets would pass by "+p)
		}
		for _, u := range o.Unread {
			list = append(list, "packets would pass by firewall rules that cannot be read: "+u)
		}
	}
	return strings.Join(list, "; ")
}

// hookPriority is the module's own in PREROUTING: chains at or below see packets first.
const hookPriority = -450

// kinds are those of devices whose packets are the device's own, and no other's.
var kinds = slices.Concat([]string{"device"}, virtual)

// virtual are those at whose other end is no network, but a program or another host's stack.
var virtual = []string{"veth", "tuntap"}

// shared are the kinds of devices that take packets from the one they are on.
var shared = []string{"macvlan", "macvtap", "ipvlan", "ipvtap"}

// FindObstacles looks for what is in the way at a device of this thread's network namespace.
func FindObstacles(ctx context.Context, device string) (Obstacles, error) {
	var o Obstacles
	all, err := rtnl.Whole(netlink.LinkList)
	if err != nil {
		return o, fmt.Errorf("reading the devices: %w", err)
	}
	i := slices.IndexFunc(all, func(l netlink.Link) bool { return l.Attrs().Name == device })
	if i < 0 {
		return Obstacles{Hard: []string{"there is no such device"}}, nil
	}
	o.Hard = ofLink(all[i], all)
	o.Unseen = ofOtherEnd(all[i])
	qdiscs, err := rtnl.Whole(func() ([]netlink.Qdisc, error) { return netlink.QdiscList(all[i]) })
	if err != nil {
		return o, fmt.Errorf("reading the queueing disciplines of %s: %w", device, err)
	}
	o.Passed = append(ofQueues(qdiscs), ofPrograms(all[i].Attrs().Index)...)
	rules, unread := firewall.Read(ctx)
	o.Unread = unread
	for _, r := range rules {
		o.Passed = append(o.Passed, ofFirewall(r, device)...)
	}
	for _, hook := range []firewall.Hook{firewall.Output, firewall.Postrouting} {
		n, err := firewall.Programs(hook)
		if err != nil {
			o.Unread = append(o.Unread, err.Error())
		}
		if n > 0 {
			o.Passed = append(o.Passed, fmt.Sprintf("%d programs of BPF of netfilter (%s)", n, hook))
		}
	}
	return o, nil
}

// ofLink says what is wrong with a device, of all those that there are.
func ofLink(l netlink.Link, all []netlink.Link) (list []string) {
	a := l.Attrs()
	if a.EncapType != "ether" {
		list = append(list, "it is not Ethernet")
	}
	if !slices.Contains(kinds, l.Type()) {
		list = append(list, "it is a "+l.Type()+" device")
	}
	if a.MasterIndex != 0 {
		master := "another device"
		for _, m := range all {
			if m.Attrs().Index == a.MasterIndex {
				master = m.Type() + " " + m.Attrs().Name
			}
		}
		list = append(list, "it is a port of "+master)
	}
	for _, u := range all {
		if u.Attrs().ParentIndex == a.Index && slices.Contains(shared, u.Type()) {
			list = append(list, fmt.Sprintf("%s %s is on it", u.Type(), u.Attrs().Name))
		}
	}
	if a.Xdp != nil && a.Xdp.Attached {
		list = append(list, ErrBusy.Error())
	}
	// A VLAN's packet would be taken for one without tag.
	if ethtool.Has(a.Name, ethtool.RxVLAN) {
		list = append(list, fmt.Sprintf("it takes VLAN tags off before a program of XDP sees them (ethtool -K %s rxvlan off)", a.Name))
	}
	return list
}

// ofOtherEnd says what cannot be known of a device: whether its other end takes what programs of
// XDP send, and whether its packets have a VLAN's tag, which such programs do not see.
func ofOtherEnd(l netlink.Link) []string {
	if !slices.Contains(virtual, l.Type()) {
		return nil
	}
	return []string{"it is a " + l.Type() + " device, whose other end cannot be seen from here"}
}

// ofQueues names queueing disciplines that somebody chose, and places of filters. What the
// kernel gives a device by itself has no handle.
func ofQueues(qdiscs []netlink.Qdisc) (list []string) {
	for _, q := range qdiscs {
		switch a := q.Attrs(); {
		case q.Type() == "clsact" || q.Type() == "ingress":
			list = append(list, "traffic control filters ("+q.Type()+")")
		case a.Parent == netlink.HANDLE_ROOT && a.Handle != 0:
			list = append(list, "the queueing discipline "+q.Type())
		}
	}
	return list
}

// Places of programs for traffic control, of linux/bpf.h.
const (
	tcxIngress = 46
	tcxEgress  = 47
)

// ofPrograms names places of a device with programs for traffic control.
func ofPrograms(index int) (list []string) {
	for _, at := range []struct {
		place uint32
		name  string
	}{{tcxIngress, "ingress"}, {tcxEgress, "egress"}} {
		query := attrQuery{device: uint32(index), place: at.place}
		// Older kernels have no such place, and so nothing there.
		if _, err := bpf(unix.BPF_PROG_QUERY, &query); (err == nil || errors.Is(err, unix.ENOSPC)) && query.count > 0 {
			list = append(list, "programs of BPF for traffic control (tcx "+at.name+")")
		}
	}
	return list
}

// ofFirewall names the chains that see packets which come in before the module does, and
// those that go out.
func ofFirewall(r *firewall.Ruleset, device string) (list []string) {
	for _, at := range []struct {
		hook firewall.Hook
		high int
	}{
		{firewall.Ingress, math.MaxInt}, {firewall.Egress, math.MaxInt}, {firewall.Prerouting, hookPriority + 1},
		{firewall.Output, math.MaxInt}, {firewall.Postrouting, math.MaxInt},
	} {
		for _, c := range r.Seen(at.hook, device, at.high) {
			list = append(list, fmt.Sprintf("the firewall's chain %s %s (%s)", c.Table, c.Name, at.hook))
		}
	}
	return list
}
