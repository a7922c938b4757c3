// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// One address that all hosts have, on the hosts' own link: the holder, whom keepalived
// chooses, gets the clients' packets and spreads the connections.
const (
	held4 = "10.77.0.90"
	held6 = "fd77::90"
)

// heldDownloads is how many downloads are open while the holder changes: fewer than at
// changes of routes, as one host gets all packets.
const heldDownloads = 60

// takeOver bounds how long there is no holder: a host that dies is missed after three
// advertisements, one each second, and a share of another.
const takeOver = 15 * time.Second

// hold makes all servers hosts that may be the holder, until the test ends, and waits
// for the first one.
func hold(t *testing.T) {
	t.Helper()
	network(t)
	for _, s := range shared.Servers() {
		mayHold(t, s.Name)
	}
	until(t, time.Minute, "there is a holder", func() bool { return len(holders(t)) == 1 })
}

// mayHold sets up a server as the operator does, with the files of contrib/keepalived.
func mayHold(t *testing.T, server string) {
	t.Helper()
	ctx, cancel := stepContext(t)
	defer cancel()
	for name, to := range map[string]string{"keepalived.conf": "/etc/keepalived/keepalived.conf", "80-dpr-holder.conf": "/etc/sysctl.d/80-dpr-holder.conf"} {
		if err := shared.Push(ctx, server, example(t, "keepalived/"+name), to); err != nil {
			t.Fatal(err)
		}
	}
	run(t, server, "sh", "-c", `set -e
busybox sysctl -qp /etc/sysctl.d/80-dpr-holder.conf
ip addr replace `+held4+`/32 dev lo
ip addr replace `+held6+`/128 dev lo nodad
ip route replace default via 10.77.0.1
ip -6 route replace default via fd77::1
rm -rf /run/dpr-holder; mkdir /run/dpr-holder
exec `+unitCommand(t, "keepalived/dpr-holder.service")+` >/run/ready.log 2>&1 & echo $! >/run/ready.pid`)
	keepalived(t, server)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if t.Failed() {
			out, _ := shared.Output(ctx, server, "sh", "-c", "cat /run/ready.log; grep -v Sending /run/keepalived.log")
			t.Logf("%s: %s", server, out)
		}
		// Not on one that was booted since.
		_, _ = shared.Output(ctx, server, "sh", "-c", `kill $(cat /run/ready.pid) $(cat /run/keepalived.pid)
rm -f /run/ready.pid; while pgrep -x keepalived; do sleep 0.1; done
for address in `+held4+`/32 `+held6+`/128; do ip addr del $address dev lo; ip addr del $address dev eth0; done
echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore; echo 0 >/proc/sys/net/ipv4/conf/all/arp_announce`)
	})
}

// keepalived starts it on a server.
func keepalived(t *testing.T, server string) {
	t.Helper()
	run(t, server, "sh", "-c", "exec keepalived -n -l -D >>/run/keepalived.log 2>&1 &")
}

// holders are the servers that have the address on the link, in both families. One that
// is off has not.
func holders(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, s := range shared.Servers() {
		ctx, cancel := stepContext(t)
		out, err := shared.Output(ctx, s.Name, "ip", "-o", "addr", "show", "dev", "eth0")
		cancel()
		if err == nil && strings.Contains(out, " "+held4+"/32 ") && strings.Contains(out, " "+held6+"/128 ") {
			all = append(all, s.Name)
		}
	}
	return all
}

// holder is the only one. On a busy machine a host may miss advertisements for a while.
func holder(t *testing.T) string {
	t.Helper()
	var all []string
	until(t, takeOver, "there is one holder", func() bool {
		all = holders(t)
		return len(all) == 1
	})
	return all[0]
}

// spread are the ways in which the holder spreads connections.
var spread = []struct{ policy, forwarding string }{
	{"lowest", "ipip"},
	{"stateless", "auto"},
}

// One address on all hosts, moved by keepalived, under open downloads: the holder drains
// and another takes over, and back; two hosts are the holder; the holder dies, and comes
// back. What the dead host served is lost, and nothing else.
func TestHolder(t *testing.T) {
	for _, s := range spread {
		t.Run(s.policy+"-"+s.forwarding, func(t *testing.T) {
			if broke := holderChanges(t, s.policy, s.forwarding); broke > 0 {
				t.Errorf("%d connections broke", broke)
			}
		})
	}
}

