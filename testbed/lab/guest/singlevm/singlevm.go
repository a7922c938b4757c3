// SPDX-License-Identifier: MIT

// Package singlevm is a guest that is booted by itself, by lab/singlevm: its first process
// does one piece of work, tells of it, and powers the guest off.
package singlevm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/boot"
)

// PortPath is the device that takes what the guest tells: the second serial port.
const PortPath = "/dev/ttyS1"

// End is the last record that a guest writes: all was done, or why not.
type End struct {
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
}

// Port takes records, from several goroutines at a time.
type Port struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes a record, as a line of JSON.
func (p *Port) Write(record any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("telling: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("telling: %w", err)
	}
	return nil
}

// Main is the main function of the guest's program: it mounts what programs
// expect, does the work, tells End and powers off. A guest that is only probed
// says that it lives. The console's messages begin with name.
func Main(name string, work func(context.Context, *Port) error) {
	if err := run(context.Background(), work); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	// What was written must leave the serial port before the power goes.
	time.Sleep(100 * time.Millisecond)
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintf(os.Stderr, "%s: powering off: %v\n", name, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, work func(context.Context, *Port) error) error {
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin"); err != nil {
		return err
	}
	if err := boot.Mount(); err != nil {
		return err
	}
	if _, probe, err := boot.Param(guest.ProbeParam); err != nil || probe {
		return errors.Join(err, errors.New(guest.Alive))
	}
	f, err := os.OpenFile(PortPath, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the port: %w", err)
	}
	port := &Port{w: f}
	end := End{Done: true}
	if err := work(ctx, port); err != nil {
		end = End{Error: err.Error()}
	}
	return errors.Join(port.Write(end), f.Close())
}

// ReadPlan reads what a guest is to do, as JSON, from a file.
func ReadPlan(path string, plan any) error {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, plan)
	}
	if err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	return nil
}
