// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"dpr/testbed/lab"
	"dpr/testbed/lab/httpload"
	"dpr/testbed/lab/labtest"
)

// labName is the tests' own lab, next to any other.
const labName = "itest"

// clusterServers names how many servers the lab has, three or more; default three.
const clusterServers = "DPR_CLUSTER_SERVERS"

func servers() (int, error) {
	text := os.Getenv(clusterServers)
	if text == "" {
		return 3, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 3 {
		return 0, fmt.Errorf("%s is %q, not a number from 3 up", clusterServers, text)
	}
	return n, nil
}

// helpers are what this program does when a test calls it again, in a client's
// namespace or in a guest, told by its first argument.
var helpers = map[string]func(context.Context) error{
	"load-client": func(ctx context.Context) error { return httpload.Serve(ctx, os.Stdin, os.Stdout) },
	"bad-netlink": func(ctx context.Context) error { return badNetlink(ctx, os.Stdout) },
	"intruder":    func(ctx context.Context) error { return intruder(ctx, os.Stdout) },
}

// shared is the lab of all tests; TestMain sets it before the first.
var shared *lab.Lab

func TestMain(m *testing.M) {
	labtest.Help(helpers)
	os.Exit(labtest.Run(m, labtest.BootTimeout, &shared, func(context.Context) (lab.Config, error) {
		n, err := servers()
		return lab.Config{Name: labName, Servers: n, Clients: 3, Progress: os.Stderr}, err
	}))
}
