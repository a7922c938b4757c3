// SPDX-License-Identifier: MIT

// Package broker is a lab's one lasting process: it runs the guests' QEMUs, holds
// their serial ports, and passes requests of package wire on to guests and
// clients. It lives in the lab's network namespace. When it ends, however it
// ends, the guests end with it.
//
// A caller connects to the broker's socket and writes a Request, one line of
// JSON; the broker writes a Response, one line of JSON. After OpOpen the
// connection belongs to package wire.
package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"dpr/testbed/lab/guest/agent"
)

// SocketName is the name of the broker's socket in a lab's state directory.
const SocketName = "broker.sock"

// ConfigName is the name of the broker's Config, in JSON, beside it.
const ConfigName = "broker.json"

// Config says what a broker looks after.
type Config struct {
	Guests  []Guest  `json:"guests"`
	Clients []Client `json:"clients"`
}

// ReadConfig reads the Config in a lab's state directory.
func ReadConfig(dir string) (Config, error) {
	var c Config
	b, err := os.ReadFile(filepath.Join(dir, ConfigName))
	if err != nil {
		return c, fmt.Errorf("broker: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("broker: reading %s: %w", ConfigName, err)
	}
	return c, nil
}

// Guest is a server. In Args, AgentFD is the number of its agent's socket.
type Guest struct {
	Name    string   `json:"name"`
	Args    []string `json:"args"`    // QEMU's path and arguments
	Console string   `json:"console"` // file that QEMU writes the console to
	Output  string   `json:"output"`  // file for what QEMU itself prints
}

// AgentFD is the file descriptor of the agent's socket in QEMU.
const AgentFD = 3

// Client is a client. Its commands run behind Prefix.
type Client struct {
	Name   string   `json:"name"`
	Prefix []string `json:"prefix"`
}

// The operations of a Request.
const (
	OpOpen     = "open"     // speak package wire with a host
	OpStatus   = "status"   // tell of all guests
	OpPoweroff = "poweroff" // end a guest at once
	OpBoot     = "boot"     // start a guest that is off or dead
)

// Request is what a caller asks for.
type Request struct {
	Op   string `json:"op"`
	Host string `json:"host,omitempty"`
}

// Response is the broker's answer.
type Response struct {
	Error  string        `json:"error,omitempty"`
	Guests []GuestStatus `json:"guests,omitempty"`
}

// Broker runs the guests of one lab.
type Broker struct {
	log     *slog.Logger
	guests  map[string]*guest
	order   []string
	clients map[string]Client
}

// New returns a Broker; no guest runs yet.
func New(c Config, log *slog.Logger) *Broker {
	b := &Broker{log: log, guests: map[string]*guest{}, clients: map[string]Client{}}
	for _, g := range c.Guests {
		b.guests[g.Name] = &guest{conf: g, log: log.With("guest", g.Name)}
		b.order = append(b.order, g.Name)
	}
	for _, c := range c.Clients {
		b.clients[c.Name] = c
	}
	return b
}

// Run starts all guests and serves callers at dir's socket until ctx ends; then
// all guests are off.
func (b *Broker) Run(ctx context.Context, dir string) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", filepath.Join(dir, SocketName))
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for _, name := range b.order {
		if err := b.guests[name].boot(); err != nil {
			b.log.Error("starting a guest", "guest", name, "error", err)
		}
	}
	var calls sync.WaitGroup
	for {
		conn, err := ln.Accept()
		if err != nil {
			err = errors.Join(err, ctx.Err())
			for _, g := range b.guests {
				err = errors.Join(err, g.poweroff())
			}
			calls.Wait()
			return fmt.Errorf("broker: %w", err)
		}
		calls.Go(func() { b.serve(ctx, conn) })
	}
}

// conn is a caller's connection with what was read ahead of it.
type conn struct {
	*bufio.Reader
	net.Conn
}

func (c conn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// serve serves one caller.
func (b *Broker) serve(ctx context.Context, nc net.Conn) {
	c := conn{bufio.NewReader(nc), nc}
	defer c.Close()
	line, err := c.ReadBytes('\n')
	if err != nil {
		return // a caller that only looked whether anybody is there
	}
	var r Request
	if err := json.Unmarshal(line, &r); err != nil {
		b.answer(c, Response{Error: fmt.Sprintf("bad request: %v", err)})
		return
	}
	if r.Op == OpOpen {
		b.open(ctx, c, r.Host)
		return
	}
	resp, err := b.do(r)
	if err != nil {
		resp.Error = err.Error()
	}
	b.answer(c, resp)
}

func (b *Broker) answer(c io.Writer, r Response) {
	if err := json.NewEncoder(c).Encode(r); err != nil {
		b.log.Debug("answering a caller", "error", err)
	}
}

// open connects the caller with a host until one of them ends it.
func (b *Broker) open(ctx context.Context, c conn, host string) {
	if client, ok := b.clients[host]; ok {
		b.answer(c, Response{})
		agent.Serve(ctx, c, agent.Options{Prefix: client.Prefix, Log: b.log.With("client", host)})
		return
	}
	g, ok := b.guests[host]
	if !ok {
		b.answer(c, Response{Error: fmt.Sprintf("no host %q", host)})
		return
	}
	stream, err := g.open()
	if err != nil {
		b.answer(c, Response{Error: err.Error()})
		return
	}
	b.answer(c, Response{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(c, stream)
		c.Close()
	}()
	// The caller never closes only one direction: the end of what it sends
	// is its own end, and the guest ends what it runs for it.
	_, _ = io.Copy(stream, c)
	stream.Close()
	<-done
}

func (b *Broker) do(r Request) (Response, error) {
	if r.Op == OpStatus {
		var resp Response
		for _, name := range b.order {
			resp.Guests = append(resp.Guests, b.guests[name].status())
		}
		return resp, nil
	}
	g, ok := b.guests[r.Host]
	if !ok {
		return Response{}, fmt.Errorf("no guest %q", r.Host)
	}
	switch r.Op {
	case OpPoweroff:
		return Response{}, g.poweroff()
	case OpBoot:
		return Response{}, g.boot()
	}
	return Response{}, fmt.Errorf("unknown operation %q", r.Op)
}
