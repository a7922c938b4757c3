// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// debugConfig is merged over allnoconfig.
//
//go:embed debug.config
var debugConfig string

// The kernel is built from sourcePackage. It is the series of Debian 12's own
// kernel, which "make test" runs in full: what the checkers find there is
// the code that users run.
const (
	sourcePackage = "linux-source-6.1"
	sourceArchive = "/usr/src/linux-source-6.1.tar.xz"
)

// debugRecipe is part of what a built kernel is found by: it changes with how it
// is built and laid out.
const debugRecipe = 1

// Debug returns the debug kernel, and builds it if it is not there for this very
// version of its source and its configuration. What an interrupted build has done
// is not lost. Packages that are missing are installed.
func (b Builder) Debug(ctx context.Context) (Tree, error) {
	t, err := b.debug(ctx)
	if err != nil {
		return t, fmt.Errorf("debug kernel: %w", err)
	}
	return t, nil
}

func (b Builder) debug(ctx context.Context) (Tree, error) {
	lock, err := b.lock("debug")
	if err != nil {
		return Tree{}, err
	}
	defer lock.Close()
	key, err := b.debugKey(ctx)
	if err != nil {
		return Tree{}, err
	}
	root := filepath.Join(b.Cache, "debug-"+key)
	if !exists(root) {
		if err := b.install(ctx, "packages-debug"); err != nil {
			return Tree{}, err
		}
		if err := b.buildDebug(ctx, root, lock); err != nil {
			return Tree{}, err
		}
	}
	return newTree(root)
}

// debugKey names what the kernel is made of.
func (b Builder) debugKey(ctx context.Context) (string, error) {
	version, err := packageVersion(ctx, sourcePackage)
	if err != nil || !exists(sourceArchive) {
		if err := b.install(ctx, "packages-debug"); err != nil {
			return "", err
		}
		if version, err = packageVersion(ctx, sourcePackage); err != nil {
			return "", err
		}
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %s %s\n%s", debugRecipe, sourcePackage, version, debugConfig)
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
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

// buildDebug builds the kernel and lays it out below root.
func (b Builder) buildDebug(ctx context.Context, root string, lock *os.File) error {
	build := root + ".build"
	unpacked := filepath.Join(build, ".unpacked")
	if !exists(unpacked) {
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
	if err := configure(ctx, build); err != nil {
		return err
	}
	b.Say("compiling the debug kernel: about %d files, 20 minutes of one core", debugObjects)
	if err := b.compile(ctx, build, lock); err != nil {
		return err
	}
	b.Say("laying the debug kernel out in %s", root)
	if err := layOut(ctx, build, root); err != nil {
		return err
	}
	return os.RemoveAll(build)
}

// configure writes the configuration, and fails if a wish did not come true.
func configure(ctx context.Context, build string) error {
	fragment := filepath.Join(build, "dpr-debug.config")
	if err := os.WriteFile(fragment, []byte(debugConfig), 0o644); err != nil {
		return err
	}
	if _, err := run(ctx, build, "scripts/kconfig/merge_config.sh", "-n", fragment); err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(build, ".config"))
	if err != nil {
		return err
	}
	if lost := lostOptions(debugConfig, string(config)); len(lost) > 0 {
		return fmt.Errorf("%s does not take of debug.config: %s", sourcePackage, strings.Join(lost, ", "))
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
func (b Builder) compile(ctx context.Context, build string, lock *os.File) error {
	cmd := command(ctx, build, "make", fmt.Sprintf("-j%d", runtime.NumCPU()), "bzImage", "modules")
	w := &makeProgress{say: b.Say}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = w, w, []*os.File{lock}
	if err := runLocked(cmd); err != nil {
		return fmt.Errorf("make in %s: %w\n%s", build, err, w.end())
	}
	return nil
}
