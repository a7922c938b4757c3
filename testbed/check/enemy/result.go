// SPDX-License-Identifier: MIT

package enemy

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"dpr/testbed/check/enemy/wire"
)

// File is where the results are, below the root of the checkout.
const File = "out/enemy.json"

// Result is what a run found.
type Result struct {
	Seed    uint64         `json:"seed"`
	Kernel  string         `json:"kernel"`
	Parts   []string       `json:"parts"` // that were asked for
	Blind   []wire.Attack  `json:"blind,omitempty"`
	Local   []wire.Attempt `json:"local,omitempty"`
	Races   *Races         `json:"races,omitempty"`
	Verdict string         `json:"verdict"` // "passed" or "failed"
	Reasons []string       `json:"reasons,omitempty"`
	Errors  []string       `json:"errors,omitempty"` // what kept a part from its end
}

// Races is what races between processors did.
type Races struct {
	Seconds    float64  `json:"seconds"`
	Packets    uint64   `json:"packets"`    // of both processors
	Operations int      `json:"operations"` // beside them
	Complaints int      `json:"complaints"`
	Texts      []string `json:"texts,omitempty"` // of the complaints
}

// write writes the result to a file.
func (r *Result) write(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// print writes the result for people.
func (r *Result) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Blind) > 0 {
		fmt.Fprintln(t, "state\tpackets\tto dpr\tbroke\ta million\tto TCP\tbroke\ta million\thow")
		for _, a := range r.Blind {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.0f\t%d\t%d\t%.0f\t%s\n", a.State, a.Kind,
				a.Packets, a.BrokenDPR, perMillion(a.BrokenDPR, a.Packets), a.PacketsTCP, a.BrokenTCP, perMillion(a.BrokenTCP, a.PacketsTCP), counts(a.Why))
		}
		fmt.Fprintln(t)
	}
	if len(r.Local) > 0 {
		fmt.Fprintln(t, "local attempt\tallowed\tdetail")
		for _, a := range r.Local {
			allowed := fmt.Sprint(a.Allowed)
			if a.Control {
				allowed = fmt.Sprintf("works: %v", a.Works)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", a.Attempt, allowed, a.Detail)
		}
		fmt.Fprintln(t)
	}
	if r.Races != nil {
		fmt.Fprintf(t, "races: %.0f s, %d packets, %d operations, %d complaints\n\n", r.Races.Seconds, r.Races.Packets, r.Races.Operations, r.Races.Complaints)
	}
	fmt.Fprintf(t, "seed %d, kernel %s: %s\n", r.Seed, r.Kernel, r.Verdict)
	for _, why := range r.Reasons {
		fmt.Fprintln(t, "  "+why)
	}
	return t.Flush()
}

func perMillion(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return 1e6 * float64(n) / float64(of)
}

func counts(m map[string]int) string {
	if len(m) == 0 {
		return ""
	}
	b, err := json.Marshal(m) // sorted
	if err != nil {
		return err.Error()
	}
	return string(b)
}
