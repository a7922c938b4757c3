// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/disk"
)

// newTree returns the kernel below root, where there is one.
func newTree(root string) (Tree, error) {
	images, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil {
		return Tree{}, err
	}
	if len(images) != 1 {
		return Tree{}, fmt.Errorf("%s holds %d kernels, want 1", root, len(images))
	}
	return Tree{Root: root, Release: strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")}, nil
}

// layOut makes root from a finished build. It appears when all is in it.
func layOut(ctx context.Context, r recipe, build, root string) error {
	tmp := root + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	file, err := os.ReadFile(filepath.Join(build, "include/config/kernel.release"))
	if err != nil {
		return err
	}
	release := strings.TrimSpace(string(file))
	if _, err := run(ctx, build, r.make("modules_install", "INSTALL_MOD_PATH="+tmp)...); err != nil {
		return err
	}
	// They lead to the build, which goes.
	for _, link := range []string{"build", "source"} {
		err := os.Remove(filepath.Join(tmp, "lib", "modules", release, link))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for from, to := range map[string]string{r.image: "vmlinuz-", "System.map": "System.map-", ".config": "config-"} {
		if err := disk.Copy(filepath.Join(build, from), filepath.Join(tmp, "boot", to+release)); err != nil {
			return err
		}
	}
	if err := copyHeaders(build, filepath.Join(tmp, "usr/src/linux-headers-"+release)); err != nil {
		return err
	}
	return os.Rename(tmp, root)
}

// copyHeaders copies of a build what building a module needs: what the kernel's
// own scripts/package/builddeb puts into a package of headers.
func copyHeaders(build, to string) error {
	return filepath.WalkDir(build, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(build, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if !headerDir(rel) {
				return filepath.SkipDir
			}
			return nil
		}
		if !headerFile(rel) {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			return copyLink(path, filepath.Join(to, rel))
		}
		return disk.Copy(path, filepath.Join(to, rel))
	})
}

// headerDir tells whether a directory of a build holds anything of headerFile.
func headerDir(rel string) bool {
	top, rest, deeper := strings.Cut(rel, "/")
	switch top {
	case ".", "include", "scripts":
		return true
	case "arch":
		return !deeper || rest == "x86" || rest == "x86/include" || strings.HasPrefix(rest, "x86/include/") || umlDir(rest+"/")
	case "tools":
		return !deeper || rest == "objtool"
	}
	return false
}

// umlDir tells whether a directory below arch is of the user-mode kernel, which
// keeps headers and makefiles in all places.
func umlDir(rest string) bool {
	return strings.HasPrefix(rest, "um/") || strings.HasPrefix(rest, "x86/um/")
}

// headerFile tells whether a file of a build is needed to build modules.
func headerFile(rel string) bool {
	switch dir, name := filepath.Split(rel); {
	case strings.HasSuffix(name, ".o") || strings.HasSuffix(name, ".cmd"):
		return false
	case dir == "" || dir == "arch/x86/":
		return strings.HasPrefix(name, "Makefile") || strings.HasPrefix(name, "Kconfig") ||
			rel == ".config" || rel == "Module.symvers"
	case umlDir(strings.TrimPrefix(dir, "arch/")):
		return strings.HasPrefix(name, "Makefile") || strings.HasSuffix(name, ".h")
	case dir == "tools/objtool/":
		return name == "objtool"
	default:
		return strings.HasPrefix(rel, "include/") || strings.HasPrefix(rel, "scripts/") ||
			strings.HasPrefix(rel, "arch/x86/include/")
	}
}

func copyLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Symlink(target, to)
}
