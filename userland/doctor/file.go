// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"net/netip"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// ExamineFile says what is odd about a configuration file that has no mistakes: what is
// allowed, and hardly meant.
func ExamineFile(c *config.Config) []Finding {
	var list []Finding
	add := func(what, remedy string) { list = append(list, Finding{"file", Warning, what, remedy}) }
	for _, o := range c.Overrides {
		list = append(list, Finding{"file", Note, fmt.Sprintf("%s in %s is of no effect: %s has it too, and is read later", o.Key, o.File, o.By), ""})
	}
	if len(c.Services) == 0 {
		add("the file has no service: nothing is redirected", "add a [[service]]")
	}
	for _, s := range c.Services {
		for _, all := range c.Services {
			if s.Port == all.Port && !everyAddress(s.Address) && everyAddress(all.Address) {
				add(fmt.Sprintf("port %d is a service on all addresses, and once more on %v", s.Port, s.Address), "remove one of the two")
			}
		}
	}
	for _, s := range c.Services {
		if s.Rules.Policy.Or(c.Policy) == dprnl.PolicyStateless && s.Rules.Affinity.Or(c.Affinity) > 0 && c.Orphans != dprnl.OrphansAsk {
			add(fmt.Sprintf("port %d has an affinity, so policy %v keeps its connections in a table: they end when the module is reloaded", s.Port, dprnl.PolicyStateless),
				fmt.Sprintf("set orphans = %q, or leave out the affinity", dprnl.OrphansAsk))
		}
	}
	if c.Report.SameKey {
		add("report.previous_key_file holds the same key as report.key_file: no other key is accepted", "write the other key of the change there, or leave it out after the change")
	}
	if len(c.Report.Networks) == 0 {
		add("the file has no report.network: this host neither hears others nor is heard", "add a [[report.network]]")
	} else if !c.Address.IsValid() && !hasInterface(c) {
		add("the file has no address and no report.network with an interface: nothing says which address is this host's", "set the key address")
	}
	for _, t := range []struct {
		key         string
		value       time.Duration
		least, most time.Duration
		why         string
	}{
		{"established", c.Timeouts.Established, 5 * time.Minute, 0, "connections whose clients are silent for longer lose their way"},
		{"syn", c.Timeouts.Syn, 0, 10 * time.Minute, "a flood of SYNs fills the routing table for as long"},
		{"syn", c.Timeouts.Syn, 3 * time.Second, 0, "a client that repeats its SYN may be given to another host"},
	} {
		if t.least > 0 && t.value < t.least || t.most > 0 && t.value > t.most {
			add(fmt.Sprintf("timeouts.%s is %v: %s", t.key, t.value, t.why), fmt.Sprintf("leave out the key; the default is %v", defaultTimeout(t.key)))
		}
	}
	return list
}

func everyAddress(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }

func defaultTimeout(key string) time.Duration {
	d := config.Defaults()
	if key == "syn" {
		return d.Timeouts.Syn
	}
	return d.Timeouts.Established
}

func hasInterface(c *config.Config) bool {
	for _, n := range c.Report.Networks {
		if n.Interface != "" {
			return true
		}
	}
	return false
}

func checkSense(f *Facts) []Finding {
	if f.File == nil {
		return nil
	}
	return ExamineFile(f.File)
}

// checkInterfaces looks for the interfaces that the file names.
func checkInterfaces(f *Facts) []Finding {
	if f.File == nil || len(f.Links) == 0 {
		return nil
	}
	var list []Finding
	for _, n := range f.File.Report.Networks {
		if n.Interface != "" && f.link(n.Interface) == nil {
			list = append(list, Finding{"file", Problem,
				fmt.Sprintf("there is no interface %s, which report.network names: no reports come or go there", n.Interface),
				"name an interface of \"ip link\""})
		}
	}
	return list
}
