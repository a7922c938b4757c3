// SPDX-License-Identifier: MIT

package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"dpr/testbed/lab"
	"dpr/testbed/lab/httpload"
	"dpr/testbed/lab/surge"
)

// Client is one client's part of a load.
type Client struct {
	// Host is the client's name in the lab.
	Host string
	// Plan is what it does.
	Plan httpload.Plan
}

// Load runs each client as a process in its namespace and adds up what
// they saw. command is the program, with its arguments, that calls
// [httpload.Serve].
func (l Cluster) Load(ctx context.Context, command []string, clients []Client) (*httpload.Result, error) {
	results, err := each(ctx, clients, func(ctx context.Context, c Client) (*httpload.Result, error) {
		return process[httpload.Result](ctx, l.Lab, command, c.Host, c.Plan)
	})
	if err != nil {
		return nil, err
	}
	total := results[0]
	for _, r := range results[1:] {
		if err := total.Merge(r); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// SurgeProcess is one process of SURGE's users.
type SurgeProcess struct {
	// Host is the client's name in the lab.
	Host string
	// Plan is what it does.
	Plan surge.Plan
}

// Surge is Load for users of package surge. command calls [surge.Serve].
func (l Cluster) Surge(ctx context.Context, command []string, processes []SurgeProcess) (*surge.Result, error) {
	results, err := each(ctx, processes, func(ctx context.Context, p SurgeProcess) (*surge.Result, error) {
		return process[surge.Result](ctx, l.Lab, command, p.Host, p.Plan)
	})
	if err != nil {
		return nil, err
	}
	total := &surge.Result{}
	for _, r := range results {
		if err := total.Merge(r); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// each runs all clients at once. If one fails the others are stopped: a load
// without one of its clients is another load.
func each[C, R any](ctx context.Context, clients []C, run func(context.Context, C) (*R, error)) ([]*R, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]*R, len(clients))
	errs := make([]error, len(clients))
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() {
			if results[i], errs[i] = run(ctx, c); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return results, errors.Join(errs...)
}

// process runs a command in a client's namespace that takes a plan as JSON and
// answers with a result.
func process[R any](ctx context.Context, l *lab.Lab, command []string, host string, plan any) (*R, error) {
	input, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("load of %s: %w", host, err)
	}
	cmd, err := l.Command(ctx, host, command...)
	if err != nil {
		return nil, fmt.Errorf("load of %s: %w", host, err)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("load of %s: %w: %s", host, err, bytes.TrimSpace(stderr.Bytes()))
	}
	result := new(R)
	if err := json.Unmarshal(stdout.Bytes(), result); err != nil {
		return nil, fmt.Errorf("load of %s: %w", host, err)
	}
	return result, nil
}
