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
	sent, wide    uint64 // by the injector, in all and of IPv6
	before, after uint64 // in tunnels, at the module's hook
	tunnelled     [len(tunnels)]uint64
}

// tunnels are the kinds of tunnels, as the injector counts them: what is in what.
var tunnels = [...]string{"4in4", "6in4", "4in6", "6in6"}

// out returns how many packets went out in tunnels.
func (p passed) out() (n uint64) {
	for _, t := range p.tunnelled {
		n += t
	}
	return n
}

func (injector) state() (p passed, err error) {
	b, err := os.ReadFile(injectorFiles + "state")
	if err == nil {
		t := &p.tunnelled
		_, err = fmt.Sscan(strings.TrimSpace(string(b)), &p.sent, &p.wide, &p.before, &p.after, &t[0], &t[1], &t[2], &t[3])
	}
	if err != nil {
		return p, fmt.Errorf("reading the injector's state: %w", err)
	}
	return p, nil
}
