// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/netns"
)

// What the tests add to a lab's network (see testbed/lab/topology.go):
//
//	namespace dprlab-roads                dprlab-roads-r1                 dprlab-roads-w1
//	s1 … s4 ─ br0 ─ veth r1 ─── hosts 10.77.0.1  web 10.78.0.1 ─── eth0 10.78.0.2
//	                                  fd77::1        fd78::1            fd78::2
//
// r1 is the router, with BIRD; w1 are the clients. The address that all hosts have is
// 10.88.0.80, fd88::80. The lab's own client c1 is on the hosts' link.
const (
	own    = "dprlab-" + labName
	router = own + "-r1"
	web    = own + "-w1"

	virtual4 = "10.88.0.80"
	virtual6 = "fd88::80"
)

// names are the addresses of contrib, and those of the lab in their place.
var names = strings.NewReplacer(
	"log syslog all;", "log stderr all;",
	"192.0.2.80/32", held4+"/32", "2001:db8::80/128", held6+"/128",
	"198.51.100.80", virtual4, "2001:db8:80::80", virtual6,
	"192.0.2.0/24", "10.77.0.0/24", "2001:db8::/64", "fd77::/64",
	"192.0.2.1", "10.77.0.1", "2001:db8::1", "fd77::1",
)

// stepTimeout bounds one command.
const stepTimeout = time.Minute

func stepContext(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), stepTimeout)
}

// run runs a command on a host that must succeed, and returns its output.
func run(t *testing.T, host string, args ...string) string {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	out, err := shared.Output(ctx, host, args...)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return out
}

// here runs a command of this machine in a namespace.
func here(t *testing.T, ns string, args ...string) string {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", ns}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s: %v: %s", ns, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// until waits for a condition, and returns how long that took.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for ; !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
	return time.Since(begun)
}

// example returns a file of contrib with the lab's addresses, as a file.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../contrib", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(path, []byte(names.Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// unitCommand is what a unit of contrib runs.
func unitCommand(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../contrib", name))
	if err != nil {
		t.Fatal(err)
	}
	_, command, found := strings.Cut(string(text), "\nExecStart=")
	command, _, _ = strings.Cut(command, "\n")
	if !found {
		t.Fatalf("%s starts nothing", name)
	}
	return command
}

// announceCommand is what dpr-announce.service runs.
func announceCommand(t *testing.T) string {
	t.Helper()
	return unitCommand(t, "bird/dpr-announce.service")
}

// network makes router and clients, until the test ends.
func network(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	t.Cleanup(func() {
		// A namespace's links go some time after it; this one's name is needed again.
		_ = netns.Batch(context.WithoutCancel(ctx), own, "link del r1\n")
		for _, ns := range []string{router, web} {
			if err := netns.Kill(ns); err != nil {
				t.Error(err)
			}
			if err := netns.Remove(ns); err != nil {
				t.Error(err)
			}
		}
		if err := shared.Check(); err != nil {
			t.Error(err)
		}
	})
	for _, ns := range []string{router, web} {
		if err := netns.Add(ctx, ns); err != nil {
			t.Fatal(err)
		}
		if err := netns.EnableIPv6(ns); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ ns, batch string }{
		{own, "link add r1 type veth peer name hosts address 02:64:70:73:00:01 netns " + router + "\nlink set r1 master br0\nlink set r1 up\n"},
		{router, "link set lo up\nlink add web type veth peer name eth0 netns " + web + `
address add 10.77.0.1/24 dev hosts
address add fd77::1/64 dev hosts nodad
address add 10.78.0.1/24 dev web
address add fd78::1/64 dev web nodad
link set hosts up
link set web up
`},
		{web, `link set lo up
address add 10.78.0.2/24 dev eth0
address add fd78::2/64 dev eth0 nodad
link set eth0 up
route add default via 10.78.0.1
route add default via fd78::1
`},
	} {
		if err := netns.Batch(ctx, step.ns, step.batch); err != nil {
			t.Fatal(err)
		}
	}
	here(t, router, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
		"net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1")
}

