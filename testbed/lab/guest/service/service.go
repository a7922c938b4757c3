// SPDX-License-Identifier: MIT

// Package service keeps a guest's services running: one that dies is started
// again a second later, and what it prints goes to the guest's log.
package service

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// The times a service is given.
const (
	restartDelay = time.Second     // from a service's death to its restart
	stopTime     = 5 * time.Second // from SIGTERM to SIGKILL
)

// Spec says what a service is.
type Spec struct {
	Name string   `json:"name"`
	Args []string `json:"args"` // the program's path and its arguments
}

// Status is what a service does just now.
type Status struct {
	Name     string `json:"name"`
	State    string `json:"state"` // "running", "restarting" or "stopped"
	PID      int    `json:"pid"`   // 0 unless running
	Restarts int    `json:"restarts"`
}

// Manager runs services. Its methods may be called by several goroutines.
type Manager struct {
	log io.Writer

	mu       sync.Mutex
	order    []string
	services map[string]*service
}

type service struct {
	spec Spec

	// guarded by Manager.mu
	pid      int
	restarts int
	stop     context.CancelFunc // nil when stopped
	stopped  chan struct{}      // closed when the service's goroutine has ended
}

// NewManager returns a Manager of specs, all stopped. The services' output and
// what happens to them goes to log, line by line.
func NewManager(log io.Writer, specs ...Spec) *Manager {
	m := &Manager{log: newLineLog(log), services: map[string]*service{}}
	for _, s := range specs {
		m.order = append(m.order, s.Name)
		m.services[s.Name] = &service{spec: s}
	}
	return m
}

// Start starts a service and keeps it running. It does nothing if it runs.
func (m *Manager) Start(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.services[name]
	if !ok {
		return m.unknown(name)
	}
	if s.stop != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	before, stopped := s.stopped, make(chan struct{})
	s.stop, s.stopped, s.restarts = cancel, stopped, 0
	go func() {
		defer close(stopped)
		if before != nil {
			<-before // a Stop may still be waiting for its end
		}
		m.keep(ctx, s)
	}()
	return nil
}

// Stop ends a service, with SIGKILL if SIGTERM does not within 5 s, and waits for
// its end. It does nothing if the service is stopped.
func (m *Manager) Stop(name string) error {
	m.mu.Lock()
	s, ok := m.services[name]
	if !ok {
		defer m.mu.Unlock()
		return m.unknown(name)
	}
	stop, stopped := s.stop, s.stopped
	s.stop = nil
	m.mu.Unlock()
	if stop != nil {
		stop()
	}
	if stopped != nil {
		<-stopped
	}
	return nil
}

// List returns all services, in the order of NewManager.
func (m *Manager) List() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Status, 0, len(m.order))
	for _, name := range m.order {
		all = append(all, m.services[name].status())
	}
	return all
}

// Get returns one service.
func (m *Manager) Get(name string) (Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.services[name]
	if !ok {
		return Status{}, m.unknown(name)
	}
	return s.status(), nil
}

func (m *Manager) unknown(name string) error {
	return fmt.Errorf("no service %q; there are %q", name, m.order)
}

func (s *service) status() Status {
	st := Status{Name: s.spec.Name, PID: s.pid, Restarts: s.restarts}
	switch {
	case s.pid != 0:
		st.State = "running"
	case s.stop != nil:
		st.State = "restarting"
	default:
		st.State = "stopped"
	}
	return st
}

// keep runs the service until ctx ends.
func (m *Manager) keep(ctx context.Context, s *service) {
	for ctx.Err() == nil {
		why := m.once(ctx, s)
		if ctx.Err() != nil {
			fmt.Fprintf(m.log, "%s: stopped\n", s.spec.Name)
			return
		}
		fmt.Fprintf(m.log, "%s: %s; starting it again in %v\n", s.spec.Name, why, restartDelay)
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartDelay):
		}
		m.mu.Lock()
		s.restarts++
		m.mu.Unlock()
	}
}

// once runs the service's program once and says how it ended.
func (m *Manager) once(ctx context.Context, s *service) string {
	cmd := exec.CommandContext(ctx, s.spec.Args[0], s.spec.Args[1:]...)
	out := &prefixWriter{prefix: s.spec.Name + ": ", w: m.log}
	defer out.flush()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	if err := cmd.Start(); err != nil {
		return err.Error()
	}
	pid := cmd.Process.Pid
	m.setPID(s, pid)
	fmt.Fprintf(m.log, "%s: started, pid %d\n", s.spec.Name, pid)
	// Its workers must not hold its socket when it starts again; they share
	// the pipe of its output, so they go before Wait can return.
	if _, err := waitExit(pid); err == nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	err := cmd.Wait()
	m.setPID(s, 0)
	if err != nil {
		return err.Error()
	}
	return "exit status 0"
}

func (m *Manager) setPID(s *service, pid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.pid = pid
}
