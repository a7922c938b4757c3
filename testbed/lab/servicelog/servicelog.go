// SPDX-License-Identifier: MIT

// Package servicelog reads the log of a guest's services, as package service of the
// guest writes it: which of them crashed, and how often each was started again.
package servicelog

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// line is a line of the log: a time, a service's name, and what it said or what
// happened to it.
var line = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} ([\w.-]+): (.*?)\r?$`)

// crash is how the report of a crash begins: Go's runtime, its race detector, the C
// library, nginx about one of its processes.
var crash = regexp.MustCompile(`^(?:panic: |fatal error: |WARNING: DATA RACE|SIGSEGV: |.*: segmentation fault|\*\*\* .* \*\*\*: terminated|` +
	`\S+ \S+ \[(?:emerg|alert)\] .*(?:exited on signal|exited with fatal))`)

// again is what the guest says when a service that ended by itself is started again.
var again = regexp.MustCompile(`; starting it again in `)

// mostLines are kept of a crash, and mostCrashes of a log.
const (
	mostLines   = 60
	mostCrashes = 5
)

// Crashes returns what services printed when they crashed, "" if none did. Each
// begins with its first line; what the same service printed next follows.
func Crashes(log string) string {
	var out []string
	crashes, left, service := 0, 0, ""
	for text := range strings.Lines(log) {
		m := line.FindStringSubmatch(strings.TrimSuffix(text, "\n"))
		switch {
		case m == nil:
		case crash.MatchString(m[2]):
			if crashes++; crashes > mostCrashes {
				return strings.Join(append(out, "(more of the kind left out)"), "\n")
			}
			service, left = m[1], mostLines-1
			out = append(out, m[1]+": "+m[2])
		case left > 0 && m[1] == service:
			left--
			out = append(out, m[1]+": "+m[2])
		}
	}
	return strings.Join(out, "\n")
}

// Restarts counts how often each service ended by itself and was started again.
func Restarts(log string) map[string]int {
	n := make(map[string]int)
	for text := range strings.Lines(log) {
		if m := line.FindStringSubmatch(strings.TrimSuffix(text, "\n")); m != nil && again.MatchString(m[2]) {
			n[m[1]]++
		}
	}
	return n
}

// Read returns all of a log.
func Read(r io.Reader) (string, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("reading the log of services: %w", err)
	}
	return string(b), nil
}
