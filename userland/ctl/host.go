// SPDX-License-Identifier: MIT

package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/report"
)

// HostFacts is what status shows of this host besides the kernel module.
type HostFacts struct {
	Links     map[string]string // of interfaces: LinkUp, or what is wrong with them
	Addresses []netip.Addr      // of all interfaces
	Processes []string          // the names of all that root runs, as /proc/PID/comm has them
	Synced    bool              // a program keeps the clock right
}

// LinkUp is the state of an interface that works.
const LinkUp = "up"

// LookAtHost reads the facts, those of links for the named interfaces.
func LookAtHost(interfaces []string) HostFacts {
	f := HostFacts{Links: make(map[string]string), Processes: processes("/proc", 0)}
	for _, name := range interfaces {
		f.Links[name] = linkState("/sys/class/net", name)
	}
	addrs, _ := net.InterfaceAddrs() // without any, status says that the address is missing
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(p.IP); ok {
				f.Addresses = append(f.Addresses, ip.Unmap())
			}
		}
	}
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	f.Synced = err == nil && t.Status&unix.STA_UNSYNC == 0
	return f
}

// linkState says what state an interface is in. Below is /sys/class/net.
func linkState(below, name string) string {
	carrier, err := os.ReadFile(filepath.Join(below, name, "carrier"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such interface"
	case err != nil: // EINVAL
		return "down"
	case strings.TrimSpace(string(carrier)) == "0":
		return "no carrier"
	}
	return LinkUp
}

// processes returns the names of all processes that a user runs: others can give theirs any
// name.
func processes(proc string, uid int) []string {
	dirs, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	var names []string
	for _, dir := range dirs {
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil || !runBy(string(status), uid) { // it may have ended
			continue
		}
		if name, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil {
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names
}

// runBy says whether a process is a user's, by its /proc/PID/status: whoever began it, not
// whose rights it has.
func runBy(status string, uid int) bool {
	for line := range strings.Lines(status) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			fields := strings.Fields(ids)
			return len(fields) > 0 && fields[0] == strconv.Itoa(uid)
		}
	}
	return false
}

// interfacesOf returns the interfaces that a file names for reports.
func interfacesOf(c *config.Config) []string {
	var names []string
	for _, n := range c.Report.Networks {
		if n.Interface != "" && !slices.Contains(names, n.Interface) {
			names = append(names, n.Interface)
		}
	}
	return names
}

// An ownView is what status shows of the file and of this host besides the module.
type ownView struct {
	Links  map[string]string `json:"links"` // of interfaces that reports leave by
	Keys   []string          `json:"keys"`  // ids: the first signs, the others are accepted too
	Synced bool              `json:"clock_synchronised"`
}

// A process is one that runs on every host, with what happens without it.
type process struct{ name, without string }

// daemons are the processes of a host that reports. The last one answers, too.
var daemons = []process{
	{"dpr-broadcast", "the other hosts forget this one"},
	{"dpr-cleanup", "connections to dead hosts hang"},
	{"dpr-receive", "this host forgets its peers"},
}

// missing returns the problems of those processes that do not run.
func (f HostFacts) missing(list []process) []string {
	var problems []string
	for _, p := range list {
		if !slices.Contains(f.Processes, p.name) {
			problems = append(problems, fmt.Sprintf("%s does not run: %s (systemctl status %s)", p.name, p.without, p.name))
		}
	}
	return problems
}

// view returns what status shows, and the problems. A host that reports nothing needs no
// processes.
func (f HostFacts) view(c *config.Config, address netip.Addr) (ownView, []string) {
	v := ownView{Links: f.Links, Keys: []string{}, Synced: f.Synced}
	for _, k := range c.Report.Keys {
		v.Keys = append(v.Keys, report.FormatID(k.ID()))
	}
	if len(c.Report.Networks) == 0 {
		return v, nil
	}
	list := f.missing(daemons[:2])
	for _, name := range interfacesOf(c) {
		if state := f.Links[name]; state != LinkUp {
			list = append(list, fmt.Sprintf("interface %s, which reports leave by: %s", name, state))
		}
	}
	if address.IsValid() && !address.IsUnspecified() && !slices.Contains(f.Addresses, address) {
		list = append(list, fmt.Sprintf("no interface has this host's address %v", address))
	}
	return v, list
}
