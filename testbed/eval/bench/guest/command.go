// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"dpr/testbed/lab/family"
)

// command runs a program and returns its failure with what it printed.
func command(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// transmitted returns the packets that a device has sent.
func transmitted(dev string) (uint64, error) {
	return readCounter("/sys/class/net/" + dev + "/statistics/tx_packets")
}

func readCounter(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a counter: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the counter %s: %w", path, err)
	}
	return n, nil
}

// snmp returns a counter of /proc/net/snmp, for instance "Tcp", "InSegs".
func snmp(protocol, name string) (uint64, error) {
	b, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0, fmt.Errorf("reading a counter: %w", err)
	}
	n, err := parseSNMP(string(b), protocol, name)
	if err != nil {
		return 0, fmt.Errorf("/proc/net/snmp: %w", err)
	}
	return n, nil
}

// delivered counts the packets of the family that reached this host's protocols.
func (n *network) delivered() (uint64, error) {
	if n.family == family.V4 {
		return snmp("Ip", "InDelivers")
	}
	b, err := os.ReadFile("/proc/net/snmp6")
	if err != nil {
		return 0, fmt.Errorf("reading a counter: %w", err)
	}
	v, err := parseSNMP6(string(b), "Ip6InDelivers")
	if err != nil {
		return 0, fmt.Errorf("/proc/net/snmp6: %w", err)
	}
	return v, nil
}

// parseSNMP6 finds a counter of IPv6: each line has a name and a value.
func parseSNMP6(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return strconv.ParseUint(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("no counter %s", name)
}

// parseSNMP finds a counter: for each protocol there is a line of names and one
// of values.
func parseSNMP(text, protocol, name string) (uint64, error) {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != protocol+":" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if n == name && i < len(f) {
				return strconv.ParseUint(f[i], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("no counter %s of %s", name, protocol)
}
