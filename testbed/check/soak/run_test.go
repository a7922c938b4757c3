// SPDX-License-Identifier: MIT

package soak

import (
	"fmt"
	"slices"
	"testing"

	"dpr/testbed/lab"
	"dpr/testbed/lab/httpload"
)

// Every second user of a client uses IPv6, and no two draw the same.
func TestShare(t *testing.T) {
	servers := []lab.Host{
		{Address: "10.77.0.11", Address6: "fd77::11"}, {Address: "10.77.0.12", Address6: "fd77::12"}, {Address: "10.77.0.13", Address6: "fd77::13"},
	}
	clients := []lab.Host{{Name: "c1"}, {Name: "c2"}, {Name: "c3"}}
	var got []string
	seeds := map[uint64]bool{}
	for _, c := range share(httpload.Plan{Users: 5, Seed: 1000}, clients, servers) {
		got = append(got, fmt.Sprint(c.Host, " ", c.Plan.Target, " ", c.Plan.Users))
		seeds[c.Plan.Seed] = true
	}
	want := []string{
		"c1 http://10.77.0.11 3", "c1 http://[fd77::11] 2", "c2 http://10.77.0.11 3", "c2 http://[fd77::11] 2", "c3 http://10.77.0.12 3", "c3 http://[fd77::12] 2",
	}
	if !slices.Equal(got, want) || len(seeds) != len(want) {
		t.Errorf("%q, want %q; %d seeds", got, want, len(seeds))
	}
	if one := share(httpload.Plan{Users: 1}, clients[:1], servers); len(one) != 1 || one[0].Plan.Users != 1 {
		t.Errorf("one user: %v", one)
	}
}