// start makes router and clients, and has the servers named announce the address until
// the test ends. All servers have it, and can.
func start(t *testing.T, announcing ...string) {
	t.Helper()
	ctx := t.Context()
	network(t)
	// The router has the hash of a packet from the client's socket, as both are in one
	// kernel, and the client would choose another with each retransmission.
	here(t, web, "sysctl", "-qw", "net.core.txrehash=0")
	dir := t.TempDir()
	bird := exec.Command("ip", "netns", "exec", router, "/usr/sbin/bird", "-f", "-c", example(t, "bird/router.conf"), "-s", filepath.Join(dir, "ctl"), "-P", filepath.Join(dir, "pid"))
	monitor := exec.Command("ip", "-n", router, "-ts", "monitor", "route")
	var log, routes bytes.Buffer
	bird.Stderr, monitor.Stdout = &log, &routes
	for _, program := range []*exec.Cmd{bird, monitor} {
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = program.Process.Kill()
			_ = program.Wait()
			if t.Failed() {
				t.Logf("%s: %s%s", program.Args[0], &log, &routes)
			}
		})
	}
	until(t, time.Minute, "the router's BIRD answers", func() bool {
		return exec.CommandContext(ctx, "birdc", "-s", filepath.Join(dir, "ctl"), "show", "status").Run() == nil
	})
	for _, s := range shared.Servers() {
		prepare(t, s.Name)
	}
	for _, server := range announcing {
		announce(t, server)
	}
	until(t, time.Minute, "the router has a route by each", func() bool { return hasNextHops(t, announcing...) })
}

// prepare gives a server the address, the way back, and BIRD, which announces nothing
// yet.
func prepare(t *testing.T, server string) {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	if err := shared.Push(ctx, server, example(t, "bird/host.conf"), "/etc/bird/bird.conf"); err != nil {
		t.Fatal(err)
	}
	run(t, server, "sh", "-c", `set -e
ip addr replace `+virtual4+`/32 dev lo
ip addr replace `+virtual6+`/128 dev lo nodad
ip route replace default via 10.77.0.1
ip -6 route replace default via fd77::1
mkdir -p /run/bird
bird -c /etc/bird/bird.conf -s /run/bird/bird.ctl -P /run/bird/bird.pid 2>/run/bird/log
birdc show status >/dev/null`)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := shared.Output(context.WithoutCancel(t.Context()), server, "sh", "-c", "cat /run/ready.log /run/bird/log")
			t.Logf("%s: %s", server, out)
		}
		// Not on one that was booted since.
		_, _ = shared.Output(context.WithoutCancel(t.Context()), server, "sh", "-c",
			"kill $(cat /run/ready.pid); rm -f /run/ready.pid; birdc down; while pgrep -x bird; do sleep 0.1; done")
	})
}

// announce starts on a server what dpr-announce.service starts.
func announce(t *testing.T, server string) {
	t.Helper()
	run(t, server, "sh", "-c", "exec "+announceCommand(t)+" >/run/ready.log 2>&1 & echo $! >/run/ready.pid")
}

// nextHops are the servers by which the router has the address, in a family.
func nextHops(t *testing.T, f family.Family) []string {
	t.Helper()
	args, address := []string{"-n", router, "-4"}, virtual4
	if f == family.V6 {
		args[2], address = "-6", virtual6
	}
	ctx, cancel := stepContext(t)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append(args, "route", "show", address)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	byAddress := make(map[string]string)
	for _, s := range shared.Servers() {
		byAddress[s.In(f)] = s.Name
	}
	words := strings.Fields(string(out))
	var all []string
	for i := range len(words) - 1 {
		if words[i] == "via" {
			all = append(all, byAddress[words[i+1]])
		}
	}
	slices.Sort(all)
	return all
}

// hasNextHops says whether the router has the address by these servers, and no others,
// in both families.
func hasNextHops(t *testing.T, servers ...string) bool {
	t.Helper()
	return slices.Equal(nextHops(t, family.V4), servers) && slices.Equal(nextHops(t, family.V6), servers)
}

// stats are a server's counters by name.
func stats(t *testing.T, server string) map[string]uint64 {
	t.Helper()
	var s map[string]uint64
	if err := json.Unmarshal([]byte(run(t, server, "dprctl", "stats", "--json")), &s); err != nil {
		t.Fatalf("%s: dprctl stats --json: %v", server, err)
	}
	return s
}
