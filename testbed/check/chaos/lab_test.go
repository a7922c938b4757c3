// SPDX-License-Identifier: MIT

//go:build lab

package chaos

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/check/accounting"
	"dpr/testbed/check/result"
	"dpr/testbed/check/soak"
	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/httpload"
	"dpr/testbed/lab/labtest"
)

const (
	// labName is the tests' own lab, next to any other.
	labName = "ctest"
	// loadClient is what this program does when it is called again, in a client's
	// namespace.
	loadClient = "load-client"
)

// shared is the lab of all tests; TestMain sets it before the first.
var shared *lab.Lab

func TestMain(m *testing.M) {
	labtest.Help(map[string]func(context.Context) error{
		loadClient: func(ctx context.Context) error { return httpload.Serve(ctx, os.Stdin, os.Stdout) },
	})
	os.Exit(labtest.Run(m, labtest.BootTimeout, &shared, func(context.Context) (lab.Config, error) {
		// Packets are harder to account for where questions are asked.
		return Config(Options{Lab: labName, Orphans: "ask", Progress: os.Stderr}), nil
	}))
}

// A short soak. It comes first: a host that booted since is not in its steady
// state yet.
func TestSoak(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := soak.Options{
		Seed: 1, Time: soak.Least, Users: 5, LoadCommand: []string{self, loadClient}, Progress: os.Stderr,
	}
	r, err := soak.Run(t.Context(), shared, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "reliability.json")
	if err := result.Publish(os.Stderr, file, "soak", r); err != nil {
		t.Error(err)
	}
}

// A short form of chaos, of a new seed each time: every kind of event that does
// not take many seconds.
func TestChaos(t *testing.T) {
	seed := uint64(time.Now().Unix())
	t.Logf("seed %d", seed)
	o := Options{Seed: seed, Events: len(kinds), Limit: 10 * time.Minute, Fast: true, Users: 8, Progress: os.Stderr}
	r, err := Run(t.Context(), shared, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "reliability.json")
	if err := result.Publish(os.Stderr, file, "chaos", r); err != nil {
		t.Error(err)
	}
}

// A soak that is sabotaged fails, and says all that was wrong with it.
func TestSabotagedSoakFails(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := soak.Run(t.Context(), shared, soak.Options{
		Seed: 1, Time: soak.Least, Users: 5, LoadCommand: []string{self, loadClient}, Progress: os.Stderr, Sabotage: drive.Sabotages,
	})
	if err != nil {
		t.Fatal(err)
	}
	why := strings.Join(r.Part().Failures, "\n")
	for _, want := range []string{"s1 dpr-receive was started again 1 times", "interval 3 had 0 requests", "s1: packets are unaccounted for"} {
		if !strings.Contains(why, want) {
			t.Errorf("no %q among the failures:\n%s", want, why)
		}
	}
}

// A chaos run that is sabotaged fails, and says all that was wrong with it. Where packets
// vanish it ends before the clients have stood still for long.
func TestSabotagedChaosFails(t *testing.T) {
	for _, run := range []struct{ ways, want []string }{
		{[]string{drive.SabotageCrash, drive.SabotageLoad}, []string{"s1 dpr-receive was started again", "the clients stood still"}},
		{[]string{drive.SabotagePackets}, []string{"packets are unaccounted for"}},
	} {
		o := Options{Seed: 5, Events: 4, Limit: time.Minute, Fast: true, Users: 8, Progress: os.Stderr, Sabotage: run.ways}
		r, err := Run(t.Context(), shared, o)
		if err != nil {
			t.Fatal(err)
		}
		why := strings.Join(r.Part().Failures, "\n")
		for _, want := range run.want {
			if !strings.Contains(why, want) {
				t.Errorf("%v: no %q among the failures:\n%s", run.ways, want, why)
			}
		}
	}
}

// What dpr must not do is noticed: connections that it forgets when they are silent
// for a second are found among those that fail, and nothing excuses them. (With
// orphans = "ask" none fails: their owners are found.)
func TestChaosNotices(t *testing.T) {
	c := newCluster(shared, ofLab(shared))
	for _, host := range c.hosts.Hosts() {
		if _, err := c.run(t.Context(), host, "dprctl", "policy", "set", "lowest"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.run(t.Context(), host, "dprctl", "config", "set", "--timeout-established", "1s", "--orphans", "reset"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.undo(t.Context(), host, "dprctl", "apply"); err != nil {
				t.Error(err)
			}
		}()
	}
	if err := drive.Of(shared).AwaitPeers(t.Context()); err != nil {
		t.Fatal(err)
	}
	captured, err := c.capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{cluster: c, o: Options{Seed: 1, Users: 8, Progress: os.Stderr}, result: newResult(shared, Options{})}
	stop, ended, err := r.startUsers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rest(t.Context(), 8*time.Second)
	close(stop)
	<-ended
	if err := captured(); err != nil {
		t.Error(err)
	}
	r.judge()
	silent := r.result.Connections[Idle].Failed + r.result.Connections[LongPoll].Failed
	t.Logf("%d of %d connections failed, %d of them silent ones", len(r.result.Unexpected), r.result.total(), silent)
	if silent == 0 || r.result.Part().Passed() {
		t.Errorf("nothing was noticed: %v", r.result.Part().Failures)
	}
	for i := range r.result.Unexpected {
		if u := &r.result.Unexpected[i]; u.Served == u.Asked {
			t.Errorf("not redirected, and failed: %v", u)
		}
	}
}

// A packet that is neither served nor handed on nor counted is missed.
func TestAccountingNotices(t *testing.T) {
	host := shared.Servers()[0].Name
	c := newCluster(shared, ofLab(shared))
	if err := accounting.Install(t.Context(), shared, host); err != nil {
		t.Fatal(err)
	}
	if err := c.setPolicy(t.Context(), host, []string{"off"}); err != nil {
		t.Fatal(err)
	}
	c.open(host, accounting.Ledger{})
	if err := c.balance(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	rules := "table inet thief {\nchain in {\ntype filter hook prerouting priority -445\ntcp dport 80 drop\n}\n}"
	if _, err := c.run(t.Context(), host, "nft", rules); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.undo(t.Context(), host, "nft", "delete table inet thief"); err != nil {
			t.Error(err)
		}
	}()
	h, err := shared.Host(host)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Exec(t.Context(), shared.Clients()[0].Name, lab.Cmd{Args: []string{"curl", "-s", "--max-time", "2", "http://" + h.Address + "/"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.balance(t.Context(), host); err == nil {
		t.Error("a packet was stolen, and all are accounted for")
	}
}
