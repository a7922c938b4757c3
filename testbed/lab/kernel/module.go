// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/checkout"
	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/progress"
)

// Module is the source of a kernel module that this project has.
type Module struct {
	Root string   // of the checkout
	Dir  string   // below root: the module's files and its Makefile
	With []string // further directories below root that it is built from
	Name string   // the module is NAME.ko
	Vars []string // variables of make ("NAME=VALUE") that it is built with
}

// DebugInfo is what to add to Vars for a module with what gdb reads: lines and variables.
const DebugInfo = "CONFIG_DEBUG_INFO=y"

// DPR returns the source of dpr.ko below a checkout's root.
func DPR(root string) Module {
	return Module{Root: root, Dir: "kmod", With: []string{"include"}, Name: "dpr"}
}

// Build builds a module for a kernel, from a copy of its source, and returns
// the file. It is built once for the same source and kernel.
func Build(ctx context.Context, t Module, k Kernel) (string, error) {
	files, final, err := t.file(k)
	if err != nil || disk.Exists(final) {
		return final, err
	}
	_, err = k.compile(ctx, t, files, final, false, t.Vars...)
	return final, err
}

// file returns the files that the module is made of, below the source's root,
// and the file that the module built from them for a kernel is kept in.
func (t Module) file(k Kernel) (files []string, final string, err error) {
	if files, err = t.source(); err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, k.Release, k.Headers, t.Vars)
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(t.Root, name))
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(b), b)
	}
	symbols, err := os.ReadFile(filepath.Join(k.Headers, "Module.symvers"))
	if err != nil {
		return nil, "", fmt.Errorf("headers of kernel %s: %w", k.Release, err)
	}
	sum.Write(symbols)
	cache, err := disk.CacheDir("modules")
	if err != nil {
		return nil, "", err
	}
	return files, filepath.Join(cache, t.Name+"-"+hex.EncodeToString(sum.Sum(nil))[:16]+".ko"), nil
}

// source lists the files that the module is made of, below the source's root.
func (t Module) source() ([]string, error) {
	var files []string
	for _, dir := range append([]string{t.Dir}, t.With...) {
		err := filepath.WalkDir(filepath.Join(t.Root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if isSource(d) {
				rel, err := filepath.Rel(t.Root, path)
				files = append(files, rel)
				return err
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("finding the source of module %s: %w", t.Name, err)
		}
	}
	return files, nil
}

// isSource tells a file that modules are made of from what is made of it.
func isSource(d fs.DirEntry) bool {
	name := d.Name()
	ext := filepath.Ext(name)
	return d.Type().IsRegular() && !strings.HasSuffix(name, ".mod.c") &&
		(ext == ".c" || ext == ".h" || name == "Makefile" || name == "Kbuild")
}

// Depends returns the names of the modules that a module needs, as its file
// says.
func Depends(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading module %s: %w", path, err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("reading module %s: %w", path, errors.New("it has no .modinfo"))
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("reading module %s: %w", path, err)
	}
	return parseDepends(string(info)), nil
}

// parseDepends finds "depends=a,b" among strings that end with a zero byte.
func parseDepends(modinfo string) []string {
	for s := range strings.SplitSeq(modinfo, "\x00") {
		if v, ok := strings.CutPrefix(s, "depends="); ok && v != "" {
			return strings.Split(v, ",")
		}
	}
	return nil
}

// Strip writes a module without its DebugInfo, 50 times the rest: a guest would have it
// in memory when it boots, and again when it is loaded.
func Strip(ctx context.Context, module, to string) error {
	if out, err := exec.CommandContext(ctx, "strip", "--strip-debug", "-o", to, module).CombinedOutput(); err != nil {
		return fmt.Errorf("stripping module %s: %w: %s", module, err, out)
	}
	return nil
}

// compile builds a module for k from a copy of the given files of its source, and
// moves it to final. It returns what make printed; arguments are added to make's. What make
// prints of files that it need not compile again is not there, unless all are compiled afresh.
func (k Kernel) compile(ctx context.Context, t Module, files []string, final string, afresh bool, args ...string) (out string, err error) {
	tree := Tree{Root: k.Chroot, Release: k.Release, Chroot: k.Chroot != ""}
	headers, parent := k.Headers, filepath.Dir(final)
	if tree.Chroot {
		rel, err := filepath.Rel(k.Chroot, k.Headers)
		if err != nil {
			return "", err
		}
		// The chroot is in the cache too: the module can be moved.
		headers, parent = "/"+rel, filepath.Join(k.Chroot, "tmp")
	}
	// The module brings its type information itself; DebugInfo among the arguments counts, as
	// it comes later.
	args = append([]string{"make", "-j2", "KDIR=" + headers, "CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_DEBUG_INFO="}, args...)
	if k.Arch != "" {
		// The user-mode kernel's percpu.h uses what it does not include.
		args = append(args, "ARCH="+k.Arch, "KCFLAGS=-include linux/irqflags.h")
	}
	w, err := enter(parent, t.Name, k.Release, k.Headers, args)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.leave()) }()
	if afresh {
		if err := w.empty(); err != nil {
			return "", err
		}
	}
	if err := w.supply(t.Root, files); err != nil {
		return "", err
	}
	if out, err = w.build(ctx, tree, t.Dir, args...); err != nil {
		return out, err
	}
	// make's own stays: it need not be linked again if nothing changes.
	ko := filepath.Join(w.dir, t.Dir, t.Name+".ko")
	if err := disk.Copy(ko, ko+".copy"); err != nil {
		return out, err
	}
	return out, os.Rename(ko+".copy", final)
}

// CheckModule builds dpr.ko for a kernel, by the name of Flag, with all of the
// kernel's own extra warnings (W=1), and fails if there is one. Source is the root of
// the checkout, "" for that of the working directory; lines gets a line for each step.
// It returns the kernel that was meant.
func CheckModule(ctx context.Context, name, source string, lines io.Writer) (Kernel, error) {
	if err := (flags.Set{Flag(&name)}).Check(); err != nil {
		return Kernel{}, err
	}
	root, err := checkout.Root(source)
	if err != nil {
		return Kernel{}, err
	}
	p := progress.New(lines)
	k, err := Choose(ctx, name, root, p)
	if err != nil {
		return k, err
	}
	files, final, err := DPR(root).file(k)
	if err != nil {
		return k, err
	}
	defer p.Step("building dpr.ko for " + k.Release + ", all warnings on")()
	// The module is the same with them: the lab need not build it again.
	out, err := k.compile(ctx, DPR(root), files, final, true, "W=1")
	if err != nil {
		return k, err
	}
	if lower := strings.ToLower(out); strings.Contains(lower, "warning:") || strings.Contains(lower, "modpost:") {
		return k, fmt.Errorf("building dpr.ko for %s, W=1, warns:\n%s", k.Release, out)
	}
	return k, nil
}
