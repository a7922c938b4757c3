// SPDX-License-Identifier: MIT

package enemy

import (
	"context"
	"encoding/json"
	"fmt"

	"dpr/testbed/check/fuzz"
	fuzzwire "dpr/testbed/check/fuzz/wire"
)

// races has two processors or more send packets of the same connections.
func (o Options) races(ctx context.Context, r *Result) error {
	p, err := fuzz.Cross(ctx, fuzz.Options{
		Kernel: o.Kernel, CPUs: max(o.CPUs, 2), Seed: o.Seed, Seconds: o.Seconds, Source: o.Source, Dir: o.Dir, Stdout: o.Stdout, Progress: o.Progress,
	})
	if err != nil {
		return err
	}
	r.Kernel = p.Kernel
	r.Races = &Races{Complaints: len(p.Failures), Texts: p.Failures}
	raw, ok := p.Results.(json.RawMessage)
	if !ok {
		return fmt.Errorf("its results are a %T", p.Results)
	}
	var found fuzzwire.CrossingResults
	if err := json.Unmarshal(raw, &found); err != nil {
		return fmt.Errorf("reading its results: %w", err)
	}
	r.Races.Seconds, r.Races.Packets = found.Seconds, found.Packets
	for _, n := range found.Operations {
		r.Races.Operations += n
	}
	if r.Races.Seconds == 0 { // it did not come to its end
		r.Races.Seconds = p.Seconds
	}
	return nil
}
