// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
	"os/exec"

	"dpr/testbed/lab/netns"
)

// namespaceOf returns the name of a lab's own network namespace, or of that of
// one of its clients.
func namespaceOf(lab, client string) string {
	if client == "" {
		return "dprlab-" + lab
	}
	return "dprlab-" + lab + "-" + client
}

// InNamespace runs f on a thread that is in a client's network namespace. A
// socket that f opens there stays there; f must not leave it to another
// goroutine to open one.
func (l *Lab) InNamespace(client string, f func() error) error {
	h, err := l.hostOf(client, Client)
	if err != nil {
		return err
	}
	return netns.Do(namespaceOf(l.state.Name, h.Name), f)
}

// Command returns a command of this machine, not yet started, that will run in a
// client's network namespace, with the client's /etc/hosts and /sys. Its process
// is that of the command itself.
func (l *Lab) Command(ctx context.Context, client string, args ...string) (*exec.Cmd, error) {
	h, err := l.hostOf(client, Client)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("running a command on %s: none given", client)
	}
	prefix := clientPrefix(l.state.Name, h.Name)
	return exec.CommandContext(ctx, prefix[0], append(prefix[1:], args...)...), nil
}

// clientPrefix is what runs a command in a client's namespace.
func clientPrefix(lab, client string) []string {
	return []string{"ip", "netns", "exec", namespaceOf(lab, client)}
}
