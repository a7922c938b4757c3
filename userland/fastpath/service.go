// SPDX-License-Identifier: MIT

package fastpath

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
)

// A Keeper keeps the fast path attached to devices; see xdp.Keeper.
type Keeper interface {
	// Set changes what is wanted, soon.
	Set(Want)
	// States returns the state of each device that is wanted.
	States() []State
	// Settled is closed once all devices have been looked at.
	Settled() <-chan struct{}
	// Busy is for how long the look at one device has gone on; 0: there is none.
	Busy() time.Duration
	// Run works until ctx is done, and then detaches from all devices.
	Run(ctx context.Context)
}

// Options configure a service.
type Options struct {
	Config *config.Config
	Keeper Keeper
	Log    *slog.Logger
}

const (
	// readyAfter is how long the service manager waits for the first look at all devices.
	readyAfter = 10 * time.Second
	// stuckAfter is more than the look at one device takes, even if every tool that reads
	// the firewall is given up.
	stuckAfter = 2 * time.Minute
)

// A Service is dpr-fastpath. It implements daemon.Service.
type Service struct {
	o          Options
	socket     string
	readyAfter time.Duration // for tests

	mu  sync.Mutex
	off bool // nothing is wanted, and the log says so
}

// New returns a service.
func New(o Options) *Service {
	s := &Service{o: o, socket: o.Config.FastPathSocket(), readyAfter: readyAfter}
	s.Reload(o.Config)
	return s
}

// Reload has the keeper do what a configuration wants.
func (s *Service) Reload(c *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := WantOf(c)
	off := len(w.Devices) == 0
	if off && !s.off {
		s.o.Log.Info(`fast_path is "off": nothing to do`)
	}
	s.off = off
	s.o.Keeper.Set(w)
}

// Run keeps the fast path on its devices until ctx is done. When it returns, it is off.
func (s *Service) Run(ctx context.Context, ready, alive func()) error {
	// The service manager makes the directory; without one, this does. What is wrong with it
	// is wrong with the socket.
	_ = os.MkdirAll(filepath.Dir(s.socket), 0o700)
	stop, err := daemon.ServeStatus(s.socket, s.write)
	if err != nil {
		s.o.Log.Warn("cannot serve the states of devices: they are only in the log", "error", err)
	}
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.o.Keeper.Run(ctx)
	}()
	settled, late := s.o.Keeper.Settled(), time.After(s.readyAfter)
	heart := time.NewTicker(time.Second / 2)
	defer heart.Stop()
	for {
		if s.o.Keeper.Busy() < stuckAfter {
			alive()
		}
		select {
		case <-settled:
			ready()
			settled, late = nil, nil
		case <-late:
			ready()
			settled, late = nil, nil
		case <-heart.C:
		case <-ctx.Done():
			<-done
			return nil
		}
	}
}

// write writes the status.
func (s *Service) write(w io.Writer) error {
	return json.NewEncoder(w).Encode(Status{Devices: s.o.Keeper.States()})
}
