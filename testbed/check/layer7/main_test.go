// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/labtest"
)

// labName is the tests' own lab, next to any other.
const labName = "l7"

// client is the lab's client.
const client = "c1"

// memory of a server, MiB: several web servers fill the first file system.
const memory = 640

// shared is the lab of all tests; TestMain sets it before the first.
var shared *lab.Lab

func TestMain(m *testing.M) {
	labtest.Help(map[string]func(context.Context) error{"go-server": serveGo})
	os.Exit(labtest.Run(m, labtest.BootTimeout, &shared, func(context.Context) (lab.Config, error) {
		c := lab.Config{
			Name: labName, Kernel: os.Getenv("DPR_KERNEL"), Servers: 3, Clients: 2, Memory: memory, Progress: os.Stderr,
			Programs: []string{"/usr/sbin/haproxy", "/usr/sbin/mini_httpd", "/usr/sbin/apache2"},
		}
		for _, module := range apacheModules {
			c.Programs = append(c.Programs, apacheModule(module))
		}
		return c, nil
	}))
}

// stepTimeout bounds one command: the guests are slow.
const stepTimeout = 2 * time.Minute

// start makes the servers ready, once, and fails a test in whose time a kernel complained.
func start(t *testing.T) {
	t.Helper()
	setup(t)
	t.Cleanup(func() {
		if err := shared.Check(); err != nil {
			t.Error(err)
		}
	})
}

// run runs a command on a host that must succeed, and returns its output.
func run(t *testing.T, host string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepTimeout)
	defer cancel()
	out, err := shared.Output(ctx, host, args...)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return out
}

func sh(t *testing.T, host, command string) string {
	t.Helper()
	return run(t, host, "sh", "-c", command)
}

// everywhere runs a command of the shell on all servers.
func everywhere(t *testing.T, command string) {
	t.Helper()
	for _, s := range shared.Servers() {
		sh(t, s.Name, command)
	}
}

// ask runs a program of this machine as the client, and returns what it prints.
func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return askFor(t, stepTimeout, args...)
}

// askFor is the same of what may take another time.
func askFor(t *testing.T, limit time.Duration, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd, err := shared.Command(ctx, client, args...)
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// push writes a text into a file of a host.
func push(t *testing.T, host, path, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepTimeout)
	defer cancel()
	exit, err := shared.Exec(ctx, host, lab.Cmd{Args: []string{"sh", "-c", "cat >" + path}, Stdin: strings.NewReader(text)})
	if err != nil || exit != 0 {
		t.Fatalf("%s: writing %s: exit status %d, %v", host, path, exit, err)
	}
}
