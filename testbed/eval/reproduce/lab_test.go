// SPDX-License-Identifier: MIT

//go:build lab

package reproduce

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"dpr/testbed/lab/labtest"
	"dpr/testbed/lab/surge"
)

// surgeClient is what this program does when it is called again, in a client's
// namespace.
const surgeClient = "surge-client"

func TestMain(m *testing.M) {
	labtest.Help(map[string]func(context.Context) error{
		surgeClient: func(ctx context.Context) error { return surge.Serve(ctx, os.Stdin, os.Stdout) },
	})
	os.Exit(m.Run())
}

// A short evaluation has the paper's order: the more a policy knows the better it
// does. The margins are wide, for it is small and short; the machine must have
// nothing else to do. What chance spoils of one run is right in the next.
func TestOrder(t *testing.T) {
	failed := disorder(t, Defaults().Seed)
	if len(failed) == 0 {
		return
	}
	t.Logf("once more, for %q", failed)
	again := disorder(t, Defaults().Seed+1)
	for _, what := range failed {
		if slices.Contains(again, what) {
			t.Errorf("%s: not as it should be, twice", what)
		}
	}
}

// disorder runs an evaluation, and returns what of it is not as it should be, by chance or not.
func disorder(t *testing.T, seed uint64) (failed []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.Lab, o.LoadCommand, o.Dir = "rtest", []string{self, surgeClient}, t.TempDir()
	o.Seed = seed
	o.Scale, o.Seconds, o.Warmup, o.Repeat = 0.15, 25, 10, 1
	o.Policies, o.SweepSeconds, o.Files.Files = []string{None, Random, Corrected}, 0, 400
	o.Files.MaxSize = 200_000
	// The simulator wants C; this program is built without.
	o.Simulate = false
	o.Stdout, o.Progress = os.Stderr, os.Stderr
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.write(o.Dir); err != nil {
		t.Error(err)
	}
	none, random, corrected := r.Policies[None], r.Policies[Random], r.Policies[Corrected]
	for _, c := range []struct {
		what        string
		value       float64
		least, most float64
	}{
		{"none → random, delay ÷", none.DelayMean / random.DelayMean, 1.15, 1000},
		{"none → tcp-corrected, delay ÷", none.DelayMean / corrected.DelayMean, 1.4, 1000},
		{"random → tcp-corrected, delay ÷", random.DelayMean / corrected.DelayMean, 1, 1000},
		{"none → tcp-corrected, rate ×", corrected.Rate / none.Rate, 1.1, 2},
		{"requests that failed", float64(none.Repeats[0].Failed + random.Repeats[0].Failed + corrected.Repeats[0].Failed), 0, 0},
		{"none: redirected", none.Redirected, 0, 0},
		{"random: redirected", random.Redirected, 0.58, 0.75},
		{"tcp-corrected: redirected", corrected.Redirected, 0.1, 0.75},
		// Only the overloaded server is at its capacity, and it is there.
		{"none: s1's rate ÷ capacity", none.Repeats[0].Hosts[0].Rate / r.Config.Capacity, 0.6, 1.5},
		{"none: s2's rate ÷ capacity", none.Repeats[0].Hosts[1].Rate / r.Config.Capacity, 0.2, 0.75},
	} {
		t.Logf("%s %.3f: want %.2f to %.2f", c.what, c.value, c.least, c.most)
		switch {
		case c.value >= c.least && c.value <= c.most:
		case c.least == c.most: // nothing that chance decides
			t.Errorf("%s %.0f: want %.0f", c.what, c.value, c.least)
		default:
			failed = append(failed, c.what)
		}
	}
	return failed
}
