// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unpack downloads Debian packages and returns the files that a server needs to
// run a program of them, here and there: the program itself, ld.so, and its
// libraries, all in dir. They are unpacked, not installed, so that no service
// starts on this machine.
func unpack(t *testing.T, program, dir string, packages ...string) map[string]string {
	t.Helper()
	root := t.TempDir()
	here := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+root+"/usr/lib/x86_64-linux-gnu:"+root+"/lib/x86_64-linux-gnu")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	here("apt-get", append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, packages...)...)
	debs, err := filepath.Glob(filepath.Join(root, "*.deb"))
	if err != nil || len(debs) != len(packages) {
		t.Fatalf("downloaded %q, %v", debs, err)
	}
	for _, d := range debs {
		here("dpkg-deb", "-x", d, root)
	}
	file := filepath.Join(root, program)
	files := map[string]string{file: filepath.Join(dir, filepath.Base(program))}
	for line := range strings.Lines(here("ldd", file)) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[1] == "=>" && strings.HasPrefix(f[2], "/"):
			files[f[2]] = filepath.Join(dir, f[0])
		case strings.Contains(line, "not found"):
			t.Fatalf("%s needs another library: %s", program, line)
		case strings.HasPrefix(f[0], "/"):
			files[f[0]] = filepath.Join(dir, "ld.so")
		}
	}
	return files
}
