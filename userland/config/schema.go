// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

const maxTimeout = dprnl.MaxTimeout * time.Millisecond

// handoverWindow is how far the time of a handover may differ from a host's clock: as the
// module has it (kmod/handover_msg.h).
const handoverWindow = 10 * time.Second

// config reads the top level of the file.
func (d *decoder) config(t table) *Config {
	c := Defaults()
	c.Address = t.address("address", ParseHost)
	t.directory("runtime_directory", &c.RuntimeDir)
	t.word("policy", &c.Policy)
	t.word("hash", &c.Hash)
	t.word("estimate", &c.Estimate)
	t.word("marker", &c.Marker)
	t.word("forwarding", &c.Forwarding)
	t.word("answers", &c.Answers)
	t.word("orphans", &c.Orphans)
	t.maxLoad("max_load", &c.MaxLoad)
	integer(t, "max_flows", &c.MaxFlows, 1, dprnl.MaxFlows)
	t.duration("slow_start", &c.SlowStart, 0, maxTimeout)
	integer(t, "affinity", &c.Affinity, 0, dprnl.AffinityBits)
	integer(t, "affinity6", &c.Affinity6, 1, dprnl.Affinity6Bits)
	t.duration("affinity_time", &c.AffinityTime, 0, maxTimeout)
	t.duration("report_max_age", &c.ReportMaxAge, time.Millisecond, maxTimeout)
	t.start(&c.Start)
	integer(t, "weight", &c.Weight, 1, dprnl.MaxWeight)
	d.weights(t.table("weights"), &c.Weights)
	d.timeouts(t.table("timeouts"), &c.Timeouts)
	t.ports("splice_ports", &c.SplicePorts)
	integer(t, "max_splices", &c.MaxSplices, 1, dprnl.MaxSplices)
	t.fastPath(&c.FastPath)
	c.Services, c.Rulesets = d.services(t)
	c.Backends, c.Checks = d.backends(t, c.Services)
	d.report(t.table("report"), &c.Report, c.Address)
	d.cleanup(t.table("cleanup"), &c.Cleanup)
	t.rest("address", "runtime_directory", "policy", "hash", "estimate", "marker", "forwarding", "answers", "orphans", "max_load", "max_flows", "report_max_age", "slow_start", "affinity", "affinity6", "affinity_time", "start",
		"weight", "weights", "timeouts", "service", "splice_ports", "max_splices", "fast_path", "fast_path_devices", "backend", "report", "cleanup")
	d.across(&c)
	return &c
}

// start reads the state that a host begins with: one that leaves is not there.
func (t table) start(p *dprnl.State) {
	s, ok := t.text("start")
	switch {
	case !ok:
	case s == dprnl.StateActive.String():
		*p = dprnl.StateActive
	case s == dprnl.StateDraining.String():
		*p = dprnl.StateDraining
	default:
		t.d.mistake(t.key("start"), "%q is not one of %v, %v", s, dprnl.StateActive, dprnl.StateDraining)
	}
}

func (d *decoder) weights(t table, w *dprnl.Weights) {
	integer(t, "connections", &w.Connections, 0, dprnl.MaxWeight)
	integer(t, "cpu", &w.CPU, 0, dprnl.MaxWeight)
	integer(t, "redirected", &w.Redirected, 0, dprnl.MaxWeight)
	integer(t, "sockets", &w.Sockets, 0, dprnl.MaxWeight)
	t.rest("connections", "cpu", "redirected", "sockets")
	if *w == (dprnl.Weights{}) {
		d.mistake(t.path, "at least one weight must be above 0")
	}
}

func (d *decoder) timeouts(t table, o *dprnl.Timeouts) {
	t.duration("syn", &o.Syn, time.Millisecond, maxTimeout)
	t.duration("established", &o.Established, time.Millisecond, maxTimeout)
	t.duration("fin", &o.Fin, time.Millisecond, maxTimeout)
	t.duration("rst", &o.Rst, time.Millisecond, maxTimeout)
	t.rest("syn", "established", "fin", "rst")
}

