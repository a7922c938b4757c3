// SPDX-License-Identifier: MIT

package bench

import (
	"cmp"
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
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/singlevm"
)

// Options says what the bench measures.
type Options struct {
	// Kernel is that of the guests, as in lab.Config; "": 6.1, or what the fast path needs
	// where that is measured.
	Kernel string
	// Flows are sizes of the routing table, 1 to MaxFlows, and Peers numbers of peers,
	// 1 to MaxPeers, both rising. None: DefaultFlows and DefaultPeers, or those of a
	// short run.
	Flows, Peers []int
	// Family is which families are measured, each in a boot of its own; "": both, or
	// IPv4 in a short run.
	Family family.Mix
	// Hosts are sizes of the clusters whose connections move, 2 to MaxPeers + 1, rising, and
	// Connections is how many of them move, 1 to MaxMoved. None: DefaultHosts and
	// DefaultMoved.
	Hosts       []int
	Connections int
	// Serving has the host that redirects take part itself.
	Serving bool
	// PossibleCPUs is how many processors the guest's kernel makes room for where
	// instructions are counted, up to maxPossible; 0: one.
	PossibleCPUs int
	Short        bool // dpr and IPVS-TUN only
	// Parts, of the variable Parts, are measured. None: DefaultParts, or those of a short run.
	Parts  []string
	Strict bool   // a target that is missed or not measured is an error
	Dir    string // where bench.json and the page's directory bench go

	Lab         string   // name of the lab of whole connections
	LoadCommand []string // program that calls load.Serve
	Stdout      io.Writer
	Progress    io.Writer

	fastKernel string // Kernel where the fast path is measured
}

// Defaults returns the options of a whole run.
func Defaults() Options {
	return Options{Dir: "out", Lab: "bench", Stdout: io.Discard, Progress: io.Discard}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	return flags.Set{
		flags.Numbers(&o.Flows, "flows", flags.From(1, MaxFlows), "sizes of the routing table (`N,N…`, {range})").As(list(DefaultFlows)),
		flags.Numbers(&o.Peers, "peers", flags.From(1, MaxPeers), "numbers of peers (`N,N…`, {range})").As(list(DefaultPeers)),
		flags.Numbers(&o.Hosts, "hosts", flags.From(2, MaxPeers+1), "sizes of the clusters whose connections move (`N,N…`, {range})").As(list(DefaultHosts)),
		flags.Number(&o.Connections, "connections", flags.From(0, MaxMoved), "`N` connections that move at once").As(fmt.Sprint(DefaultMoved)),
		flags.Word(&o.Family, "family", family.Mixes, "`FAMILY` of clients, hosts and tunnels: {range}").As("both; of a short run 4"),
		kernel.AnyFlag(&o.Kernel, "`VERSION` of the guests' kernel: a series, such as 6.12, or a release").As(kernel.Default + "; of the part " + PartFastPath + " " + fastPathKernel),
		possibleFlag(&o.PossibleCPUs),
		servingFlag(&o.Serving),
		flags.Bool(&o.Short, "short", "small tables, dpr and IPVS-TUN only, packets in instructions only"),
		flags.Words(&o.Parts, "parts", Parts, "what is measured (`PART,PART…`): {range}").As("all but " + PartLayer7 + "; of a short run " + strings.Join(ShortParts, ",")),
		flags.Bool(&o.Strict, "strict", "fail if a target is missed or not measured"),
		flags.String(&o.Dir, "out", "`DIRECTORY` of bench.json and the page bench/"),
	}
}

// list writes numbers as a flag takes them.
func list(sizes []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(sizes), " ", ","), "[]")
}

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error {
	if err := o.Flags().Check(); err != nil {
		return err
	}
	for name, sizes := range map[string][]int{"flows": o.Flows, "peers": o.Peers, "hosts": o.Hosts} {
		for i := 1; i < len(sizes); i++ {
			if sizes[i] <= sizes[i-1] {
				return fmt.Errorf("--%s %s: want rising numbers", name, list(sizes))
			}
		}
	}
	return nil
}

// complete fills in what a whole run or a short one measures.
func (o *Options) complete() {
	flows, peers, parts, mix := DefaultFlows, DefaultPeers, DefaultParts, family.Both
	if o.Short {
		flows, peers, parts, mix = ShortFlows, ShortPeers, ShortParts, family.Only4
	}
	o.Family = cmp.Or(o.Family, mix)
	o.fastKernel = cmp.Or(o.fastKernel, o.Kernel, fastPathKernel)
	o.Kernel = cmp.Or(o.Kernel, kernel.Default)
	if len(o.Flows) == 0 {
		o.Flows = flows
	}
	if len(o.Peers) == 0 {
		o.Peers = peers
	}
	if len(o.Hosts) == 0 {
		o.Hosts = DefaultHosts
	}
	o.Connections = cmp.Or(o.Connections, DefaultMoved)
	if len(o.Parts) == 0 {
		o.Parts = parts
	}
}

