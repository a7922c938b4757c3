// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"fmt"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/progress"
)

// The kernels that are made here, by the names that people give them. All others are
// looked for by find.
const (
	debugName  = "debug"
	newestName = "newest"
)

// UML is a kernel that only a guest by itself can be (package singlevm): a program
// of this machine, whose code runs natively.
const UML = "uml"

// UMLDebug is the same with KASAN, kmemleak and fault injection.
const UMLDebug = "uml-debug"

// debugOverhead is the memory in MiB that a guest needs besides under the debug
// kernel: KASAN and kmemleak keep records of all memory.
const debugOverhead = 320

// debugParams are the debug kernel's: its failslab can let only the
// allocations of flows fail, which in 6.1 must be said at boot.
const debugParams = "slub_debug=A,dpr_flow*"

// Choose returns the kernel that name names, making it if need be; source is
// the root of the checkout.
func Choose(ctx context.Context, name, source string, p *progress.Progress) (Kernel, error) {
	if name != debugName && name != newestName && !UserMode(name) {
		return find(ctx, name, p)
	}
	cache, err := disk.CacheDir("kernels")
	if err != nil {
		return Kernel{}, err
	}
	b := Builder{Cache: cache, Source: source, Say: p.Say}
	fetch := b.Newest
	switch name {
	case debugName:
		fetch = b.Debug
	case UML:
		fetch = b.UML
	case UMLDebug:
		fetch = b.UMLDebug
	}
	tree, err := fetch(ctx)
	if err != nil {
		return Kernel{}, err
	}
	k, err := newest(tree.Root, func(release string) bool { return release == tree.Release })
	if err != nil {
		return k, fmt.Errorf("%s kernel: %s has no modules or headers: %w", name, tree.Root, err)
	}
	if tree.Chroot {
		k.Chroot = tree.Root
	}
	k.Arch = tree.Arch
	if name == debugName || name == UMLDebug {
		k.Overhead, k.Params = debugOverhead, debugParams
	}
	return k, nil
}

// UserMode tells whether a kernel is a program of this machine.
func UserMode(name string) bool { return name == UML || name == UMLDebug }