func (d *decoder) services(t table) (services []dprnl.Service, rulesets []ServiceRules) {
	type key struct {
		port    uint16
		address netip.Addr
	}
	seen := make(map[key]string)
	for i, s := range t.tables("service") {
		if i == dprnl.MaxServices {
			d.mistake(s.path, "too many services: the limit is %d", dprnl.MaxServices)
			break
		}
		svc := dprnl.Service{Address: netip.IPv4Unspecified()}
		if !s.has("port") {
			d.mistake(s.path, "missing key port")
		}
		integer(s, "port", &svc.Port, 1, math.MaxUint16)
		if s.has("address") {
			svc.Address = s.address("address", ParseHost)
		}
		s.rules(&svc.Rules)
		ruleset := s.ruleset(svc.Rules.Dispatch.Or(dprnl.DispatchSyn))
		s.rest("port", "address", "policy", "hash", "max_load", "affinity", "affinity6", "affinity_time", "load", "forwarding", "dispatch", "group", "rule", "default_group")
		if svc.Port == 0 || !svc.Address.IsValid() {
			continue
		}
		k := key{svc.Port, svc.Address}
		if first, ok := seen[k]; ok {
			d.mistake(s.path, "duplicate service %v, first defined in line %d", svc, d.line(first))
			continue
		}
		seen[k] = s.path
		services = append(services, svc)
		if !ruleset.None() {
			rulesets = append(rulesets, ServiceRules{dprnl.Service{Port: svc.Port, Address: svc.Address}, ruleset})
		}
	}
	return services, rulesets
}

// rules reads the keys that a service may have of its own.
func (t table) rules(r *dprnl.Rules) {
	r.Policy.Own, r.Hash.Own, r.MaxLoad.Own = t.has("policy"), t.has("hash"), t.has("max_load")
	t.word("policy", &r.Policy.Value)
	t.word("hash", &r.Hash.Value)
	t.maxLoad("max_load", &r.MaxLoad.Value)
	r.Affinity.Own, r.Affinity6.Own, r.AffinityTime.Own = t.has("affinity"), t.has("affinity6"), t.has("affinity_time")
	integer(t, "affinity", &r.Affinity.Value, 0, dprnl.AffinityBits)
	integer(t, "affinity6", &r.Affinity6.Value, 1, dprnl.Affinity6Bits)
	t.duration("affinity_time", &r.AffinityTime.Value, 0, maxTimeout)
	r.Load.Own = t.has("load")
	t.word("load", &r.Load.Value)
	r.Forwarding.Own = t.has("forwarding")
	t.word("forwarding", &r.Forwarding.Value)
	r.Dispatch.Own = t.has("dispatch")
	t.word("dispatch", &r.Dispatch.Value)
}

// report reads how reports are sent, of a host with the given address or an invalid one.
func (d *decoder) report(t table, r *Report, host netip.Addr) {
	t.duration("period", &r.Period, 10*time.Millisecond, report.MaxPeriod)
	integer(t, "port", &r.Port, 1, math.MaxUint16)
	t.duration("clock_window", &r.ClockWindow, time.Second, time.Hour)
	before := len(d.mistakes)
	mayLack := d.keys(t, r)
	seen := make(map[Network]string)
	family := family{"this host's address, " + host.String() + ",", host}
	for _, n := range t.tables("network") {
		network, ok := d.network(n, r.Port)
		if !ok {
			continue
		}
		family.check(d, n, network)
		same := network
		same.TTL = 0
		if first, dup := seen[same]; dup {
			d.mistake(n.path, "duplicate network %v, first defined in line %d", network, d.line(first))
			continue
		}
		seen[same] = n.path
		r.Networks = append(r.Networks, network)
	}
	r.IPv6 = family.of.Is6()
	if len(r.Networks) > 0 && len(r.Keys) == 0 && !mayLack && d.readKey != nil && len(d.mistakes) == before {
		d.mistake(t.key("key_file"), `missing key file; to disable authentication, set authentication = "none"`)
	}
	t.rest("period", "port", "clock_window", "authentication", "key_file", "previous_key_file", "network")
}

// keys reads the keys and reports whether there may be none: the file explicitly disables
// authentication, or has one that this user may not read (readKey returns nil).
func (d *decoder) keys(t table, r *Report) (mayLack bool) {
	mode, given := t.text("authentication")
	if !given {
		mode = "hmac"
	}
	if mode != "hmac" && mode != "none" {
		d.mistake(t.key("authentication"), `%q is neither "hmac" nor "none"`, mode)
		mode = "hmac"
	}
	var keys []*report.Key
	for _, name := range []string{"key_file", "previous_key_file"} {
		path, ok := t.text(name)
		if !ok {
			continue
		}
		if mode == "none" {
			d.mistake(t.key(name), `key file given, but authentication = "none" does not use it`)
			continue
		}
		if d.readKey == nil {
			continue
		}
		key, err := d.readKey(path)
		if err != nil {
			d.mistake(t.key(name), "%v", err)
			continue
		}
		if key == nil {
			mayLack = true
			continue
		}
		if name == "previous_key_file" && len(keys) == 1 && keys[0].ID() == key.ID() {
			r.SameKey = true
			continue
		}
		keys = append(keys, key)
	}
	r.Keys = keys
	return mayLack || mode == "none"
}

