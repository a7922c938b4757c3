// SPDX-License-Identifier: MIT

package fuzz

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"dpr/testbed/check/fuzz/wire"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/singlevm"
)

// guestMemory is the memory of a guest in MiB.
const guestMemory = 768

// guestModules are the kernel's modules that a guest needs. libcrc32c, of nf_tables, asks
// for crc32c by name.
var guestModules = []string{"dummy", "veth", "bridge", "nf_tables", "crc32c_generic"}

// newGuest builds a guest, which is used for all parts.
func (o Options) newGuest(ctx context.Context) (*singlevm.VM, error) {
	return singlevm.New(ctx, singlevm.Config{
		Kernel: o.Kernel, Memory: guestMemory, CPUs: o.CPUs, Init: "./testbed/check/fuzz/guest",
		Programs: []string{"/usr/sbin/nft"}, Modules: guestModules,
		Built: []kernel.Module{
			{Dir: "kmod", With: []string{"include"}, Name: "dpr", Vars: o.moduleVars()},
			{Dir: "testbed/check/fuzz/packets", Name: "dprfuzz"},
		},
		Source: o.Source, Progress: o.Progress,
	})
}

// moduleVars are the variables of make that the module is built with. Processors
// that meet need places to do so.
func (o Options) moduleVars() []string {
	if slices.Contains(o.Parts, wire.Crossing) {
		return []string{"DPR_RACES=1"}
	}
	return nil
}

// plan is what the guest does next.
func (o Options) plan(part string) wire.Plan {
	slow := o.Kernel != kernel.UML && o.Kernel != kernel.UMLDebug
	return wire.Plan{
		Part: part, Seed: o.Seed, Messages: o.Messages, Packets: o.Packets, Steps: o.Steps, Flood: o.Flood,
		Limit: int(o.Limit.Seconds()), NoLeaks: o.NoLeaks, Slow: slow, Seconds: o.Seconds,
	}
}

// found is what a guest says.
type found struct {
	part     string
	progress io.Writer
	results  json.RawMessage
	failures []string
}

// line takes a line from the guest.
func (f *found) line(text []byte) error {
	var r wire.Record
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("the guest says %.200q: %w", text, err)
	}
	switch {
	case r.Say != "":
		fmt.Fprintf(f.progress, "          %s: %s\n", f.part, r.Say)
	case r.Failure != "":
		f.failures = append(f.failures, r.Failure)
	case r.Leaks != "":
		// Whose memory it is the reports say: all that was done here is dpr's affair.
		f.failures = append(f.failures, "memory was lost:\n"+r.Leaks)
	case r.Results != nil:
		f.results = r.Results
	}
	return nil
}
