// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"dpr/userland/config"
	"dpr/userland/receive"
)

const (
	synchronise = "synchronise the clocks of all hosts (NTP)"
	sameKey     = "give all hosts the same report.key_file"
)

// remedies are what to do about reports that are refused, by reason.
var remedies = map[string]string{
	"clock":           synchronise,
	"unauthenticated": sameKey,
	"authentication":  sameKey,
	"unknown_key":     sameKey,
	"bad_hmac":        sameKey,
	"sender":          "a host sends reports from another address than its own: set the key address there, or correct its routes; NAT between hosts does not work",
	"own_address":     "two hosts have the same address: change the key address, or the address, of one",
	"version":         "a host runs a version of dpr that this one does not understand: upgrade the older one",
	"too_many_hosts":  "the load table is full: split the cluster",
	"early":           "none: it passes by itself",
	"replayed":        "none, if it is rare: the network repeats or reorders datagrams",
}

// harmless are counts of datagrams that are no trouble.
var harmless = []string{receive.Accepted, receive.Own, receive.Superseded}

func checkReports(f *Facts) []Finding {
	if !f.configured() || f.File == nil || len(f.File.Report.Networks) == 0 {
		return nil
	}
	if !f.Receiving {
		return []Finding{{"reports", Problem, "dpr-receive does not run: this host does not learn of the others' loads", "systemctl start dpr-receive; journalctl -u dpr-receive"}}
	}
	var list []Finding
	var names []string
	for name, n := range f.Refused {
		if n > 0 && !slices.Contains(harmless, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		what := fmt.Sprintf("within %v, %d reports were refused: %s", f.Waited.Round(time.Second/10), f.Refused[name], receive.Explain(name))
		if from := f.Refusing[name]; len(from) > 0 {
			what += "; from " + some(from)
		}
		remedy := remedies[name]
		if name == "clock" && !slices.ContainsFunc(f.Services, config.HandsOver) {
			remedy += ", or raise report.clock_window"
		}
		list = append(list, Finding{"reports", Problem, what, remedy})
	}
	if f.Heard == 0 {
		finding := Finding{"reports", Warning, fmt.Sprintf("within %v, no report of another host was accepted", f.Waited.Round(time.Second/10)),
			"if there are other hosts: allow UDP port " + fmt.Sprint(f.File.Report.Port) + ", give all hosts the same report.network; if a switch filters multicasts (" + f.snooping() + " without querier), use unicast networks"}
		if len(f.peers()) > 0 {
			finding.Severity = Problem
		}
		list = append(list, finding)
	}
	return list
}

func checkClock(f *Facts) []Finding {
	if !f.Unsynced || f.File == nil || len(f.File.Report.Keys) == 0 {
		return nil
	}
	return []Finding{{"clock", Warning,
		fmt.Sprintf("the clock is not synchronised: once it differs by more than %v from the others', reports are refused", f.File.Report.ClockWindow),
		"run an NTP client"}}
}

// checkHandovers looks at what this host drops of connections that hosts hand to each other. The
// host that has sent it waits, and the connection ends.
func checkHandovers(f *Facts) []Finding {
	var list []Finding
	for _, dropped := range []struct {
		n           uint64
		why, remedy string
	}{
		{f.Stale, "their times differ by more than 10 s from this host's clock", synchronise},
		{f.Forged, "they were not made with a key of this host", sameKey},
	} {
		if dropped.n > 0 {
			list = append(list, Finding{"handovers", Problem,
				fmt.Sprintf("while this ran, %d messages of hosts that hand connections over were dropped: %s; these connections hang, and end", dropped.n, dropped.why), dropped.remedy})
		}
	}
	return list
}

// checkName compares what a name stands for with the hosts of the cluster.
func checkName(f *Facts) []Finding {
	if f.Unnamed != "" {
		return []Finding{{"dns", Note, fmt.Sprintf("cannot resolve %s: %s", f.Name, f.Unnamed), "look at the resolver of this host (/etc/resolv.conf)"}}
	}
	if f.Name == "" || !f.configured() {
		return nil
	}
	hosts := append([]netip.Addr{f.Config.Address}, f.peers()...)
	var list []Finding
	var missing, foreign []netip.Addr
	for _, h := range hosts {
		if !slices.Contains(f.Named, h) {
			missing = append(missing, h)
		}
	}
	for _, a := range f.Named {
		if !slices.Contains(hosts, a) && f.holder(a) == nil {
			foreign = append(foreign, a)
		}
	}
	if len(missing) > 0 {
		list = append(list, Finding{"dns", Warning, fmt.Sprintf("%s does not name the hosts %s: clients do not reach them directly", f.Name, some(missing)), "dprctl zone writes the records"})
	}
	if len(foreign) > 0 {
		list = append(list, Finding{"dns", Problem, fmt.Sprintf("%s names %s, which is no host that this one knows", f.Name, some(foreign)), "remove the address from DNS, or look why that host is not heard"})
	}
	return list
}
