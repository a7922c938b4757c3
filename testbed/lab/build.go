// SPDX-License-Identifier: MIT

package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"dpr/testbed/lab/disk"
)

// The programs of dpr that servers run.
var dprPrograms = []string{"dprctl", "dpr-broadcast", "dpr-receive", "dpr-cleanup"}

// labPackages returns the packages of the lab's own programs, and of dpr's if
// there is dpr.
func labPackages(withDPR bool) []string {
	packages := []string{"./testbed/lab/guest/init", "./testbed/lab/" + brokerProgram}
	if withDPR {
		for _, p := range dprPrograms {
			packages = append(packages, "./cmd/"+p)
		}
	}
	return packages
}

// buildPrograms builds packages' programs, static, into dir.
func buildPrograms(ctx context.Context, source, dir string, packages ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", dir + "/"}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	return runBuild(cmd)
}

// runBuild runs a command of the build, which must not outlive this process, and
// returns its failure with what it printed.
func runBuild(cmd *exec.Cmd) error {
	runtime.LockOSThread() // Pdeathsig goes by the thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// moduleTree is the source of a kernel module that this project has.
type moduleTree struct {
	root string   // of the checkout
	dir  string   // below root: the module's files and its Makefile
	with []string // further directories below root that it is built from
	name string   // the module is NAME.ko
	vars []string // variables of make ("NAME=VALUE") that it is built with
}

// dprTree returns the source of dpr.ko below a checkout's root.
func dprTree(root string) moduleTree {
	return moduleTree{root: root, dir: "kmod", with: []string{"include"}, name: "dpr"}
}

// buildModule builds a module for a kernel, from a copy of its source, and returns
// the file. It is built once for the same source and kernel.
func buildModule(ctx context.Context, t moduleTree, k Kernel) (string, error) {
	files, final, err := t.file(k)
	if err != nil || disk.Exists(final) {
		return final, err
	}
	_, err = k.compile(ctx, t, files, final, t.vars...)
	return final, err
}

// file returns the files that the module is made of, below the source's root,
// and the file that the module built from them for a kernel is kept in.
func (t moduleTree) file(k Kernel) (files []string, final string, err error) {
	if files, err = t.source(); err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, k.Release, k.Headers, t.vars)
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(t.root, name))
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
	return files, filepath.Join(cache, t.name+"-"+hex.EncodeToString(sum.Sum(nil))[:16]+".ko"), nil
}

// source lists the files that the module is made of, below the source's root.
func (t moduleTree) source() ([]string, error) {
	var files []string
	for _, dir := range append([]string{t.dir}, t.with...) {
		err := filepath.WalkDir(filepath.Join(t.root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := d.Name()
			if ext := filepath.Ext(name); d.Type().IsRegular() && !strings.HasSuffix(name, ".mod.c") &&
				(ext == ".c" || ext == ".h" || name == "Makefile" || name == "Kbuild") {
				rel, err := filepath.Rel(t.root, path)
				files = append(files, rel)
				return err
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("finding the source of module %s: %w", t.name, err)
		}
	}
	return files, nil
}

// moduleDepends returns the names of the modules that a module needs, as its file
// says.
func moduleDepends(path string) ([]string, error) {
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
