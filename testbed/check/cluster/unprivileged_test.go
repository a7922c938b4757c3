// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A user without rights can read nothing of dpr's and change nothing, neither as it is
// nor as root of a user namespace of its own: no netlink command or event, no file, no
// process, no port. In a network namespace of its own it can do all, to that alone.
func TestUnprivilegedUser(t *testing.T) {
	l := start(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const program = "/tmp/itest"
	if err := l.Push(t.Context(), "s1", self, program); err != nil {
		t.Fatal(err)
	}
	awaitPeers(t, "s1")
	t.Cleanup(func() { run(t, "s1", "rm", "-f", program) })
	port, err := strconv.Atoi(reportPort(t, "s1"))
	if err != nil {
		t.Fatal(err)
	}
	told := intrusion{Port: port, Files: []string{"/etc/dpr/key"}}
	told.Files = append(told.Files, strings.Fields(run(t, "s1", "find", "/run/dpr", "!", "-type", "d"))...)
	if len(told.Files) < 2 {
		t.Fatalf("no files in /run/dpr: %q", told.Files)
	}
	for _, name := range []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup"} {
		pid, err := strconv.Atoi(strings.TrimSpace(run(t, "s1", "svc", "pid", name)))
		if err != nil {
			t.Fatal(err)
		}
		told.Pids = append(told.Pids, pid)
	}
	b, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	before := visible(t)
	refusals := []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.EADDRINUSE}
	for _, where := range []string{"plain", "userns", "netns"} {
		t.Run(where, func(t *testing.T) {
			var all []attempt
			if err := json.Unmarshal([]byte(run(t, "s1", program, "intruder", where, string(b))), &all); err != nil {
				t.Fatal(err)
			}
			for _, a := range all {
				// A command that does not exist is not refused for want of rights.
				absent := strings.HasPrefix(a.What, "command") && a.Errno == syscall.EOPNOTSUPP
				if !slices.Contains(refusals, a.Errno) && !absent {
					t.Errorf("%s: %q, want it refused", a.What, a.Error)
				}
			}
			if where != "netns" && len(all) < 40 {
				t.Errorf("only %d attempts", len(all))
			}
			if after := visible(t); !reflect.DeepEqual(before, after) {
				t.Errorf("it changed %v to %v", before, after)
			}
		})
	}
	// Its commands refuse as well, and say why.
	for _, args := range [][]string{{"status"}, {"peers"}, {"flows"}, {"stats"}, {"reports"}, {"policy", "set", "off"}, {"drain"}, {"watch"}} {
		r := try(t, "s1", append([]string{"busybox", "timeout", "10", "busybox", "su", "-s", "/usr/sbin/dprctl", "nobody"}, args...)...)
		if r.status == 0 || strings.Contains(r.stdout, "10.77.0.") {
			t.Errorf("dprctl %s as nobody: status %d\n%s%s", strings.Join(args, " "), r.status, r.stdout, r.stderr)
		}
	}
}

// visible is what s1 is told to do, and whom it knows.
func visible(t *testing.T) map[string]any {
	t.Helper()
	var peers []peer
	decode(t, &peers, "s1", "peers")
	known := make(map[string]bool)
	for _, p := range peers {
		known[p.Address] = p.Listed
	}
	var config map[string]any
	decode(t, &config, "s1", "config", "show")
	var services []map[string]any
	decode(t, &services, "s1", "service", "list")
	return map[string]any{"peers": known, "config": config, "services": services}
}
