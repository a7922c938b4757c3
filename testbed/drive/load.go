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
	"dpr/testbed/load"
)

// Client is one client's part of a load.
type Client struct {
	// Host is the client's name in the lab.
	Host string
	// Plan is what it does.
	Plan load.Plan
}

// Load runs each client as a process in its namespace and adds up what
// they saw. command is the program, with its arguments, that calls
// [load.Serve]. If one fails the others are stopped: a load without one of its
// clients is another load.
func Load(ctx context.Context, l *lab.Lab, command []string, clients []Client) (*load.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]*load.Result, len(clients))
	errs := make([]error, len(clients))
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() {
			if results[i], errs[i] = runClient(ctx, l, command, c); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
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

// runClient runs one client's process.
func runClient(ctx context.Context, l *lab.Lab, command []string, c Client) (*load.Result, error) {
	input, err := json.Marshal(c.Plan)
	if err != nil {
		return nil, fmt.Errorf("load of %s: %w", c.Host, err)
	}
	cmd, err := l.Command(ctx, c.Host, command...)
	if err != nil {
		return nil, fmt.Errorf("load of %s: %w", c.Host, err)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("load of %s: %w: %s", c.Host, err, bytes.TrimSpace(stderr.Bytes()))
	}
	var result load.Result
	if err := json.Unmarshal(stdout.Bytes(), &result); err != nil {
		return nil, fmt.Errorf("load of %s: %w", c.Host, err)
	}
	return &result, nil
}
