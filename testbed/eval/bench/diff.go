// SPDX-License-Identifier: MIT

package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/singlevm"
)

// CompareOptions says which modules are compared.
type CompareOptions struct {
	Base string // commit of the old module; the new one is the working tree's
	// Threshold, per cent and above 0, is how much a figure may grow.
	Threshold float64
	Rounds    int    // boots of each, in turn, 1 or more
	Kernel    string // of the guests, as in lab.Config; default 6.1
	// Family is that of clients, hosts and tunnels; default IPv4. Modules of before IPv6 know IPv4 only.
	Family family.Family
	// Serving has the host that redirects take part itself.
	Serving bool
	// PossibleCPUs is how many processors the guests' kernel makes room for; 0: one.
	PossibleCPUs int
	Stdout       io.Writer
	Progress     io.Writer
}

// CompareDefaults returns options that lack only the commit.
func CompareDefaults() CompareOptions {
	return CompareOptions{Threshold: 1, Rounds: 2, Kernel: kernel.Default, Family: family.V4, Stdout: io.Discard, Progress: io.Discard}
}

// Flags describes the fields that a command line sets.
func (o *CompareOptions) Flags() flags.Set {
	return flags.Set{
		flags.Number(&o.Threshold, "threshold", flags.Above(0.0), "fail if a figure grew by more than `N` per cent"),
		flags.Number(&o.Rounds, "rounds", flags.AtLeast(1), "`N` boots with either module, in turn"),
		family.Flag(&o.Family, "`FAMILY` of clients, hosts and tunnels: {range}"),
		kernel.AnyFlag(&o.Kernel, "`VERSION` of the guests' kernel"),
		possibleFlag(&o.PossibleCPUs),
		servingFlag(&o.Serving),
	}
}

// Validate says what is wrong with the options, or nil.
func (o *CompareOptions) Validate() error { return o.Flags().Check() }

// ErrSlower is returned by Compare if the new module is slower than the old one,
// or takes more memory.
var ErrSlower = errors.New("it got worse")

// comparePlan is what is measured of each module.
var comparePlan = wire.Plan{
	Systems: []string{wire.DPR, wire.Splice}, PeerSystems: []string{wire.DPR},
	Flows: ShortFlows, Peers: ShortPeers, PeerFlows: peerFlows, Packets: shortPackets, Host: true, Memory: true,
}

// Compare measures the module of a commit and that of the working tree, boot
// about, prints what changed, and fails if anything got slower.
func Compare(ctx context.Context, o CompareOptions) (err error) {
	o.Family = cmp.Or(o.Family, family.V4)
	if err := o.Validate(); err != nil {
		return fmt.Errorf("bench-diff: %w", err)
	}
	tmp, err := os.MkdirTemp("", "dpr-bench-diff-")
	if err != nil {
		return fmt.Errorf("bench-diff: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	commit, err := extract(ctx, o.Base, tmp)
	if err != nil {
		return fmt.Errorf("bench-diff: %w", err)
	}
	changes, err := o.measure(ctx, tmp)
	if err != nil {
		return fmt.Errorf("bench-diff: %w", err)
	}
	fmt.Fprintf(o.Stdout, "old: %s\nnew: the working tree\n\n", commit)
	threshold := o.Threshold / 100
	if err := writeChanges(o.Stdout, changes, threshold); err != nil {
		return err
	}
	if n := worse(changes, threshold); n > 0 {
		return fmt.Errorf("%w: %d of %d figures grew by more than %.3g %%", ErrSlower, n, len(changes), o.Threshold)
	}
	return nil
}

// measure boots guests with either module in turn.
func (o CompareOptions) measure(ctx context.Context, base string) (_ []change, err error) {
	plan := comparePlan
	plan.Family, plan.PossibleCPUs, plan.Serving = o.Family, o.PossibleCPUs, o.Serving
	var sides [2]*singlevm.VM
	for i, source := range []string{base, ""} {
		c, err := guestConfig(o.Kernel, source, plan, o.Progress)
		if err != nil {
			return nil, err
		}
		if sides[i], err = singlevm.New(ctx, c); err != nil {
			return nil, fmt.Errorf("%s module: %w", sideNames[i], err)
		}
		defer func() { err = errors.Join(err, sides[i].Close()) }()
	}
	t := newComparison()
	for range o.Rounds {
		for i, s := range sides {
			fmt.Fprintf(o.Progress, "measuring the %s module\n", sideNames[i])
			f, err := measure(ctx, s, o.Family, qemu.Count, io.Discard)
			if err != nil {
				return nil, fmt.Errorf("%s module: %w", sideNames[i], err)
			}
			for _, a := range f.Absent {
				fmt.Fprintf(o.Progress, "          %s module: %s\n", sideNames[i], absentLine(a))
			}
			t.add(i, f)
		}
	}
	return t.changes(), nil
}

// sideNames are what the two modules are called.
var sideNames = [2]string{"old", "new"}

// extract writes what a commit's module is made of to a directory, and returns
// the commit with its subject.
func extract(ctx context.Context, commit, dir string) (string, error) {
	root, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	name, err := git(ctx, root, "log", "-1", "--format=%h %s", "--end-of-options", commit, "--")
	if err != nil {
		return "", fmt.Errorf("commit %q: %w", commit, err)
	}
	archive := filepath.Join(dir, "module.tar")
	if _, err := git(ctx, root, "archive", "-o", archive, "--end-of-options", commit, "kmod", "include"); err != nil {
		return "", fmt.Errorf("commit %q: %w", commit, err)
	}
	if out, err := exec.CommandContext(ctx, "tar", "-C", dir, "-xf", archive).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpacking commit %q: %w: %s", commit, err, bytes.TrimSpace(out))
	}
	return name, nil
}

// git runs git in a directory and returns what it prints. Root may work in a
// checkout of somebody else.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	args = append([]string{"-c", "safe.directory=*"}, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[2], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
