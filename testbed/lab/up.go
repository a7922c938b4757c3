// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/lab/broker"
	"dpr/testbed/lab/checkout"
	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/initramfs"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/progress"
	"dpr/testbed/lab/qemu"
)

// ErrExists is returned by Up when the lab is up already.
var ErrExists = errors.New("it is up already")

// bootLimit is the time that all guests together may take to boot.
const bootLimit = 5 * time.Minute

// Up brings a lab up and returns when all its servers serve. What a crashed lab
// of the same name left is removed first. If it fails nothing is left.
func Up(ctx context.Context, c Config) (_ *Lab, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkRoot(), initramfs.CheckPackages()); err != nil {
		return nil, err
	}
	if c.Source, err = checkout.Root(c.Source); err != nil {
		return nil, err
	}
	if c.Older != "" {
		if c.Older, err = checkout.Root(c.Older); err != nil {
			return nil, err
		}
	}
	lock, err := lockName(c.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if err := lock.sign(); err != nil {
		return nil, err
	}
	p := progress.New(c.Progress)
	if err := clearLeftovers(c.Name, p); err != nil {
		return nil, err
	}
	l, err := bringUp(ctx, c, p)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("bringing lab %s up: %w", c.Name, ctx.Err())
		}
		return nil, errors.Join(err, teardown(c.Name))
	}
	p.Say("lab %s is up: kernel %s under %s, %d servers, %d clients", c.Name, l.state.Kernel.Release, l.state.Accel, len(l.Servers()), len(l.Clients()))
	return l, nil
}

// With brings a lab up, in the place of one of its name, has f use it, and brings it
// down, also when ctx has ended.
func With(ctx context.Context, c Config, f func(*Lab) error) (err error) {
	if err := Down(ctx, c.Name); err != nil {
		return fmt.Errorf("removing the last run's lab: %w", err)
	}
	l, err := Up(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx))) }()
	return f(l)
}

// clearLeftovers makes sure that no lab of that name is there.
func clearLeftovers(name string, p *progress.Progress) error {
	s, err := readState(name)
	if err == nil && s.Broker.Alive() {
		return fmt.Errorf("lab %s: %w", name, ErrExists)
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) || disk.Exists(stateDir(name)) {
		p.Say("removing what is left of a former lab %s", name)
	}
	return teardown(name)
}

// bringUp builds what the lab is made of and starts it.
func bringUp(ctx context.Context, c Config, p *progress.Progress) (*Lab, error) {
	l := &Lab{dir: stateDir(c.Name), state: &state{
		Name: c.Name, Memory: c.Memory, DPR: !c.NoDPR, Family: c.Family,
		Hosts: makeHosts(c.Servers, c.Clients), Created: time.Now(),
	}}
	for _, dir := range []string{l.dir, workDir(c.Name)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the lab's directories: %w", err)
		}
	}
	m, err := l.prepare(ctx, c, p)
	if err != nil {
		return nil, err
	}
	done := p.Step(fmt.Sprintf("making the network: %d servers and %d clients on a bridge", c.Servers, max(c.Clients, 0)))
	if err := buildNetwork(ctx, c.Name, l.state.Hosts, c.Family); err != nil {
		return nil, err
	}
	done()
	p.Say("starting %d guests: kernel %s, %s, %d MiB each", c.Servers, l.state.Kernel.Release, l.state.Accel, c.Memory)
	if err := l.startBroker(ctx, m); err != nil {
		return nil, err
	}
	if err := l.waitReady(ctx, p); err != nil {
		return nil, err
	}
	return l, l.state.write(l.dir)
}

// prepare finds the kernel, builds the programs and the module, and makes the
// initramfs.
func (l *Lab) prepare(ctx context.Context, c Config, p *progress.Progress) (qemu.Machine, error) {
	m := qemu.Machine{Initrd: filepath.Join(workDir(c.Name), "initrd"), Memory: c.Memory, CPUs: c.CPUs}
	k, err := kernel.Choose(ctx, c.Kernel, c.Source, p)
	if err != nil {
		return m, err
	}
	l.state.Kernel, m.Kernel = k, k.Image
	m.Memory, m.Params = m.Memory+k.Overhead, k.Params
	module, err := build(ctx, c, k, l.binDir(), p)
	if err != nil {
		return m, err
	}
	base, err := initramfs.Base(ctx, k, module, filepath.Join(workDir(c.Name), "stage"), p)
	if err != nil {
		return m, err
	}
	overlay, err := overlayImage(ctx, c, l.state.Hosts, l.binDir(), module)
	if err != nil {
		return m, err
	}
	if err := writeInitrd(m.Initrd, base, overlay); err != nil {
		return m, err
	}
	l.state.Accel, err = qemu.Choose(ctx, m, p)
	return m.Accelerated(l.state.Accel), err
}

func (l *Lab) binDir() string { return filepath.Join(workDir(l.state.Name), "bin") }

// build builds the programs and, if there is dpr, its module, whose file it
// returns.
func build(ctx context.Context, c Config, k kernel.Kernel, bin string, p *progress.Progress) (module string, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer p.Step("building the programs")()
		return checkout.Build(ctx, c.Source, bin, labPackages(!c.NoDPR)...)
	})
	if !c.NoDPR {
		g.Go(func() error {
			defer p.Step("building dpr.ko for " + k.Release)()
			var err error
			module, err = buildModule(ctx, c.Source, k, bin, c.DebugInfo)
			return err
		})
	}
	if c.Older != "" {
		g.Go(func() error {
			defer p.Step("building the other version's module and programs")()
			return buildOlder(ctx, c.Older, k, filepath.Join(bin, olderDir), c.DebugInfo)
		})
	}
	return module, g.Wait()
}

// waitReady waits until all servers have booted.
func (l *Lab) waitReady(ctx context.Context, p *progress.Progress) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("the guests did not boot within %v", bootLimit))
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range l.Servers() {
		g.Go(func() error {
			if err := l.ready(ctx, h.Name); err != nil {
				return err
			}
			p.Say("%s is up at %s and %s", h.Name, h.Address, h.Address6)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return l.Check()
}

// brokerConfig says what the lab's broker looks after.
func (l *Lab) brokerConfig(m qemu.Machine) ([]byte, error) {
	var bc broker.Config
	for _, h := range l.state.Hosts {
		if h.Kind == Client {
			bc.Clients = append(bc.Clients, broker.Client{Name: h.Name, Prefix: clientPrefix(l.state.Name, h.Name)})
			continue
		}
		bc.Guests = append(bc.Guests, broker.Guest{
			Name: h.Name, Args: serverArgs(m, l.state.Name, h, l.dir),
			Console: consolePath(l.dir, h.Name), Output: qemuPath(l.dir, h.Name),
		})
	}
	return json.MarshalIndent(bc, "", "\t")
}
