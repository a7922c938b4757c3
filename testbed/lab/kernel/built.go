// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"dpr/testbed/lab/disk"
)

// Kernels are built from sourcePackage.
const (
	sourcePackage = "linux-source-6.1"
	sourceArchive = "/usr/src/linux-source-6.1.tar.xz"
)

// recipe says how a kernel is built.
type recipe struct {
	name    string
	version int    // changes with how it is built and laid out, which finds a built one
	config  string // merged over allnoconfig
	arch    string // make's ARCH, "" for this machine's
	target  string // what make is asked for, beside modules
	image   string // the kernel's file in the build
	objects int    // about what make compiles
	takes   string // about what that takes, for people
}

// make returns a command line of the kernel's build.
func (r recipe) make(args ...string) []string {
	args = append([]string{"make"}, args...)
	if r.arch != "" {
		args = append(args, "ARCH="+r.arch)
	}
	return args
}

// built returns a kernel, and builds it if need be.
func (b Builder) built(ctx context.Context, r recipe) (Tree, error) {
	t, err := b.find(ctx, r)
	t.Arch = r.arch
	if err != nil {
		return t, fmt.Errorf("%s kernel: %w", r.name, err)
	}
	return t, nil
}

func (b Builder) find(ctx context.Context, r recipe) (Tree, error) {
	lock, err := b.lock(r.name)
	if err != nil {
		return Tree{}, err
	}
	defer lock.Close()
	key, err := b.key(ctx, r)
	if err != nil {
		return Tree{}, err
	}
	root := filepath.Join(b.Cache, r.name+"-"+key)
	if !disk.Exists(root) {
		if err := b.install(ctx, "packages-debug"); err != nil {
			return Tree{}, err
		}
		if err := b.build(ctx, r, root, lock); err != nil {
			return Tree{}, err
		}
	}
	return newTree(root)
}

// key names what the kernel is made of.
func (b Builder) key(ctx context.Context, r recipe) (string, error) {
	version, err := packageVersion(ctx, sourcePackage)
	if err != nil || !disk.Exists(sourceArchive) {
		if err := b.install(ctx, "packages-debug"); err != nil {
			return "", err
		}
		if version, err = packageVersion(ctx, sourcePackage); err != nil {
			return "", err
		}
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %s %s\n%s", r.version, sourcePackage, version, settings(r.config))
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// settings returns the lines of a configuration without its comments: one that
// changes is no reason to compile for half an hour.
func settings(config string) string {
	var kept []string
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// packageVersion returns the version of an installed package.
func packageVersion(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name).Output()
	status, version, _ := strings.Cut(string(out), " ")
	if err != nil || status != "installed" {
		return "", fmt.Errorf("package %s is not installed", name)
	}
	return version, nil
}

// build builds the kernel and lays it out below root.
func (b Builder) build(ctx context.Context, r recipe, root string, lock *os.File) error {
	build := root + ".build"
	unpacked := filepath.Join(build, ".unpacked")
	if !disk.Exists(unpacked) {
		b.Say("unpacking %s", sourceArchive)
		if err := os.RemoveAll(build); err != nil {
			return err
		}
		if err := os.Mkdir(build, 0o755); err != nil {
			return err
		}
		if _, err := run(ctx, build, "tar", "--strip-components=1", "-xf", sourceArchive); err != nil {
			return err
		}
		if err := os.WriteFile(unpacked, nil, 0o644); err != nil {
			return err
		}
	}
	if err := configure(ctx, r, build); err != nil {
		return err
	}
	b.Say("compiling the %s kernel: about %d files, %s", r.name, r.objects, r.takes)
	if err := b.compile(ctx, r, build, lock); err != nil {
		return err
	}
	b.Say("laying the %s kernel out in %s", r.name, root)
	if err := layOut(ctx, r, build, root); err != nil {
		return err
	}
	return os.RemoveAll(build)
}

// configure writes the configuration, and fails if a wish did not come true.
func configure(ctx context.Context, r recipe, build string) error {
	fragment := filepath.Join(build, "dpr.config")
	if err := os.WriteFile(fragment, []byte(r.config), 0o644); err != nil {
		return err
	}
	merge := []string{"scripts/kconfig/merge_config.sh", "-n", fragment}
	if r.arch != "" {
		merge = append([]string{"env", "ARCH=" + r.arch}, merge...)
	}
	if _, err := run(ctx, build, merge...); err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(build, ".config"))
	if err != nil {
		return err
	}
	if lost := lostOptions(r.config, string(config)); len(lost) > 0 {
		return fmt.Errorf("%s does not take of %s.config: %s", sourcePackage, r.name, strings.Join(lost, ", "))
	}
	return nil
}

// lostOptions returns the lines of a fragment that a configuration has not.
func lostOptions(fragment, config string) []string {
	have := map[string]bool{}
	for line := range strings.Lines(config) {
		have[strings.TrimSpace(line)] = true
	}
	var lost []string
	for line := range strings.Lines(fragment) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "CONFIG_") && !have[line] {
			lost = append(lost, line)
		}
	}
	return lost
}

// compile builds the kernel and its modules, telling how far it is.
func (b Builder) compile(ctx context.Context, r recipe, build string, lock *os.File) error {
	cmd := command(ctx, build, r.make(fmt.Sprintf("-j%d", runtime.NumCPU()), r.target, "modules")...)
	w := &makeProgress{say: b.Say, objects: r.objects}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = w, w, []*os.File{lock}
	if err := runLocked(cmd); err != nil {
		return fmt.Errorf("make in %s: %w\n%s", build, err, w.end())
	}
	return nil
}
