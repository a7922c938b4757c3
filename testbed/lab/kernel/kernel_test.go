// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/disk"
)

// builder returns one whose lines go to the slice.
func builder(t *testing.T) (Builder, *[]string) {
	t.Helper()
	said := &[]string{}
	return Builder{Cache: t.TempDir(), Say: func(format string, args ...any) {
		*said = append(*said, fmt.Sprintf(format, args...))
	}}, said
}

// plant makes a file and the directories above it.
func plant(t *testing.T, mode os.FileMode, text string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestLostOptions(t *testing.T) {
	fragment := "# why\nCONFIG_A=y\nCONFIG_B=m\n\nCONFIG_C=\"-x\"\n"
	config := "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"-x\"\n"
	if got := strings.Join(lostOptions(fragment, config), " "); got != "CONFIG_B=m" {
		t.Errorf("lost %q, want CONFIG_B=m", got)
	}
}

// A kernel is built again for a setting, not for a comment.
func TestSettings(t *testing.T) {
	want := settings("# why\nCONFIG_A=y\n\nCONFIG_B=m\n")
	if got := settings("# another reason,\n# of two lines\nCONFIG_A=y\nCONFIG_B=m\n"); got != want {
		t.Errorf("a comment is a setting: %q, want %q", got, want)
	}
	for _, other := range []string{"CONFIG_A=m\nCONFIG_B=m\n", "CONFIG_A=y\n", "CONFIG_A=y\n# CONFIG_B=m\n"} {
		if got := settings(other); got == want {
			t.Errorf("%q and %q are the same", other, got)
		}
	}
}

// A wish that is not of the form CONFIG_X=... would never be checked.
func TestConfigsAreChecked(t *testing.T) {
	checkConfig(t, debugConfig, "KASAN", "PROVE_LOCKING", "PROVE_RCU", "DEBUG_ATOMIC_SLEEP", "DEBUG_KMEMLEAK", "FAILSLAB")
	checkConfig(t, umlConfig, "IP_VS", "NET_IPIP", "DUMMY", "MODULE_UNLOAD")
	checkConfig(t, umlDebugConfig, "KASAN", "DEBUG_KMEMLEAK", "FAILSLAB", "FAIL_PAGE_ALLOC", "USER_NS")
}

func checkConfig(t *testing.T, config string, names ...string) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
			if strings.Contains(line, "is not set") {
				t.Errorf("%q is checked by nobody", line)
			}
		case !ok || !strings.HasPrefix(name, "CONFIG_") || value == "":
			t.Errorf("line %q is no option", line)
		case seen[name]:
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	for _, name := range names {
		if !seen["CONFIG_"+name] {
			t.Errorf("no %s", name)
		}
	}
}

func TestArchive(t *testing.T) {
	const targets = "main  Google example:1/apt/\n" +
		"main Debian Debian-Security example:2/security/\n" +
		"contrib Debian Debian example:3/debian/\n" +
		"main Debian Debian example:4/debian/\n" +
		"main Debian Debian example:5/debian/\n"
	if got, err := archive(targets); err != nil || got != "example:4/debian/" {
		t.Errorf("archive %q, %v", got, err)
	}
	if got, err := archive("main Debian Debian-Security example:2/security/\n"); err == nil {
		t.Errorf("security's archive passed for Debian's: %q", got)
	}
}

