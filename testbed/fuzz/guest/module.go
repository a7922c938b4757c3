// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The modules that a guest has.
const (
	moduleDPR  = "dpr"
	moduleFuzz = "dprfuzz"
)

// insert inserts a module that was built for the guest.
func insert(name, params string) error {
	f, err := os.Open("/lib/modules/" + name + ".ko")
	if err != nil {
		return fmt.Errorf("inserting a module: %w", err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), params, 0); err != nil {
		return fmt.Errorf("inserting %s with %q: %w", name, params, err)
	}
	return nil
}

func remove(name string) error {
	if err := unix.DeleteModule(name, 0); err != nil {
		return fmt.Errorf("removing module %s: %w", name, err)
	}
	return nil
}

// injector is the module that makes up packets.
type injector struct{}

const injectorFiles = "/sys/module/" + moduleFuzz + "/parameters/"

// send has it send so many packets.
func (injector) send(n int) error {
	if err := os.WriteFile(injectorFiles+"run", []byte(strconv.Itoa(n)), 0); err != nil {
		return fmt.Errorf("sending %d packets: %w", n, err)
	}
	return nil
}

// passed is what the injector has seen so far.
type passed struct {
	sent, before, after, tunnelled uint64
}

func (injector) state() (p passed, err error) {
	b, err := os.ReadFile(injectorFiles + "state")
	if err == nil {
		_, err = fmt.Sscan(strings.TrimSpace(string(b)), &p.sent, &p.before, &p.after, &p.tunnelled)
	}
	if err != nil {
		return p, fmt.Errorf("reading the injector's state: %w", err)
	}
	return p, nil
}
