// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"

	"dpr/testbed/lab/broker"
)

// Poweroff ends a server at once, as pulling the plug would. A server that is off
// or dead already stays so, and from now on that is no trouble.
func (l *Lab) Poweroff(ctx context.Context, server string) error {
	return l.power(ctx, server, broker.OpPoweroff)
}

// Boot starts a server that is off or dead, with nothing of what it had before,
// and waits until it serves. What its former console said no longer counts.
func (l *Lab) Boot(ctx context.Context, server string) error {
	if err := l.power(ctx, server, broker.OpBoot); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("%s did not boot within %v", server, bootLimit))
	defer cancel()
	return l.ready(ctx, server)
}

func (l *Lab) power(ctx context.Context, server, op string) error {
	h, err := l.hostOf(server, Server)
	if err != nil {
		return err
	}
	conn, _, err := l.call(ctx, broker.Request{Op: op, Host: h.Name})
	if err != nil {
		return err
	}
	return conn.Close()
}