func TestMakeProgress(t *testing.T) {
	b, said := builder(t)
	m := &makeProgress{say: b.Say, objects: 1530}
	for _, part := range []string{"  CC      a.o\n  C", "C [M]  b.o\n  LD      c.o\n", "  AS      d.o\n"} {
		if n, err := m.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	if m.compiled != 3 || len(*said) != 0 {
		t.Errorf("%d files compiled, said %q; want 3, nothing", m.compiled, *said)
	}
	m.told = time.Now().Add(-tellEvery)
	fmt.Fprintf(m, "  CC      e.o\n")
	if len(*said) != 1 || !strings.HasPrefix((*said)[0], "4 of ") {
		t.Errorf("said %q, want one line that begins with 4", *said)
	}
	for i := range 2 * keptLines {
		fmt.Fprintf(m, "line %d\n", i)
	}
	for i := range 2 * keptLines {
		fmt.Fprintf(m, "  CC [M]  f%d.o\n", i)
	}
	fmt.Fprint(m, "no end")
	lines := strings.Split(m.end(), "\n")
	if len(lines) != keptLines+1 || lines[0] != fmt.Sprint("line ", keptLines) || lines[keptLines] != "no end" {
		t.Errorf("the end is %q", lines)
	}
}

func TestCopyHeaders(t *testing.T) {
	build, to := t.TempDir(), filepath.Join(t.TempDir(), "headers")
	wanted := []string{"Makefile", ".config", "Module.symvers", "include/generated/autoconf.h", "include/config/auto.conf",
		"scripts/mod/modpost", "arch/x86/Makefile", "arch/x86/include/asm/a.h", "tools/objtool/objtool"}
	for _, f := range wanted {
		plant(t, 0o755, f, build, f)
	}
	if err := os.Symlink("../config", filepath.Join(build, "include/link")); err != nil {
		t.Fatal(err)
	}
	unwanted := []string{"vmlinux", "kernel/a.c", "scripts/mod/modpost.o", "scripts/mod/.modpost.cmd", "arch/arm/Makefile",
		"arch/x86/kernel/a.c", "tools/objtool/check.c", "tools/perf/Makefile", "arch/x86/boot/bzImage"}
	for _, f := range unwanted {
		plant(t, 0o644, f, build, f)
	}
	if err := copyHeaders(build, to); err != nil {
		t.Fatal(err)
	}
	for _, f := range wanted {
		b, err := os.ReadFile(filepath.Join(to, f))
		info, statErr := os.Stat(filepath.Join(to, f))
		if err != nil || statErr != nil || string(b) != f || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %q, %v, %v", f, b, err, statErr)
		}
	}
	if link, err := os.Readlink(filepath.Join(to, "include/link")); err != nil || link != "../config" {
		t.Errorf("the link leads to %q, %v", link, err)
	}
	for _, f := range unwanted {
		if disk.Exists(filepath.Join(to, f)) {
			t.Errorf("%s was copied", f)
		}
	}
}

func TestNewTree(t *testing.T) {
	root := t.TempDir()
	if _, err := newTree(root); err == nil {
		t.Error("no kernel passed for one")
	}
	plant(t, 0o644, "", root, "boot", "vmlinuz-6.1.0-x")
	plant(t, 0o644, "", root, "boot", "config-6.1.0-x")
	if tree, err := newTree(root); err != nil || tree.Release != "6.1.0-x" || tree.Root != root {
		t.Errorf("%+v, %v", tree, err)
	}
	plant(t, 0o644, "", root, "boot", "vmlinuz-6.1.0-y")
	if _, err := newTree(root); err == nil {
		t.Error("two kernels passed for one")
	}
}

func TestRunInChrootStaysThere(t *testing.T) {
	tree := Tree{Root: t.TempDir(), Chroot: true}
	if _, err := tree.Run(t.Context(), t.TempDir(), "true"); err == nil || !strings.Contains(err.Error(), "not in the chroot") {
		t.Errorf("running outside of the chroot: %v", err)
	}
}

func TestRun(t *testing.T) {
	out, err := Tree{}.Run(t.Context(), t.TempDir(), "sh", "-c", "echo out; echo err >&2; exit 3")
	if out != "out\nerr\n" || err == nil || !strings.Contains(err.Error(), "exit status 3\nout\nerr") {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := (Tree{}).Run(ctx, "/", "sh", "-c", "sleep 60; true"); err == nil || time.Since(begin) > 10*time.Second {
		t.Errorf("a command outlived its context: %v after %v", err, time.Since(begin))
	}
}

func TestLock(t *testing.T) {
	b, said := builder(t)
	first, err := b.lock("x")
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan error)
	go func() {
		second, err := b.lock("x")
		if err == nil {
			err = second.Close()
		}
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Fatalf("locked twice: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	// A command that outlives the process holds the lock.
	ctx, end := context.WithCancel(t.Context())
	defer end()
	cmd := exec.CommandContext(ctx, "sleep", "60")
	cmd.ExtraFiles = []*os.File{first}
	if err := errors.Join(cmd.Start(), first.Close()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-taken:
		t.Fatalf("locked while a command holds the lock: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	end()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the command ended too early: %v", err)
	}
	if err := <-taken; err != nil || len(*said) != 1 {
		t.Errorf("second lock: %v, said %q", err, *said)
	}
}
