// SPDX-License-Identifier: MIT

package soak

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The names of what is watched; processes have theirs after "rss ".
const (
	kernelMemory = "kernel memory, kB"
	residentOf   = "resident memory of "
	flows        = "flows"
	meanDelay    = "mean delay, ms"
	tailDelay    = "99 % of delays, ms"
)

// processes are whose memory is watched.
var processes = []string{"nginx", "dpr-broadcast", "dpr-receive", "dpr-cleanup"}

// short is a soak in which whatever else the machine does shows in the delays.
const short = 10 * time.Minute

// rule says how far a value may grow in a soak of a length. The heap of a Go program
// grows to 4 MiB before it is collected, and again: a line through part of such a
// sawtooth rises as much.
func rule(name string, length time.Duration) Rule {
	switch {
	case name == kernelMemory:
		return Rule{0.02, 1024}
	case strings.HasPrefix(name, residentOf+"dpr-"):
		return Rule{0.05, 4096}
	case strings.HasPrefix(name, residentOf):
		return Rule{0.05, 1024}
	case name == meanDelay && length < short:
		return Rule{0.50, 50}
	case name == tailDelay && length < short:
		return Rule{1, 250}
	case name == meanDelay:
		return Rule{0.10, 5}
	case name == tailDelay:
		return Rule{0.25, 25}
	default: // flows
		return Rule{0.10, 64}
	}
}

func parseSample(text string) (map[string]float64, error) {
	values := make(map[string]float64)
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		name, number, _ := strings.Cut(s.Text(), " ")
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s.Text(), err)
		}
		switch name {
		case "kernel":
			values[kernelMemory] += n
		default:
			values[residentOf+name+", kB"] += n
		}
	}
	want := []string{kernelMemory}
	for _, p := range processes {
		want = append(want, residentOf+p+", kB")
	}
	for _, name := range want {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("there is no %s in %q", name, text)
		}
	}
	return values, nil
}
