// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"time"

	"dpr/userland/apply"
	"dpr/userland/config"
	"dpr/userland/doctor"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
	"dpr/userland/sockets"
)

// Exit statuses.
const (
	ExitOK        = 0
	ExitFailure   = 1
	ExitUsage     = 2
	ExitNoModule  = 3
	ExitNoRight   = 4
	ExitUnhealthy = 5
	ExitTimeout   = 6
)

// A Kernel is the part of dprnl.Client that the commands use.
type Kernel interface {
	apply.Kernel
	SetBackendDown(ctx context.Context, name string, down bool) error
	ServiceStates(context.Context) ([]dprnl.ServiceStatus, error)
	TestRuleset(ctx context.Context, s dprnl.Service, data []byte, final bool, client netip.AddrPort) (dprnl.RulesResult, error)
	SetPeer(context.Context, dprnl.PeerUpdate) error
	DeletePeer(ctx context.Context, address netip.Addr, dead bool) error
	Peers(context.Context) ([]dprnl.Peer, error)
	AskPeer(ctx context.Context, address netip.Addr) error
	Flows(context.Context, dprnl.FlowFilter) iter.Seq2[dprnl.Flow, error]
	DeleteFlow(context.Context, dprnl.FlowKey) error
	Expire(ctx context.Context, budget uint32) (dprnl.Expiry, error)
	Load(context.Context) (dprnl.Load, error)
	Stats(context.Context) (dprnl.Stats, error)
	Close() error
}

// An EventSource is the part of dprnl.Events that the command events uses.
type EventSource interface {
	All(context.Context) iter.Seq2[dprnl.Event, error]
	Close() error
}

// An Environment is everything that the command takes from its surroundings.
type Environment struct {
	Out, Err io.Writer
	Dial     func() (Kernel, error)
	Events   func() (EventSource, error)
	Now      func() time.Time
	// Module returns the loaded module's version; empty: unknown.
	Module func() string
	// Connections counts the TCP connections to ports that this host serves.
	Connections func(ctx context.Context, ports []uint16) (int, error)
	// Reports asks the dpr-receive that listens at path.
	Reports func(ctx context.Context, path string) (receive.Status, error)
	// FastPath asks the dpr-fastpath that listens at path.
	FastPath func(ctx context.Context, path string) (fastpath.Status, error)
	// Host reads what status shows of this host, of the named interfaces.
	Host func(interfaces []string) HostFacts
	// Sockets returns the TCP connections of a client with this host.
	Sockets func(ctx context.Context, client netip.Addr, port uint16) ([]sockets.Connection, error)
	// Run runs a command and returns what it writes.
	Run func(ctx context.Context, words []string) ([]byte, error)
	// Gather reads what check looks at.
	Gather func(context.Context, doctor.Options) (*doctor.Facts, error)
	// Terminal says whether Out is a terminal, whose screen can be cleared.
	Terminal bool
	// Poll is how often drain and leave --wait check their condition.
	Poll time.Duration
}

// A usageError is a mistake in the arguments.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errUnhealthy is the result of status --check, which has already printed the
// problems.
var errUnhealthy = errors.New("this host is not healthy")

// Run runs the command and returns its exit status. The first of args is the
// command's name.
func Run(ctx context.Context, args []string, env Environment) int {
	app := newApp(env)
	err := app.RunContext(ctx, intersperse(app, args))
	status := exitStatus(err)
	if err == nil || errors.Is(err, errUnhealthy) || errors.Is(err, errNotReady) {
		return status
	}
	fmt.Fprintf(env.Err, "dprctl: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(env.Err, "Try 'dprctl --help' or 'dprctl COMMAND --help'.")
	}
	return status
}

func exitStatus(err error) int {
	var usage *usageError
	var mistakes *config.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage), errors.As(err, &mistakes):
		return ExitUsage
	case errors.Is(err, dprnl.ErrNotLoaded):
		return ExitNoModule
	case errors.Is(err, dprnl.ErrNoRight):
		return ExitNoRight
	case errors.Is(err, errUnhealthy), errors.Is(err, errNotReady):
		return ExitUnhealthy
	case errors.Is(err, errTimeout):
		return ExitTimeout
	}
	return ExitFailure
}
