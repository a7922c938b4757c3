// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dpr/testbed/lab/disk"
)

// depmod may not be in the PATH of somebody who became root.
const depmod = "/sbin/depmod"

// modulesDep is a kernel's modules.dep: for each module's file its name and the
// files of those it needs, all of them, directly or not.
type modulesDep struct {
	files   map[string]string   // name → file
	depends map[string][]string // file → files
}

func parseModulesDep(r io.Reader) (*modulesDep, error) {
	m := &modulesDep{files: map[string]string{}, depends: map[string][]string{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		file, rest, ok := strings.Cut(s.Text(), ":")
		if !ok {
			return nil, fmt.Errorf("modules.dep: line %q has no colon", s.Text())
		}
		m.files[moduleName(file)] = file
		m.depends[file] = strings.Fields(rest)
	}
	return m, s.Err()
}

// moduleName returns the name of the module in a file such as
// "kernel/net/ipv4/tcp-x.ko.xz".
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// closure returns the files of the named modules and of all that they need,
// sorted. A name that is no module's is left out: it may be built in.
func (m *modulesDep) closure(names []string) []string {
	var files []string
	for _, n := range names {
		if f, ok := m.files[strings.ReplaceAll(n, "-", "_")]; ok {
			files = append(append(files, f), m.depends[f]...)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// Stage copies the named modules of a kernel, with all they need, to
// dir/lib/modules/RELEASE, and writes the tables that modprobe reads.
func Stage(ctx context.Context, k Kernel, names []string, dir string) error {
	f, err := os.Open(filepath.Join(k.Modules, "modules.dep"))
	if err != nil {
		return fmt.Errorf("modules of kernel %s: %w", k.Release, err)
	}
	defer f.Close()
	dep, err := parseModulesDep(f)
	if err != nil {
		return fmt.Errorf("modules of kernel %s: %w", k.Release, err)
	}
	files := append(dep.closure(names), "modules.order", "modules.builtin", "modules.builtin.modinfo")
	to := filepath.Join(dir, "lib", "modules", k.Release)
	for _, file := range files {
		if err := disk.Copy(filepath.Join(k.Modules, file), filepath.Join(to, file)); err != nil {
			return fmt.Errorf("modules of kernel %s: %w", k.Release, err)
		}
	}
	if out, err := exec.CommandContext(ctx, depmod, "-b", dir, k.Release).CombinedOutput(); err != nil {
		return fmt.Errorf("depmod for %s: %w: %s", k.Release, err, out)
	}
	return nil
}
