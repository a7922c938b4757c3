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
	"strings"

	"golang.org/x/sys/unix"

	"dpr/userland/config"
	"dpr/userland/report"
)

// HostFacts is what status shows of this host besides the kernel module.
type HostFacts struct {
	Links     map[string]string // of interfaces: LinkUp, or what is wrong with them
	Addresses []netip.Addr      // of all interfaces
	Processes []string          // the names of all that run, as /proc/PID/comm has them
	Synced    bool              // a program keeps the clock right
}

// LinkUp is the state of an interface that works.
const LinkUp = "up"

// LookAtHost reads the facts, those of links for the named interfaces.
func LookAtHost(interfaces []string) HostFacts {
	f := HostFacts{Links: make(map[string]string), Processes: processes("/proc")}
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

// processes returns the names of all processes.
func processes(proc string) []string {
	files, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	var names []string
	for _, file := range files {
		if name, err := os.ReadFile(file); err == nil { // it may have ended
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names
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
	var list []string
	for _, p := range []struct{ name, without string }{
		{"dpr-broadcast", "the other hosts forget this one"},
		{"dpr-cleanup", "connections to dead hosts hang"},
	} {
		if !slices.Contains(f.Processes, p.name) {
			list = append(list, fmt.Sprintf("%s does not run: %s (systemctl status %s)", p.name, p.without, p.name))
		}
	}
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
