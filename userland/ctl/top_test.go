// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/testlog"
)

// A scripted kernel answers each sample of top by its number.
type scripted struct {
	*kernel
	n      int
	sample func(n int) (redirected uint64, err error)
}

func (s *scripted) Stats(context.Context) (dprnl.Stats, error) {
	s.n++
	n, err := s.sample(s.n)
	return dprnl.NewStats(map[dprnl.Stat]uint64{dprnl.StatRedirected: n}), err
}

// runTop runs "top --json" until the kernel has been asked n times.
func runTop(t *testing.T, n int, sample func(int) (uint64, error)) (int, []topView, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &scripted{kernel: healthy(), sample: func(i int) (uint64, error) {
		if i > n {
			cancel()
		}
		return sample(i)
	}}
	var out, errs testlog.Buffer
	status := Run(ctx, []string{"dprctl", "top", "--json", "--interval", "5ms"}, Environment{
		Out: &out, Err: &errs, Now: time.Now, Dial: func() (Kernel, error) { return k, nil },
	})
	var views []topView
	for d := json.NewDecoder(strings.NewReader(out.String())); d.More(); {
		var v topView
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
		views = append(views, v)
	}
	return status, views, errs.String()
}

// Every outcome in which this host serves counts as served.
func TestServed(t *testing.T) {
	var want []dprnl.Stat
	var none dprnl.Stats
	for s := range none.All() {
		if strings.HasPrefix(s.String(), "served_") {
			want = append(want, s)
		}
	}
	if !slices.Equal(served(), want) {
		t.Errorf("%v, want %v", served(), want)
	}
}

// Each refresh is about its own interval, not about all since the start.
func TestTopIntervals(t *testing.T) {
	status, views, errs := runTop(t, 4, func(n int) (uint64, error) {
		if n == 1 {
			return 0, nil
		}
		return 1000, nil
	})
	if status != ExitOK || len(views) < 3 {
		t.Fatalf("status %d, %d screens, %s", status, len(views), errs)
	}
	for i, v := range views {
		if (v.Rates.Redirected > 0) != (i == 0) {
			t.Errorf("screen %d: %g redirected a second", i, v.Rates.Redirected)
		}
	}
}

// A kernel that does not answer ends it, at the start and later.
func TestTopFails(t *testing.T) {
	for bad := 1; bad <= 3; bad++ {
		status, views, errs := runTop(t, 9, func(n int) (uint64, error) {
			if n == bad {
				return 0, errors.New("no answer")
			}
			return 0, nil
		})
		if status != ExitFailure || len(views) != max(bad-2, 0) || !strings.Contains(errs, "no answer") {
			t.Errorf("no answer to question %d: status %d, %d screens, %q", bad, status, len(views), errs)
		}
	}
}

// Nobody reads the second screen.
func TestTopNobodyReads(t *testing.T) {
	f := &faulty{kernel: healthy(), fails: map[string]error{}}
	env, _, errs := world(f)
	w := brokenWriter(1)
	env.Out = &w
	if status := Run(t.Context(), []string{"dprctl", "top", "--interval", "1ms"}, env); status != ExitFailure || !strings.Contains(errs.String(), "nobody reads") {
		t.Errorf("status %d, %s", status, errs)
	}
}