// Without questions a new holder ends the connections that it does not serve itself: it
// says what they are good for, and that the test would notice.
func TestHolderReset(t *testing.T) {
	active(t, "reset")
	hold(t)
	phases := []string{"before", "the holder drains"}
	c := connect(t, heldDownloads, len(phases), held4, held6)
	switchOver(t, c, 1)
	time.Sleep(5 * time.Second)
	c.stop() // those that broke have ended before
	broke := 0
	for _, one := range c.conns {
		if one.err != nil && why(one.err) == "reset" {
			broke++
		}
	}
	t.Logf("orphans = \"reset\": of %d connections, %d broke", len(c.conns), broke)
	if broke < len(c.conns)/4 {
		t.Errorf("only %d of %d connections broke: another holder gets no packets", broke, len(c.conns))
	}
}

// holderChanges runs the changes and returns how many connections broke that should not.
func holderChanges(t *testing.T, policy, forwarding string) int {
	active(t, "ask")
	for _, s := range shared.Servers() {
		run(t, s.Name, "dprctl", "config", "set", "--forwarding", forwarding)
		run(t, s.Name, "dprctl", "policy", "set", policy)
	}
	hold(t)
	counted := newLedger(t)
	phases := []string{"before", "the holder drains", "and back", "two holders", "the holder dies", "it comes back"}
	c := connect(t, heldDownloads, len(phases), held4, held6)
	fresh := askAnew(t, held4, held6)
	time.Sleep(3 * time.Second)
	for phase := range int32(2) {
		counted.close(t)
		switchOver(t, c, 1+phase)
		time.Sleep(3 * time.Second)
	}
	counted.close(t)
	twoHolders(t, c, 3)

	dead := holder(t)
	counted.close(t, dead)
	c.phase.Store(4)
	off := time.Now()
	if err := shared.Poweroff(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	back := false
	t.Cleanup(func() {
		if !back {
			bootAgain(t, dead)
		}
	})
	took := until(t, takeOver, "another host is the holder", func() bool { return len(holders(t)) == 1 })
	next, last := holder(t), time.Now()
	t.Logf("%s dies: %s is the holder after %.1f s", dead, next, took.Seconds())
	c.drop(dead)
	fresh.forgive(off, last)

	time.Sleep(5 * time.Second)
	counted.close(t)
	c.phase.Store(5)
	bootAgain(t, dead)
	back = true
	mayHold(t, dead)
	for range 8 {
		time.Sleep(time.Second)
		if now := holders(t); slices.Contains(now, dead) {
			t.Errorf("%s comes back: holders %v, want %s still", dead, now, next)
			break
		}
	}
	until(t, lasts+2*silence, "all downloads end", func() bool { return c.open.Load() == 0 })
	c.stop()
	fresh.stop()
	counted.close(t)
	fresh.judge(t)
	return judge(t, c, phases, "ask", dead, off, last, counted.phases)
}

// switchOver has the holder drain until another one has taken over.
func switchOver(t *testing.T, c *clients, phase int32) {
	t.Helper()
	was := holder(t)
	c.phase.Store(phase)
	run(t, was, "dprctl", "drain")
	took := until(t, takeOver, "another host is the holder", func() bool {
		now := holders(t)
		return len(now) == 1 && now[0] != was
	})
	t.Logf("%s drains: %s is the holder after %.1f s", was, holder(t), took.Seconds())
	run(t, was, "dprctl", "undrain")
}

// twoHolders kills keepalived of the holder, which keeps the address then, while another
// one takes over, until keepalived is started again.
func twoHolders(t *testing.T, c *clients, phase int32) {
	t.Helper()
	was := holder(t)
	c.phase.Store(phase)
	run(t, was, "sh", "-c", "kill -9 $(pgrep -x keepalived)")
	took := until(t, takeOver, "there are two holders", func() bool { return len(holders(t)) == 2 })
	t.Logf("keepalived of %s is killed: holders %v after %.1f s", was, holders(t), took.Seconds())
	time.Sleep(3 * time.Second)
	keepalived(t, was)
	until(t, takeOver, "one of two holders is left", func() bool {
		now := holders(t)
		return len(now) == 1 && now[0] != was
	})
	time.Sleep(2 * time.Second)
}
