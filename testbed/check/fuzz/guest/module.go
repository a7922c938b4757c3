// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"dpr/testbed/lab/guest/singlevm"
)

// The modules that a guest has.
const (
	moduleDPR  = "dpr"
	moduleFuzz = "dprfuzz"
)

func insert(name, params string) error { return singlevm.Insert(name, params) }
func remove(name string) error         { return singlevm.Remove(name) }

// injector is the module that generates packets.
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
