// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/progress"
)

// The kernels that package kernel makes, by the names that Config.Kernel gives
// them. All others are looked for by findKernel.
const (
	kernelDebug  = "debug"
	kernelNewest = "newest"
)

// KernelUML is a kernel that only a Solo can run: a program of this machine, whose
// code runs natively.
const KernelUML = "uml"

// KernelUMLDebug is the same with KASAN, kmemleak and fault injection.
const KernelUMLDebug = "uml-debug"

// debugOverhead is the memory in MiB that a guest needs beyond Config.Memory
// under the debug kernel: KASAN and kmemleak keep books on all memory.
const debugOverhead = 320

// debugParams are the debug kernel's: its failslab can be told to let only the
// allocations of flows fail, which in 6.1 must be said at boot.
const debugParams = "slub_debug=A,dpr_flow"

// chooseKernel returns the kernel that c.Kernel names, making it if need be.
func chooseKernel(ctx context.Context, c Config, p *progress.Progress) (Kernel, error) {
	if c.Kernel != kernelDebug && c.Kernel != kernelNewest && !userMode(c.Kernel) {
		return findKernel(ctx, c.Kernel, p)
	}
	cache, err := disk.CacheDir("kernels")
	if err != nil {
		return Kernel{}, err
	}
	b := kernel.Builder{Cache: cache, Source: c.Source, Say: p.Say}
	fetch := b.Newest
	switch c.Kernel {
	case kernelDebug:
		fetch = b.Debug
	case KernelUML:
		fetch = b.UML
	case KernelUMLDebug:
		fetch = b.UMLDebug
	}
	tree, err := fetch(ctx)
	if err != nil {
		return Kernel{}, err
	}
	k, err := newestKernel(tree.Root, func(release string) bool { return release == tree.Release })
	if err != nil {
		return k, fmt.Errorf("%s kernel: %s has no modules or headers: %w", c.Kernel, tree.Root, err)
	}
	if tree.Chroot {
		k.Chroot = tree.Root
	}
	k.Arch = tree.Arch
	if c.Kernel == kernelDebug || c.Kernel == KernelUMLDebug {
		k.Overhead, k.Params = debugOverhead, debugParams
	}
	return k, nil
}

// userMode tells whether a kernel is a program of this machine.
func userMode(name string) bool { return name == KernelUML || name == KernelUMLDebug }
