// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"dpr/testbed/lab/family"
)

const (
	// cloudConnections are opened with s1, of each family, with either setting.
	cloudConnections = 40
	// cloudPatience is how long one waits: the hosts are idle.
	cloudPatience = 5 * time.Second
)

// A bridge that drops what a server sends from another address than its own, as clouds do:
// with direct answers all redirected connections fail, with answers through the first
// host none does.
func TestCloud(t *testing.T) {
	active(t, "reset")
	for _, s := range shared.Servers() {
		run(t, s.Name, "dprctl", "config", "set", "--forwarding", "ipip")
	}
	run(t, "s1", "dprctl", "policy", "set", "stateless")
	guard(t)
	for _, answers := range []string{"direct", "through"} {
		for _, s := range shared.Servers() {
			run(t, s.Name, "dprctl", "config", "set", "--answers", answers)
		}
		before := stats(t, "s1")["rx_answers"]
		by, failed := visit(t)
		got := stats(t, "s1")["rx_answers"] - before
		t.Logf("answers = %q: of %d connections %d failed, others were served by %v; s1 got %d answers for its clients", answers, 2*cloudConnections, failed, by, got)
		switch through := answers == "through"; {
		case through && (failed > 0 || len(by) < 2 || got == 0):
			t.Error("want that none failed, and that other hosts' answers came through s1")
		case !through && (failed < cloudConnections/2 || by["s1"]+failed != 2*cloudConnections || got > 0):
			t.Error("want that all redirected connections failed: the bridge lets foreign sources pass")
		}
	}
}

// guard has the ports of the bridge drop foreign sources until the test ends.
func guard(t *testing.T) {
	t.Helper()
	var rules strings.Builder
	rules.WriteString("table netdev guard {\n")
	for _, s := range shared.Servers() {
		fmt.Fprintf(&rules, "chain %[1]s {\ntype filter hook ingress device \"%[1]s\" priority 0\nip saddr != %[2]s drop\nip6 saddr != { %[3]s, fe80::/10, :: } drop\n}\n",
			s.Name, s.Address, s.Address6)
	}
	rules.WriteString("}")
	here(t, own, "nft", rules.String())
	t.Cleanup(func() {
		here(t, own, "nft", "delete table netdev guard")
		for _, s := range shared.Servers() {
			run(t, s.Name, "dprctl", "config", "set", "--answers", "direct")
		}
	})
}

// visit opens the connections from c1, and says how many each host served, and how many got
// no answer.
func visit(t *testing.T) (by map[string]int, failed int) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	by = make(map[string]int)
	s1 := shared.Servers()[0]
	for _, f := range family.All {
		for range cloudConnections {
			all.Go(func() {
				name, err := once(own+"-c1", s1.Endpoint(f, 80), cloudPatience)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed++
				} else {
					by[name]++
				}
			})
		}
	}
	all.Wait()
	return by, failed
}
