// SPDX-License-Identifier: MIT

package httpload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// offCut bounds an OFF time, in means: a user who idles for longer than a run
// is no load.
const offCut = 10

// Run is one client: it drives the plan's users until Duration has passed and
// all requests are answered or timed out. An error means that there is no
// result: the plan is wrong or ctx ended. Failed requests are no error.
func Run(ctx context.Context, plan Plan) (*Result, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	client := newClient()
	defer client.CloseIdleConnections()
	return run(ctx, plan, client)
}

// run is Run of a plan that is right, with what its users ask by.
func run(ctx context.Context, plan Plan, client *http.Client) (*Result, error) {
	if plan.Start.IsZero() {
		plan.Start = time.Now()
	}
	total := recorder{result: NewResult(plan.Duration)}
	errs := make([]error, plan.Users)
	var users sync.WaitGroup
	for i := range plan.Users {
		users.Go(func() {
			errs[i] = newUser(&plan, i, client, &total).run(ctx)
		})
	}
	users.Wait()
	// Requests that ctx cut short failed through no fault of the server, so
	// what was counted then means nothing.
	if ctx.Err() != nil {
		return nil, fmt.Errorf("load on %s: %w", plan.Target, context.Cause(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("load on %s: %w", plan.Target, err)
	}
	return total.result, nil
}

// recorder is the result that the users of one client share.
type recorder struct {
	mu     sync.Mutex
	result *Result
}

// record adds one finished request: err is what fetch returned.
func (r *recorder) record(delay time.Duration, bytes int64, inTime bool, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.result.failed(classify(err), bytes)
		return nil
	}
	return r.result.succeeded(delay, bytes, inTime)
}

// user is one of the population.
type user struct {
	plan   *Plan
	client *http.Client
	total  *recorder
	rng    *rand.Rand
}

// newUser is the plan's i-th user.
func newUser(plan *Plan, i int, client *http.Client, total *recorder) *user {
	return &user{plan: plan, client: client, total: total, rng: rand.New(rand.NewPCG(plan.Seed, uint64(i)))}
}

// run alternates OFF times and requests until the plan's Duration has passed.
func (u *user) run(ctx context.Context) error {
	end := u.plan.Start.Add(u.plan.Duration)
	due := u.plan.Start.Add(u.off())
	for due.Before(end) && sleepUntil(ctx, due) {
		doc := u.plan.Documents[u.rng.IntN(len(u.plan.Documents))]
		n, err := fetch(ctx, u.client, u.plan.Target, doc, u.plan.Timeout)
		done := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if err := u.total.record(done.Sub(due), n, !done.After(end), err); err != nil {
			return err
		}
		due = done.Add(u.off())
	}
	return nil
}

// off draws an OFF time.
func (u *user) off() time.Duration {
	return time.Duration(min(u.rng.ExpFloat64(), offCut) * float64(u.plan.OffMean))
}

// sleepUntil waits for a moment; false means that ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
