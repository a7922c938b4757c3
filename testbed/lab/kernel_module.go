// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/progress"
)

// compile builds a module for k from a copy of the given files of its source, and
// moves it to final. It returns what make printed; arguments are added to make's.
func (k Kernel) compile(ctx context.Context, t moduleTree, files []string, final string, args ...string) (string, error) {
	tree := kernel.Tree{Root: k.Chroot, Release: k.Release, Chroot: k.Chroot != ""}
	headers, parent := k.Headers, filepath.Dir(final)
	if tree.Chroot {
		rel, err := filepath.Rel(k.Chroot, k.Headers)
		if err != nil {
			return "", err
		}
		// The chroot is in the cache too: the module can be moved.
		headers, parent = "/"+rel, filepath.Join(k.Chroot, "tmp")
	}
	tmp, err := os.MkdirTemp(parent, "build-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	for _, name := range files {
		if err := disk.Copy(filepath.Join(t.root, name), filepath.Join(tmp, name)); err != nil {
			return "", err
		}
	}
	// Type information for BPF would take pahole, and nobody here asks for it.
	args = append([]string{"make", "-j2", "KDIR=" + headers, "CONFIG_DEBUG_INFO_BTF_MODULES="}, args...)
	if k.Arch != "" {
		// The user-mode kernel's percpu.h uses what it does not include.
		args = append(args, "ARCH="+k.Arch, "KCFLAGS=-include linux/irqflags.h")
	}
	out, err := tree.Run(ctx, filepath.Join(tmp, t.dir), args...)
	if err != nil {
		return out, err
	}
	return out, os.Rename(filepath.Join(tmp, t.dir, t.name+".ko"), final)
}

// CheckModule builds dpr.ko for a kernel, named as in Config.Kernel, with all of
// the kernel's own extra warnings (W=1), and fails if there is one. Source and
// progress are as in Config. It returns the kernel that was meant.
func CheckModule(ctx context.Context, name, source string, lines io.Writer) (Kernel, error) {
	c, err := Config{Kernel: name, Progress: lines}.withDefaults()
	if err != nil {
		return Kernel{}, err
	}
	if c.Source, err = sourceDir(source); err != nil {
		return Kernel{}, err
	}
	p := progress.New(c.Progress)
	k, err := chooseKernel(ctx, c, p)
	if err != nil {
		return k, err
	}
	files, final, err := dprTree(c.Source).file(k)
	if err != nil {
		return k, err
	}
	defer p.Step("building dpr.ko for " + k.Release + ", all warnings on")()
	// The module is the same with them: the lab need not build it again.
	out, err := k.compile(ctx, dprTree(c.Source), files, final, "W=1")
	if err != nil {
		return k, err
	}
	if lower := strings.ToLower(out); strings.Contains(lower, "warning:") || strings.Contains(lower, "modpost:") {
		return k, fmt.Errorf("building dpr.ko for %s, W=1, warns:\n%s", k.Release, out)
	}
	return k, nil
}
