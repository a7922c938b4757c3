// SPDX-License-Identifier: MIT

// Package singlevm boots a guest by itself: one kernel, one program, which reports by
// records. Package guest/singlevm is its other side.
package singlevm

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/lab/checkout"
	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/flags"
	guest "dpr/testbed/lab/guest/singlevm"
	"dpr/testbed/lab/initramfs"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/progress"
	"dpr/testbed/lab/qemu"
	"dpr/testbed/lab/splat"
)

// Config says what a guest by itself is made of: one kernel, one program.
type Config struct {
	Kernel   string            // by the name of kernel.AnyFlag; default: kernel.Default
	Params   string            // what its kernel's command line says besides, under QEMU
	Memory   int               // MiB, at least qemu.MinMemory
	CPUs     int               // default: 1, which is all that a user-mode kernel has
	Init     string            // package, below Source, of the program that is its first process
	Programs []string          // programs of this machine that it has, by their paths
	Modules  []string          // modules of its kernel that it has, if the kernel has them as modules
	Built    []kernel.Module   // built for it, as /lib/modules/NAME.ko; Root: default Source
	Files    map[string][]byte // further files, by their paths in the guest

	Source   string    // the root of the checkout; default: found from the working directory
	Progress io.Writer // gets a line for each step; nil = none
}

// flags describes what may be wrong.
func (sc *Config) flags() flags.Set {
	return flags.Set{
		kernel.AnyFlag(&sc.Kernel, "the kernel"),
		flags.Number(&sc.Memory, "memory", flags.AtLeast(qemu.MinMemory), "`MIB` of memory"),
	}
}

// VM is a guest by itself: no network, no agent, no service. Its first process
// is a given program, whose main function is guest.Main.
type VM struct {
	Kernel  kernel.Kernel // that it runs
	Failing bool          // its allocations are made to fail: traces about that are no splats

	dir     string // its files
	image   initramfs.Image
	machine qemu.Machine
	p       *progress.Progress
}

// New builds a guest. The caller closes it.
func New(ctx context.Context, sc Config) (_ *VM, err error) {
	sc.Kernel = cmp.Or(sc.Kernel, kernel.Default)
	if sc.Progress == nil {
		sc.Progress = io.Discard
	}
	if err := sc.flags().Check(); err != nil {
		return nil, err
	}
	if err := initramfs.CheckPackages(); err != nil {
		return nil, err
	}
	if sc.Source, err = checkout.Root(sc.Source); err != nil {
		return nil, err
	}
	s := &VM{p: progress.New(sc.Progress)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Kernel, err = kernel.Choose(ctx, sc.Kernel, sc.Source, s.p); err != nil {
		return nil, err
	}
	// What a killed process leaves there is swept away some day.
	cache, err := disk.CacheDir("singlevm")
	if err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(cache, "new-*"); err != nil {
		return nil, fmt.Errorf("making a directory for a guest: %w", err)
	}
	s.machine = qemu.Machine{Kernel: s.Kernel.Image, Params: sc.Params, Initrd: filepath.Join(s.dir, "initrd"), Memory: sc.Memory + s.Kernel.Overhead, CPUs: sc.CPUs}
	if s.image, err = s.build(ctx, sc); err != nil {
		return nil, err
	}
	return s, s.image.WriteFile(s.machine.Initrd)
}

// Put adds a file to the guest, or replaces one, from the next Run on.
func (s *VM) Put(name string, content []byte) error {
	s.image.Text(name, 0o644, string(content))
	return s.image.WriteFile(s.machine.Initrd)
}

// Close removes the guest's files.
func (s *VM) Close() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// build builds what the guest is made of.
func (s *VM) build(ctx context.Context, sc Config) (initramfs.Image, error) {
	im := initramfs.Empty()
	for _, program := range sc.Programs {
		if err := im.Program(ctx, program); err != nil {
			return nil, err
		}
	}
	if err := im.Program(ctx, "/usr/bin/kmod"); err != nil {
		return nil, err
	}
	im.Kmod()
	for name, content := range sc.Files {
		im.Text(name, 0o644, string(content))
	}
	g, building := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer s.p.Step("building the guest's program")()
		return checkout.Build(building, sc.Source, s.dir, sc.Init)
	})
	modules := make([]string, len(sc.Built))
	g.Go(func() error {
		for i, m := range sc.Built {
			if m.Root == "" {
				m.Root = sc.Source
			}
			done := s.p.Step(fmt.Sprintf("building %s.ko for %s", m.Name, s.Kernel.Release))
			var err error
			if modules[i], err = kernel.Build(building, m, s.Kernel); err != nil {
				return err
			}
			done()
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return im, s.addBuilt(ctx, im, sc, modules)
}

// addBuilt adds what was built, and the kernel's modules.
func (s *VM) addBuilt(ctx context.Context, im initramfs.Image, sc Config, modules []string) error {
	names := sc.Modules
	for i, file := range modules {
		depends, err := kernel.Depends(file)
		if err != nil {
			return err
		}
		names = append(depends, names...)
		if err := im.File("/lib/modules/"+sc.Built[i].Name+".ko", file); err != nil {
			return err
		}
	}
	if err := im.File("/init", filepath.Join(s.dir, path.Base(sc.Init))); err != nil {
		return err
	}
	stage := filepath.Join(s.dir, "stage")
	if err := kernel.Stage(ctx, s.Kernel, names, stage); err != nil {
		return err
	}
	return im.Tree(filepath.Join(stage, "lib", "modules", s.Kernel.Release), "/lib/modules/"+s.Kernel.Release)
}

// Accel returns the accelerator that is fastest here, qemu.KVM or "tcg": KVM only
// if it booted this guest. A user-mode kernel needs none.
func (s *VM) Accel(ctx context.Context) (string, error) {
	if s.Kernel.Arch != "" {
		return "", nil
	}
	return qemu.Choose(ctx, s.machine, s.p)
}

// Run boots the guest under an accelerator and hands on each record that it writes,
// until it powers off. It is an error if it does not say that all was done, and a
// *splat.Error if its kernel complained.
func (s *VM) Run(ctx context.Context, accel string, record func([]byte) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("running a guest: %w; the end of its console:\n%s", err, disk.LastLines(s.console()))
		}
	}()
	console, err := os.Create(s.console())
	if err != nil {
		return fmt.Errorf("making its console: %w", err)
	}
	defer console.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := s.args(accel)
	runtime.LockOSThread() // Pdeathsig goes by the thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A pipe, not the file itself: a user-mode kernel waits for it with epoll.
	cmd.Stderr = io.MultiWriter(console)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done, err := eachRecord(out, record)
	if err != nil {
		cancel()
	}
	ended := cmd.Wait()
	switch {
	case err != nil:
	case ended != nil:
		err = ended
	case !done:
		err = errors.New("it ended early")
	}
	return errors.Join(s.trouble(), err)
}

