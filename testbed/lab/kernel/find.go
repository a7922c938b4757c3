// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/progress"
)

// Kernel is a kernel that guests can run, and what is needed to build modules
// for it.
type Kernel struct {
	Release string `json:"release"` // as uname -r says, "6.1.0-56-cloud-amd64"
	Image   string `json:"image"`   // the kernel's file
	Modules string `json:"modules"` // directory with modules.dep
	Headers string `json:"headers"` // build directory for modules

	Arch     string `json:"arch,omitempty"`         // make's ARCH for modules, "" for this machine's
	Chroot   string `json:"chroot,omitempty"`       // where modules must be built, "" for this machine
	Overhead int    `json:"overhead_mib,omitempty"` // memory that a guest needs beyond Config.Memory
	Params   string `json:"params,omitempty"`       // what its guests' command line says besides
}

// flavour is the flavour of Debian's kernels that guests run: small, and all
// that a virtual machine needs.
const flavour = "-cloud-amd64"

// finder looks for the newest kernel that matches one place. Its error
// satisfies errors.Is(err, fs.ErrNotExist) when there is none.
type finder func(ctx context.Context, match func(release string) bool, p *progress.Progress) (Kernel, error)

// find returns the newest kernel of a series ("6.12") or the one of a
// release: an installed one, one downloaded before, or one downloaded now by
// apt-get from the machine's own sources.
func find(ctx context.Context, want string, p *progress.Progress) (Kernel, error) {
	match := func(release string) bool { return matches(want, release) }
	for _, find := range []finder{installed, cached, download} {
		k, err := find(ctx, match, p)
		if !errors.Is(err, fs.ErrNotExist) {
			return k, err
		}
	}
	return Kernel{}, fmt.Errorf("kernel %s: not installed, and the machine's package sources have no linux-image-%s*%s", want, want, flavour)
}

// matches tells whether a release is wanted: it itself, or its series in
// the flavour of guests.
func matches(want, release string) bool {
	if release == want {
		return true
	}
	rest, ok := strings.CutPrefix(release, want)
	return ok && strings.HasSuffix(rest, flavour) && strings.ContainsAny(rest[:1], ".+-")
}

func installed(_ context.Context, match func(string) bool, _ *progress.Progress) (Kernel, error) {
	return newest("/", match)
}

func cached(_ context.Context, match func(string) bool, _ *progress.Progress) (Kernel, error) {
	dir, err := disk.CacheDir("kernels")
	if err != nil {
		return Kernel{}, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Kernel{}, err
	}
	var best Kernel
	for _, e := range entries {
		if !finished.MatchString(e.Name()) {
			continue // unfinished
		}
		k, err := newest(filepath.Join(dir, e.Name()), match)
		if err == nil && (best.Release == "" || compareReleases(k.Release, best.Release) > 0) {
			best = k
		}
	}
	if best.Release == "" {
		return best, fs.ErrNotExist
	}
	return best, nil
}

// newest finds the newest matching kernel below root that has its modules
// and headers.
func newest(root string, match func(string) bool) (Kernel, error) {
	images, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil {
		return Kernel{}, err
	}
	var best Kernel
	for _, image := range images {
		release := strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
		k := Kernel{
			Release: release, Image: image,
			Modules: filepath.Join(root, "lib", "modules", release),
			Headers: filepath.Join(root, "usr", "src", "linux-headers-"+release),
		}
		if !match(release) || best.Release != "" && compareReleases(release, best.Release) < 0 {
			continue
		}
		if disk.Exists(filepath.Join(k.Modules, "modules.dep")) && disk.Exists(filepath.Join(k.Headers, "Makefile")) {
			best = k
		}
	}
	if best.Release == "" {
		return best, fs.ErrNotExist
	}
	return best, nil
}

// finished matches the names of finished directories of downloaded kernels.
var finished = regexp.MustCompile(`^[0-9a-f]{16}$`)

var digits = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// compareReleases orders kernel releases: numbers by value, the rest as text.
func compareReleases(a, b string) int {
	return slices.CompareFunc(digits.FindAllString(a, -1), digits.FindAllString(b, -1), func(x, y string) int {
		m, err1 := strconv.Atoi(x)
		n, err2 := strconv.Atoi(y)
		if err1 == nil && err2 == nil {
			return m - n
		}
		return strings.Compare(x, y)
	})
}

// relocateHeaders makes headers that were unpacked below root, and will be at
// final, usable there: Debian's makefiles name each other by absolute paths.
func relocateHeaders(root, final, release string) error {
	path := filepath.Join(root, "usr", "src", "linux-headers-"+release, "Makefile")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	moved := strings.ReplaceAll(string(b), "/usr/src/", filepath.Join(final, "usr", "src")+"/")
	return os.WriteFile(path, []byte(moved), 0o644)
}

// finish makes the modules of a kernel unpacked below root loadable.
func finish(ctx context.Context, root, final, release string) error {
	if !disk.Exists(filepath.Join(root, "lib")) {
		if err := os.Symlink("usr/lib", filepath.Join(root, "lib")); err != nil {
			return err
		}
	}
	if out, err := exec.CommandContext(ctx, depmod, "-b", root, release).CombinedOutput(); err != nil {
		return fmt.Errorf("depmod for %s: %w: %s", release, err, out)
	}
	return relocateHeaders(root, final, release)
}
