// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dpr/userland/dprnl"
)

// Ports is a range of ports, both ends included.
type Ports struct {
	First, Last uint16
}

// String formats the range as the file has it.
func (p Ports) String() string { return fmt.Sprintf("%d-%d", p.First, p.Last) }

// leastSplicePort is the first port that splices may have: those below it are reserved.
const leastSplicePort = 1024

// ParsePorts reads a range that splices may have, such as "61000-65535".
func ParsePorts(s string) (Ports, error) {
	first, last, _ := strings.Cut(s, "-")
	low, err := strconv.ParseUint(first, 10, 16)
	high, wrong := strconv.ParseUint(last, 10, 16)
	if err != nil || wrong != nil || low < leastSplicePort || high < low {
		return Ports{}, fmt.Errorf("%q is not a range of ports from %d to %d, such as \"61000-65535\"", s, leastSplicePort, math.MaxUint16)
	}
	return Ports{uint16(low), uint16(high)}, nil
}

// ports reads a range of ports. Without the key, it leaves *p alone.
func (t table) ports(name string, p *Ports) {
	s, ok := t.text(name)
	if !ok {
		return
	}
	ports, err := ParsePorts(s)
	if err != nil {
		t.d.mistake(t.key(name), "%v", err)
		return
	}
	*p = ports
}

// A CheckKind is how a backend is checked.
type CheckKind string

// The kinds of checks.
const (
	CheckNone CheckKind = "none"
	CheckTCP  CheckKind = "tcp"  // it accepts a connection
	CheckHTTP CheckKind = "http" // it answers a request
)

// A Check says how to find out whether a backend answers.
type Check struct {
	Backend  string // its name
	Target   netip.AddrPort
	Kind     CheckKind // not CheckNone
	Path     string    // of the request
	Proxy    bool      // it expects the PROXY protocol
	Interval time.Duration
}

// backends reads the backends, whose services are among those of the file.
func (d *decoder) backends(t table, services []dprnl.Service) (list []dprnl.Backend, checks []Check) {
	seen := make(map[string]string)
	for i, s := range t.tables("backend") {
		if i == dprnl.MaxBackends {
			d.mistake(s.path, "too many backends: the limit is %d", dprnl.MaxBackends)
			break
		}
		before := len(d.mistakes)
		b := s.backend(services)
		check := s.check(b)
		s.rest("name", "address", "port", "weight", "limit", "services", "proxy_protocol", "check", "check_path", "check_interval")
		if len(d.mistakes) > before {
			continue
		}
		if first, ok := seen[b.Name]; ok {
			d.mistake(s.path, "duplicate backend %q, first defined in line %d", b.Name, d.line(first))
			continue
		}
		seen[b.Name] = s.path
		list = append(list, b)
		if check.Kind != CheckNone {
			checks = append(checks, check)
		}
	}
	return list, checks
}

// A path with or without a query, as it is sent: no second slash, behind which a host would be.
var checkPath = regexp.MustCompile(`^/([!-"$-.0-~][!-"$-~]*)?$`)

// check reads how a backend is checked.
func (t table) check(b dprnl.Backend) Check {
	c := Check{Backend: b.Name, Kind: CheckNone, Path: "/", Proxy: b.Proxy, Interval: 2 * time.Second}
	if s, ok := t.text("check"); ok {
		switch kind := CheckKind(s); kind {
		case CheckNone, CheckTCP, CheckHTTP:
			c.Kind = kind
		default:
			t.d.mistake(t.key("check"), "%q is not one of %s, %s, %s", s, CheckNone, CheckTCP, CheckHTTP)
		}
	}
	if s, ok := t.text("check_path"); ok {
		if !checkPath.MatchString(s) {
			t.d.mistake(t.key("check_path"), `%q is not the path of a request, such as "/health"`, s)
		}
		c.Path = s
	}
	t.duration("check_interval", &c.Interval, 100*time.Millisecond, time.Hour)
	port := b.Port
	if port == 0 && len(b.Services) > 0 {
		port = b.Services[0]
	}
	c.Target = netip.AddrPortFrom(b.Address, port)
	return c
}

func (t table) backend(services []dprnl.Service) dprnl.Backend {
	b := dprnl.Backend{Weight: 1}
	for _, name := range []string{"name", "address", "services"} {
		if !t.has(name) {
			t.d.mistake(t.path, "missing key %s", name)
		}
	}
	if s, ok := t.text("name"); ok {
		if !dprnl.ValidBackendName(s) {
			t.d.mistake(t.key("name"), `%q is not a name of 1 to %d letters, digits, "-", "_" or "."`, s, dprnl.MaxBackendName)
		}
		b.Name = s
	}
	b.Address = t.address("address", ParseHost)
	integer(t, "port", &b.Port, 1, math.MaxUint16)
	integer(t, "weight", &b.Weight, 1, dprnl.MaxWeight)
	integer(t, "limit", &b.Limit, 0, math.MaxUint32)
	b.Services = t.servicePorts("services", services)
	b.Proxy = t.proxyProtocol()
	return b
}

// proxyProtocol reads whether a backend gets the PROXY protocol, of which there is one version.
func (t table) proxyProtocol() bool {
	v, ok := t.take("proxy_protocol")
	if !ok {
		return false
	}
	if on, ok := v.(bool); ok {
		return on
	}
	if v == "v2" {
		return true
	}
	t.d.mistake(t.key("proxy_protocol"), `%s is not true, false or "v2"`, show(v))
	return false
}

// servicePorts reads a list of ports of services that the file has.
func (t table) servicePorts(name string, services []dprnl.Service) []uint16 {
	v, ok := t.take(name)
	if !ok {
		return nil
	}
	values, ok := v.([]any)
	if !ok || len(values) == 0 || len(values) > dprnl.MaxBackendServices {
		t.d.mistake(t.key(name), "%s is not a list of 1 to %d ports of services", show(v), dprnl.MaxBackendServices)
		return nil
	}
	var list []uint16
	for _, v := range values {
		n, ok := v.(int64)
		if !ok || n < 1 || n > math.MaxUint16 {
			t.d.mistake(t.key(name), "%s is not a whole number from 1 to %d", show(v), math.MaxUint16)
			return nil
		}
		known := false
		for _, s := range services {
			known = known || int64(s.Port) == n
		}
		if !known {
			t.d.mistake(t.key(name), "there is no service on port %d", n)
			return nil
		}
		for _, p := range list {
			if int64(p) == n {
				t.d.mistake(t.key(name), "port %d is there twice", n)
				return nil
			}
		}
		list = append(list, uint16(n))
	}
	return list
}