func (d *decoder) network(t table, port uint16) (Network, bool) {
	var n Network
	before := len(d.mistakes)
	if t.has("unicast") {
		for _, name := range []string{"interface", "group", "ttl"} {
			if _, ok := t.take(name); ok {
				d.mistake(t.key(name), "a network has either unicast, or interface and group")
			}
		}
		t.endpoint("unicast", port, &n)
	} else {
		n.Interface, _ = t.text("interface")
		if n.Interface == "" || len(n.Interface) > 15 {
			d.mistake(t.key("interface"), "want the name of a network interface, 1 to 15 characters long")
		}
		if !t.has("group") {
			d.mistake(t.key("group"), `missing multicast group; 239.0.0.0/8 is for private use, for example "239.77.43.1", and so is ff12::/16 with IPv6, for example "ff12::7743"`)
		}
		n.Group = t.address("group", parseGroup)
		n.TTL = 1
		integer(t, "ttl", &n.TTL, 1, 255)
	}
	t.rest("interface", "group", "ttl", "unicast")
	return n, len(d.mistakes) == before
}

// endpoint reads an address or a name, with or without a port.
func (t table) endpoint(key string, port uint16, n *Network) {
	s, ok := t.text(key)
	if !ok {
		return
	}
	if _, err := netip.ParseAddr(s); err == nil {
		a, err := ParseHost(s)
		if err != nil {
			t.d.mistake(t.key(key), "%v", err)
		}
		n.Unicast = netip.AddrPortFrom(a, port)
		return
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		_, err := ParseHost(ap.Addr().String())
		if err == nil && ap.Port() == 0 {
			err = fmt.Errorf("%q has port 0", s)
		}
		if err != nil {
			t.d.mistake(t.key(key), "%v", err)
		}
		n.Unicast = ap
		return
	}
	name, text, given := strings.Cut(s, ":")
	if given {
		p, err := strconv.ParseUint(text, 10, 16)
		if err != nil || p == 0 {
			name = ""
		}
		port = uint16(p)
	}
	if !hostName.MatchString(name) || len(name) > 253 || numeric.MatchString(name) {
		t.d.mistake(t.key(key), "%q is neither a host's address nor its name, with or without a port, which follows an IPv6 address in brackets", s)
		return
	}
	n.Name, n.Port = name, port
}

// RFC 1123, section 2.1: a name's last label is not of digits only, so that no wrong
// address is taken for a name.
var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$`)
	numeric  = regexp.MustCompile(`(^|\.)[0-9]+\.?$`)
)

func (d *decoder) cleanup(t table, c *Cleanup) {
	t.duration("interval", &c.Interval, 10*time.Millisecond, time.Hour)
	integer(t, "silent_periods", &c.SilentPeriods, 1, 1000)
	t.duration("dead_after", &c.DeadAfter, time.Second, maxTimeout)
	t.rest("interval", "silent_periods", "dead_after")
}

// HandsOver tells whether connections of a service are handed from host to host, so that the
// hosts' clocks count.
func HandsOver(s dprnl.Service) bool {
	return s.Rules.Dispatch.Or(dprnl.DispatchSyn) != dprnl.DispatchSyn
}

// across checks constraints between keys. Values with mistakes have been replaced
// by defaults, so they are not reported twice.
func (d *decoder) across(c *Config) {
	if c.ReportMaxAge <= c.Report.Period {
		d.mistake("report_max_age", "%v is not longer than report.period, %v: each report would expire before the next one",
			c.ReportMaxAge, c.Report.Period)
	}
	if silent := time.Duration(c.Cleanup.SilentPeriods) * c.Report.Period; c.Cleanup.DeadAfter < silent {
		d.mistake("cleanup.dead_after", "%v is shorter than silent_periods times report.period, %v", c.Cleanup.DeadAfter, silent)
	}
	if i := slices.IndexFunc(c.Services, HandsOver); i >= 0 && c.Report.ClockWindow > handoverWindow {
		d.mistake("report.clock_window", "%v is longer than %v, and service %v has dispatch = %q: hosts whose clocks differ by more than %v cannot hand connections over",
			c.Report.ClockWindow, handoverWindow, c.Services[i].Port, c.Services[i].Rules.Dispatch.Value, handoverWindow)
	}
}
