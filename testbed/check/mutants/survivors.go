// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// known is a line of the list of survivors: a pattern for [Mutant.ID], in which *
// stands for anything, and the reason.
type known struct {
	line    int
	pattern string
	match   *regexp.Regexp
	reason  string
	matched bool // a survivor
	found   []string
}

// equivalent says whether the mistake changes nothing that could be seen.
func (k *known) equivalent() bool { return strings.HasPrefix(k.reason, "equivalent") }

// readKnown reads the list: PATTERN, two spaces or more and "--", REASON.
func readKnown(r io.Reader) ([]*known, error) {
	var all []*known
	n := 0
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		n++
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, reason, ok := strings.Cut(line, " -- ")
		pattern, reason = strings.TrimSpace(pattern), strings.TrimSpace(reason)
		if !ok || reason == "" {
			return nil, fmt.Errorf("survivors: line %d has no reason after \" -- \"", n)
		}
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		all = append(all, &known{line: n, pattern: pattern, reason: reason, match: regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")})
	}
	return all, scan.Err()
}

// lookUp returns the line of the list that a mutant is on, or nil.
func lookUp(all []*known, m Mutant) *known {
	for _, k := range all {
		if k.match.MatchString(m.ID()) {
			return k
		}
	}
	return nil
}
