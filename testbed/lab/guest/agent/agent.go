// SPDX-License-Identifier: MIT

// Package agent runs commands for the lab. It speaks package wire: in a guest
// over the guest's serial port, in the lab's broker for the clients.
package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"dpr/testbed/lab/guest/wire"
)

// Options says how requests are served.
type Options struct {
	// Prefix is put before every command ("ip netns exec NAME"), empty for none.
	Prefix []string
	// Ready returns when the host has booted, with an error if that failed. nil
	// means that the host is always ready.
	Ready func(context.Context) error
	Log   *slog.Logger
}

// Serve serves the one request of a connection and closes it. When the other end
// closes the connection or ctx ends, the request's processes are killed.
func Serve(ctx context.Context, rw io.ReadWriteCloser, o Options) {
	defer rw.Close()
	c := wire.NewConn(rw)
	req, err := c.RecvRequest()
	if err != nil {
		o.Log.Warn("reading a request", "error", err)
		return
	}
	var status int
	switch req.Op {
	case wire.OpExec:
		status, err = run(ctx, c, req, o.Prefix)
	case wire.OpReady:
		if o.Ready != nil {
			err = o.Ready(ctx)
		}
	default:
		err = fmt.Errorf("unknown operation %q", req.Op)
	}
	if err != nil {
		err = c.Send(wire.Error, []byte(err.Error()))
	} else {
		err = c.SendExit(status)
	}
	if err != nil {
		o.Log.Debug("answering a request", "op", req.Op, "args", req.Args, "error", err)
	}
}
