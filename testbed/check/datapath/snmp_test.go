// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"dpr/testbed/check/datapath/vnet"
)

// snmp returns one of a host's own counters, named as nstat does: TcpInErrs,
// TcpExtTCPTimeouts, Ip6InDiscards.
func snmp(t *testing.T, h *vnet.Host, name string) int {
	t.Helper()
	for _, file := range []string{"snmp", "netstat"} {
		text, err := h.Read("/proc/thread-self/net/" + file)
		check(t, err)
		if v, ok := parseSNMP(text, name); ok {
			return v
		}
	}
	text, err := h.Read("/proc/thread-self/net/snmp6")
	check(t, err)
	if v, ok := parseSNMP6(text, name); ok {
		return v
	}
	t.Fatalf("%s: no counter %s", h.Name, name)
	return 0
}

// parseSNMP6 finds a counter in lines of a name and a value.
func parseSNMP6(text, name string) (int, bool) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			v, err := strconv.Atoi(f[1])
			return v, err == nil
		}
	}
	return 0, false
}

// parseSNMP finds a counter in pairs of lines: "Tcp: names", "Tcp: values".
func parseSNMP(text, name string) (int, bool) {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for k := 1; k < len(names) && k < len(values); k++ {
			if strings.TrimSuffix(names[0], ":")+names[k] == name {
				v, err := strconv.Atoi(values[k])
				return v, err == nil
			}
		}
	}
	return 0, false
}

// unchanged fails the test if one of a host's own counters changes before it
// ends.
func unchanged(t *testing.T, h *vnet.Host, names ...string) {
	t.Helper()
	before := make([]int, len(names))
	for i, n := range names {
		before[i] = snmp(t, h, n)
	}
	t.Cleanup(func() {
		for i, n := range names {
			if now := snmp(t, h, n); now != before[i] {
				t.Error(fmt.Errorf("%s: %s changed by %d", h.Name, n, now-before[i]))
			}
		}
	})
}
