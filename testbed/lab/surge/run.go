// SPDX-License-Identifier: MIT

package surge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Run is one process: its users make requests from the plan's Start for
// Duration. An error means that there is no result: the plan is wrong or ctx
// ended. Failed requests are no error.
func Run(ctx context.Context, plan Plan) (*Result, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	files, err := plan.Files.Generate()
	if err != nil {
		return nil, err
	}
	f, err := newFetcher(plan.Target, files.Sizes[len(files.Sizes)-1])
	if err != nil {
		return nil, fmt.Errorf("surge: %w", err)
	}
	return run(ctx, plan, files, f)
}

// run is Run of a plan that is right, of its files and with what fetches them.
func run(ctx context.Context, plan Plan, files *FileSet, f *fetcher) (*Result, error) {
	p := &process{plan: &plan, files: files, fetcher: f, result: &Result{}}
	p.rng = newRand(&plan)
	if plan.Start.IsZero() {
		plan.Start = time.Now()
	}
	until, cancel := context.WithDeadline(ctx, plan.Start.Add(plan.Duration))
	defer cancel()
	var users sync.WaitGroup
	for i := range plan.Users {
		u := &user{process: p, rng: rand.New(rand.NewPCG(plan.Seed, uint64(plan.Process)<<32|uint64(i)|1<<63))}
		users.Go(func() { u.run(until) })
	}
	users.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("surge: load on %s: %w", plan.Target, context.Cause(ctx))
	}
	return p.result, nil
}

// Serve reads a [Plan] as JSON, runs it and writes the [Result] as JSON.
func Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	var plan Plan
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&plan); err != nil {
		return fmt.Errorf("surge: reading the plan: %w", err)
	}
	result, err := Run(ctx, plan)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(result); err != nil {
		return fmt.Errorf("surge: writing the result: %w", err)
	}
	return nil
}

// process is what the users of one process share.
type process struct {
	plan    *Plan
	files   *FileSet
	fetcher *fetcher

	mu     sync.Mutex
	rng    *rand.Rand
	list   []int32 // requests to come
	result *Result
}

// newRand returns what a process draws its lists of requests from.
func newRand(p *Plan) *rand.Rand { return rand.New(rand.NewPCG(p.Seed, uint64(p.Process))) }

// next is the size of the file that is asked for next.
func (p *process) next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == 0 {
		p.list = p.files.sequence(p.rng, p.plan.Process, p.plan.Processes, p.plan.length())
	}
	file := p.list[0]
	p.list = p.list[1:]
	return p.files.Sizes[file]
}

// record adds how a request ended. A request that was cut off at the end says
// nothing about the server.
func (p *process) record(due, called, done time.Time, size int64, host string, over bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil && over:
		p.result.Unfinished++
	case err != nil:
		p.result.failed(fmt.Errorf("%s %s: %w", p.plan.Target, Path(size), err))
	default:
		p.result.Records = append(p.result.Records, Record{
			Due: due.Sub(p.plan.Start), Delay: done.Sub(due), Lag: called.Sub(due), Size: size, Host: p.result.host(host),
		})
	}
}

// user is one user equivalent.
type user struct {
	*process
	rng *rand.Rand
}

// run alternates OFF times and pages until ctx ends.
func (u *user) run(ctx context.Context) {
	due := u.plan.Start.Add(seconds(draw(InactiveOff.Residual(), u.rng)))
	for sleepUntil(ctx, due) {
		files := int(math.Floor(draw(u.plan.Variant.Embedded(), u.rng)))
		for i := range files {
			if i > 0 && u.plan.Variant.active() {
				due = due.Add(seconds(draw(ActiveOff, u.rng)))
			}
			if !sleepUntil(ctx, due) {
				return
			}
			due = u.request(ctx, due)
		}
		due = due.Add(seconds(draw(InactiveOff, u.rng)))
	}
}

// request fetches the next file and returns when that ended.
func (u *user) request(ctx context.Context, due time.Time) time.Time {
	size := u.next()
	called := time.Now()
	host, err := u.fetcher.fetch(ctx, size)
	done := time.Now()
	// The dialer keeps to ctx's deadline by a clock of its own.
	end, _ := ctx.Deadline()
	over := ctx.Err() != nil || !done.Before(end)
	u.record(due, called, done, size, host, over, err)
	return done
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// sleepUntil waits for a moment; false means that ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
