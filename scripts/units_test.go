// SPDX-License-Identifier: MIT

package scripts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A cluster of hosts with IPv6 addresses, backends, name servers and an exporter on [::] need
// sockets of IPv6: each unit may have those, and no others than these.
func TestUnitsAddressFamilies(t *testing.T) {
	units, err := filepath.Glob("../systemd/*.service")
	if err != nil || len(units) < 6 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		var families []string
		for line := range strings.Lines(string(text)) {
			if list, ok := strings.CutPrefix(line, "RestrictAddressFamilies="); ok {
				families = append(families, strings.Fields(list)...)
			}
		}
		slices.Sort(families)
		if want := []string{"AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"}; !slices.Equal(families, want) {
			t.Errorf("%s may have sockets of %v, want %v", unit, families, want)
		}
	}
}
