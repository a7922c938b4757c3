// SPDX-License-Identifier: MIT

package receive

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The manual explains every name that a datagram can count under, and no
// other.
func TestManual(t *testing.T) {
	data, err := os.ReadFile("../../man/dpr-receive.8")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), ".Ss What is refused\n")
	section, _, _ = strings.Cut(section, ".Ss ")
	var page []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Cm (\S+)$`).FindAllStringSubmatch(section, -1) {
		page = append(page, m[1])
	}
	names := slices.Clone(newCounts().Names())
	slices.Sort(names)
	slices.Sort(page)
	if !slices.Equal(page, names) {
		t.Errorf("the manual has %q\nthe program %q", page, names)
	}
}
