// SPDX-License-Identifier: MIT

package boot

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hashicorp/yamux"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/agent"
	"dpr/testbed/lab/guest/service"
)

// limit is the time that a guest's boot may take, on the slowest machine.
const limit = 3 * time.Minute

// Agent boots the host called name and serves the lab's requests as long as the
// guest lives. It takes requests before the boot is done.
func Agent(ctx context.Context, name string) error {
	if err := run(ctx, "", "modprobe", "-a", "virtio_pci", "virtio_console"); err != nil {
		return err
	}
	port, err := OpenPort(ctx, guest.AgentPort)
	if err != nil {
		return err
	}
	log, err := OpenPort(ctx, guest.LogPort)
	if err != nil {
		return err
	}
	session, err := yamux.Server(port, SessionConfig(log))
	if err != nil {
		return fmt.Errorf("starting the agent: %w", err)
	}
	h := &host{done: make(chan struct{})}
	go h.boot(ctx, name, log)
	o := agent.Options{Ready: h.ready, Log: slog.New(slog.NewTextHandler(log, nil))}
	for {
		stream, err := session.Accept()
		if err != nil {
			return fmt.Errorf("taking requests: %w", err)
		}
		go agent.Serve(ctx, stream, o)
	}
}

// SessionConfig is how both ends use yamux. A guest that is slow is not a dead
// one, whose port closes: there are no time limits and no keepalives.
func SessionConfig(log io.Writer) *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = 24 * time.Hour
	c.StreamOpenTimeout = 0
	c.StreamCloseTimeout = time.Minute
	c.LogOutput = log
	return c
}

type host struct {
	done chan struct{} // closed when the boot is over
	err  error         // why it failed; valid after done
}

func (h *host) boot(ctx context.Context, name string, log io.Writer) {
	defer close(h.done)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h.err = func() error {
		c, err := guest.Read(guest.ConfigPath)
		if err != nil {
			return err
		}
		m := service.NewManager(log, c.Services...)
		ln, err := net.Listen("unix", service.Socket)
		if err != nil {
			return err
		}
		go m.Listen(ln)
		return Setup(limited, c, name, m, log)
	}()
	if h.err != nil {
		fmt.Fprintf(log, "boot: failed: %v\n", h.err)
		fmt.Fprintf(os.Stderr, "dprlab: boot failed: %v\n", h.err)
	}
}

func (h *host) ready(ctx context.Context) error {
	select {
	case <-h.done:
		return h.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
