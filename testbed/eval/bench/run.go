// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab"
)

// Options says what the bench measures.
type Options struct {
	Kernel string // of the guests, as in lab.Config; default 6.1
	Flows  []int  // sizes of the routing table, rising
	Peers  []int  // numbers of peers
	// Serving has the host that redirects take part itself.
	Serving bool
	// PossibleCPUs is how many processors the guest's kernel makes room for where
	// instructions are counted; 0: one.
	PossibleCPUs int
	Short        bool     // dpr and IPVS-TUN only
	Parts        []string // of Parts; what is left out is not measured
	Strict       bool     // a target that is missed or not measured is an error
	Dir          string   // where bench.json and the page's directory bench go

	Lab         string   // name of the lab of whole connections
	LoadCommand []string // program that calls load.Serve
	Stdout      io.Writer
	Progress    io.Writer
}

// Sizes of a whole run and of a short one.
var (
	DefaultFlows = []int{1000, 100_000, 1_000_000, 4_000_000}
	DefaultPeers = []int{3, 64, 1024}
	ShortFlows   = []int{1000, 100_000}
	ShortPeers   = []int{3, 64}
)

// The parts of a run.
const (
	PartCount  = "count"  // packets, in instructions; flows' memory
	PartNative = "native" // packets, in ns
	PartHTTP   = "http"   // whole connections
)

// Parts are all parts of a run; ShortParts are those of a short one.
var (
	Parts      = []string{PartCount, PartNative, PartHTTP}
	ShortParts = []string{PartCount}
)

// The bounds of Options.
const (
	MaxFlows = 8_000_000
	MaxPeers = 4096
)

const (
	packets      = 20_000
	shortPackets = 5_000
	peerFlows    = 100_000
	nativeRounds = 5
)

// ErrMissed is returned by a strict Run if a target was missed or not measured.
var ErrMissed = errors.New("a target was not met")

// plan returns what the guest is to measure.
func (o Options) plan() (wire.Plan, error) {
	for name, c := range map[string]struct {
		sizes []int
		most  int
	}{"flows": {o.Flows, MaxFlows}, "peers": {o.Peers, MaxPeers}} {
		if len(c.sizes) == 0 {
			return wire.Plan{}, fmt.Errorf("bench: no number of %s given", name)
		}
		for i, n := range c.sizes {
			if n < 1 || n > c.most || i > 0 && n <= c.sizes[i-1] {
				return wire.Plan{}, fmt.Errorf("bench: %d %s: want rising numbers from 1 to %d", n, name, c.most)
			}
		}
	}
	for _, part := range o.Parts {
		if !slices.Contains(Parts, part) {
			return wire.Plan{}, fmt.Errorf("bench: part %q: want some of %s", part, strings.Join(Parts, ", "))
		}
	}
	if err := checkPossible(o.PossibleCPUs); err != nil {
		return wire.Plan{}, fmt.Errorf("bench: %w", err)
	}
	p := wire.Plan{
		PossibleCPUs: o.PossibleCPUs, Serving: o.Serving,
		Systems: []string{wire.DPR, wire.Tun, wire.DR, wire.NAT}, PeerSystems: []string{wire.DPR, wire.Tun},
		Flows: o.Flows, Peers: o.Peers, PeerFlows: nearest(o.Flows, peerFlows), Packets: packets,
		Host: true, Profile: true, Memory: true,
	}
	if o.Short {
		p.Systems, p.PeerSystems, p.Packets = p.Systems[:2], p.PeerSystems[:1], shortPackets
	}
	return p, nil
}

// nearest returns the largest of rising sizes up to most, else the first.
func nearest(sizes []int, most int) int {
	best := sizes[0]
	for _, n := range sizes {
		if n <= most {
			best = n
		}
	}
	return best
}

// Run measures, writes bench.json and the page, and prints the verdicts.
func Run(ctx context.Context, o Options) error {
	begin := time.Now()
	p, err := o.plan()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	r := &Report{Plan: p, Native: Native{Why: "it was not asked for"}}
	for _, part := range []struct {
		name string
		run  func(context.Context, *Report) error
	}{{PartCount, o.count}, {PartNative, o.native}, {PartHTTP, o.http}} {
		if !slices.Contains(o.Parts, part.name) {
			continue
		}
		if err := part.run(ctx, r); err != nil {
			return fmt.Errorf("bench: %s: %w", part.name, err)
		}
	}
	r.Verdicts = r.judge()
	r.Seconds = time.Since(begin).Seconds()
	file, page := filepath.Join(o.Dir, "bench.json"), filepath.Join(o.Dir, "bench")
	if err := errors.Join(writeJSON(file, r.summary()), r.writePage(page), r.writeTable(o.Stdout)); err != nil {
		return err
	}
	fmt.Fprintf(o.Stdout, "\nIt took %.0f s. Figures in %s, plots and the rest in %s.\n", r.Seconds, file, filepath.Join(page, "index.html"))
	if o.Strict && !r.allMet() {
		return ErrMissed
	}
	return nil
}

// maxPossible is what Debian's kernels for x86-64 are built for.
const maxPossible = 512

func checkPossible(cpus int) error {
	if cpus < 0 || cpus > maxPossible {
		return fmt.Errorf("%d possible processors: want 1 to %d", cpus, maxPossible)
	}
	return nil
}

// count measures what packets cost in instructions, and what flows take.
func (o Options) count(ctx context.Context, r *Report) (err error) {
	c, err := guestConfig(o.Kernel, "", r.Plan, o.Progress)
	if err != nil {
		return err
	}
	s, err := lab.NewSolo(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r.Kernel = s.Kernel.Release
	f, err := measure(ctx, s, lab.AccelCount, o.Progress)
	if err != nil {
		return err
	}
	r.take(f)
	return nil
}

// http measures whole connections.
func (o Options) http(ctx context.Context, r *Report) error {
	return measureHTTP(ctx, r, httpOptions{o.Kernel, o.Lab, o.LoadCommand, o.Progress})
}

// allMet tells whether every target was met. Without any, nothing was.
func (r *Report) allMet() bool {
	if len(r.Verdicts) == 0 {
		return false
	}
	for _, v := range r.Verdicts {
		if v.Outcome != Met {
			return false
		}
	}
	return true
}

// distinct returns the verdicts that have profiles, the first of each profile.
func distinct(verdicts []Verdict) []Verdict {
	var seen [][]Spent
	return slices.DeleteFunc(slices.Clone(verdicts), func(v Verdict) bool {
		if len(v.Profile) == 0 || slices.ContainsFunc(seen, func(p []Spent) bool { return slices.Equal(p, v.Profile) }) {
			return true
		}
		seen = append(seen, v.Profile)
		return false
	})
}

// writeTable prints the verdicts, and profiles of what was missed.
func (r *Report) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "TARGET\tLIMIT\tFIGURE\t\t\n")
	for _, v := range r.Verdicts {
		fmt.Fprintf(t, "%s\t%g\t%s\t%s\t%s\n", v.Target, v.Limit, figure(v.Figure), v.Outcome, v.Detail)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the verdicts: %w", err)
	}
	for _, v := range distinct(r.Verdicts) {
		fmt.Fprintf(w, "\n%s: missed; instructions by function\n", v.Target)
		for _, f := range v.Profile {
			fmt.Fprintf(w, "  %5.0f  %s\n", f.Instructions, f.Name)
		}
	}
	if !r.Native.Measured {
		fmt.Fprintf(w, "\nNative speed was not measured: %s.\n", r.Native.Why)
	}
	return nil
}
