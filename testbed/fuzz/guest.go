// SPDX-License-Identifier: MIT

package fuzz

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dpr/testbed/fuzz/wire"
	"dpr/testbed/lab"
)

// guestMemory is the memory of a guest in MiB.
const guestMemory = 768

// guestConfig says what a guest is made of.
func guestConfig(kernel string, cpus int, progress io.Writer, plan wire.Plan) (lab.SoloConfig, error) {
	b, err := json.Marshal(plan)
	if err != nil {
		return lab.SoloConfig{}, fmt.Errorf("writing the guest's plan: %w", err)
	}
	return lab.SoloConfig{
		Kernel: kernel, Memory: guestMemory, CPUs: cpus, Init: "./testbed/fuzz/guest",
		Modules: []string{"dummy", "veth", "bridge"},
		Built: []lab.SoloModule{
			{Dir: "kmod", With: []string{"include"}, Name: "dpr"},
			{Dir: "testbed/fuzz/packets", Name: "dprfuzz"},
		},
		Files:    map[string][]byte{wire.PlanPath: b},
		Progress: progress,
	}, nil
}

// found is what a guest says.
type found struct {
	part     string
	progress io.Writer
	results  json.RawMessage
	failures []string
	done     bool
}

// line takes a line from the guest.
func (f *found) line(text string) error {
	var r wire.Record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("the guest says %.200q: %w", text, err)
	}
	switch {
	case r.Error != "":
		return errors.New(r.Error)
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
	f.done = f.done || r.Done
	return nil
}