// possibleFlag describes a field that is a number of possible processors; 0: one.
func possibleFlag(p *int) *flags.Flag {
	return flags.Number(p, "possible-cpus", flags.From(0, maxPossible),
		"count instructions on a machine that has room for `N` processors, one of which is there").As("1")
}

func servingFlag(p *bool) *flags.Flag {
	return flags.Bool(p, "serving", "the host that redirects takes part itself: it asks for its own load at each SYN")
}

// Sizes of a whole run and of a short one.
var (
	DefaultFlows = []int{1000, 100_000, 1_000_000, 4_000_000}
	DefaultPeers = []int{3, 64, 1024}
	ShortFlows   = []int{1000, 100_000}
	ShortPeers   = []int{3, 64}

	DefaultHosts = []int{2, 10, 100}
)

// The parts of a run.
const (
	PartCount  = "count"  // packets, in instructions; flows' memory
	PartNative = "native" // packets, in ns
	PartHTTP   = "http"   // whole connections
	PartMoved  = "moved"  // connections that come to another host, until it finds them
)

// Parts are all parts; DefaultParts are those of a whole run, and ShortParts those of a short
// one. Connections that are placed by what they ask for are experimental, and measured only
// if they are asked for.
var (
	Parts        = []string{PartCount, PartNative, PartHTTP, PartMoved, PartFastPath, PartLayer7}
	DefaultParts = Parts[:5:5]
	ShortParts   = []string{PartCount}
)

// The bounds of Options.
const (
	MaxFlows = 8_000_000
	MaxPeers = 4096
	// A client address has about 28,000 ports for its connections.
	MaxMoved     = 20_000
	DefaultMoved = 10_000
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
	if err := o.Validate(); err != nil {
		return wire.Plan{}, fmt.Errorf("bench: %w", err)
	}
	o.complete()
	p := wire.Plan{
		Family: o.Family.Families()[0], PossibleCPUs: o.PossibleCPUs, Serving: o.Serving,
		Systems: []string{wire.DPR, wire.Tun, wire.DR, wire.NAT, wire.Direct, wire.Splice, wire.SpliceProxy}, PeerSystems: []string{wire.DPR, wire.Tun},
		Flows: o.Flows, Peers: o.Peers, PeerFlows: nearest(o.Flows, peerFlows), Packets: packets,
		Host: true, Profile: true, Memory: true,
	}
	if slices.Contains(o.Parts, PartMoved) {
		p.Moved, p.Connections = o.Hosts, o.Connections
	}
	p.FastPath = slices.Contains(o.Parts, PartFastPath)
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
	o.complete()
	p, err := o.plan()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	r := &Report{Plan: p, Families: o.Family.Families(), Native: Native{Why: "it was not asked for"}}
	for _, part := range []struct {
		name string
		run  func(context.Context, *Report, family.Family) error
	}{{PartCount, o.count}, {PartNative, o.native}, {PartHTTP, o.http}, {PartMoved, o.moved}, {PartFastPath, o.fastPath}, {PartLayer7, o.layer7}} {
		if !slices.Contains(o.Parts, part.name) {
			continue
		}
		for _, f := range r.Families {
			if err := part.run(ctx, r, f); err != nil {
				return fmt.Errorf("bench: %s, %s: %w", part.name, f.Name(), err)
			}
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

// count measures what packets cost in instructions, and what flows take.
func (o Options) count(ctx context.Context, r *Report, family family.Family) (err error) {
	c, err := guestConfig(o.Kernel, "", r.planOf(family), o.Progress)
	if err != nil {
		return err
	}
	s, err := singlevm.New(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r.Kernel = s.Kernel.Release
	f, err := measure(ctx, s, family, qemu.Count, o.Progress)
	if err != nil {
		return err
	}
	r.take(f)
	return nil
}

// http measures whole connections.
func (o Options) http(ctx context.Context, r *Report, family family.Family) error {
	return measureHTTP(ctx, r, httpOptions{family, o.Kernel, o.Lab, o.LoadCommand, o.Progress})
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
	fmt.Fprintf(t, "FAMILY\tTARGET\tLIMIT\tFIGURE\t\t\n")
	for _, v := range r.Verdicts {
		fmt.Fprintf(t, "%s\t%s\t%g\t%s\t%s\t%s\n", v.Family.Name(), v.Target, v.Limit, figure(v.Figure), v.Outcome, v.Detail)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the verdicts: %w", err)
	}
	for _, v := range distinct(r.Verdicts) {
		fmt.Fprintf(w, "\n%s: %s: missed; instructions by function\n", v.Family.Name(), v.Target)
		for _, f := range v.Profile {
			fmt.Fprintf(w, "  %5.0f  %s\n", f.Instructions, f.Name)
		}
	}
	if r.FastPath.Why != "" {
		fmt.Fprintf(w, "\nThe fast path was not measured: %s.\n", r.FastPath.Why)
	}
	if !r.Native.Measured {
		fmt.Fprintf(w, "\nNative speed was not measured: %s.\n", r.Native.Why)
	}
	return nil
}