// args returns what runs the guest: its console is standard error, its port
// standard output.
func (s *VM) args(accel string) []string {
	m := s.machine.Accelerated(accel)
	if s.Kernel.Arch == "" {
		// Caches of one size are kept apart: what a flow takes is asked for. A guest
		// that hangs ends, and says where; one that gets no processor for half a minute
		// does not hang.
		return append(m.Args("dprlab-single", "slab_nomerge rcupdate.rcu_cpu_stall_timeout=60 sysctl.kernel.watchdog_thresh=30 "+
			"sysctl.kernel.panic_on_rcu_stall=1 sysctl.kernel.hung_task_panic=1"),
			"-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console", "-serial", "stdio")
	}
	return []string{
		m.Kernel, fmt.Sprintf("mem=%dM", m.Memory), "initrd=" + m.Initrd, "uml_dir=" + s.dir + "/", "umid=single",
		"con=null", "con0=null,fd:2", "ssl=null", "ssl1=null,fd:1", "console=tty0", "panic=-1", "panic_on_warn=1", "slab_nomerge",
	}
}

func (s *VM) console() string { return filepath.Join(s.dir, "console") }

// eachRecord calls record for each line of r up to guest.End, and says whether all
// was done.
func eachRecord(r io.Reader, record func([]byte) error) (done bool, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := bytes.TrimRight(s.Bytes(), "\r")
		var end guest.End
		if err := json.Unmarshal(line, &end); err != nil {
			return done, fmt.Errorf("it says %.200q: %w", line, err)
		}
		switch {
		case end.Error != "":
			return done, errors.New(end.Error)
		case end.Done:
			done = true
		default:
			if err := record(line); err != nil {
				return done, err
			}
		}
	}
	return done, s.Err()
}

// trouble returns a *splat.Error if the console shows a splat.
func (s *VM) trouble() error {
	b, err := os.ReadFile(s.console())
	if err != nil {
		return fmt.Errorf("looking at a guest's console: %w", err)
	}
	find := splat.Find
	if s.Failing {
		find = splat.FindFailing
	}
	if text := find(string(b)); text != "" {
		return &splat.Error{Host: "the guest", Text: text}
	}
	return nil
}
