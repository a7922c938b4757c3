// SPDX-License-Identifier: MIT

package config

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// save saves keys as dprctl does.
func save(t *testing.T, path string, keys map[string]any) *Config {
	t.Helper()
	s, err := Prepare(t.Context(), path, keys)
	if err != nil {
		t.Fatal(err)
	}
	before, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	after, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Files) < len(before.Files) {
		t.Errorf("%q, before: %q", after.Files, before.Files)
	}
	return after
}

// What is saved adds to what was saved, and changes what other files say.
func TestSave(t *testing.T) {
	path := files(t, map[string]string{"dpr.toml": cluster, "conf.d/10-host.toml": "weight = 3\n"})
	if err := os.Remove(filepath.Join(filepath.Dir(path), "conf.d/10-host.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), DropInDir)); err != nil {
		t.Fatal(err)
	}
	save(t, path, map[string]any{"policy": "offer", "weights.cpu": uint32(9), "max_load": "auto"})
	c := save(t, path, map[string]any{"max_load": uint64(8), "timeouts.fin": "3m0s"})
	if c.Policy != dprnl.PolicyOffer || c.Weights.CPU != 9 || c.Weights.Connections != 2 || c.MaxLoad != 8 || c.Timeouts.Fin != 3*time.Minute || len(c.Services) != 2 {
		t.Errorf("%+v", c)
	}
	text, err := os.ReadFile(c.Files[1])
	if err != nil || !strings.HasPrefix(string(text), savedHeader) {
		t.Errorf("%q, %v", text, err)
	}
	if left := leftBeside(t, path); !slices.Equal(left, []string{lockName, savedName}) {
		t.Errorf("left: %q", left)
	}
}

// leftBeside returns the names in the directory of drop-in files.
func leftBeside(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), DropInDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Who saves waits for another who does, but not for ever, and says for what; nobody else can
// have them wait.
func TestSaveWaits(t *testing.T) {
	path := files(t, map[string]string{"dpr.toml": "", "conf.d/10-host.toml": "weight = 3\n"})
	dir := filepath.Join(filepath.Dir(path), DropInDir)
	lock := filepath.Join(dir, lockName)
	// Anybody can lock what he can read.
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var s *Saving
	go func() {
		var err error
		s, err = Prepare(t.Context(), path, map[string]any{"policy": "off"})
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for a lock of the directory")
	}
	if info, err := os.Stat(lock); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// Another who saves.
	if f, err := locked(t.Context(), dir, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "another process has had "+lock+" locked for 50ms") {
		t.Errorf("%v, %v", f, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if again, err := Prepare(ctx, path, map[string]any{"policy": "off"}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), lock) {
		t.Errorf("%v, %v", again, err)
	}
	go func() {
		f, err := locked(t.Context(), dir, time.Minute)
		if err == nil {
			err = f.Close()
		}
		done <- err
	}()
	time.Sleep(2 * lockEvery)
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("after the other: %v", err)
	}
	if c, err := Load(path); err != nil || c.Policy != dprnl.PolicyOff || len(c.Files) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	// It does not follow where somebody else's lock would be.
	if err := errors.Join(os.Remove(lock), os.Symlink(path, lock)); err != nil {
		t.Fatal(err)
	}
	if f, err := locked(t.Context(), dir, time.Second); err == nil {
		t.Errorf("it locked %s", f.Name())
	}
}

// Nothing is written if it would be wrong, or of no effect.
func TestSaveRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		texts map[string]string
		keys  map[string]any
		want  string
	}{
		"a mistake with other files": {map[string]string{"dpr.toml": "[report]\nperiod = \"2s\"\n"}, map[string]any{"report_max_age": "1s"}, "99-saved.toml: line 4: report_max_age: 1s is not longer"},
		"a mistake before":           {map[string]string{"dpr.toml": "weight = 0\n"}, map[string]any{"policy": "off"}, "dpr.toml: line 1: weight: 0"},
		"a file that is read later":  {map[string]string{"dpr.toml": "", "conf.d/zz.toml": "policy = \"two\"\n"}, map[string]any{"policy": "off"}, "zz.toml, which is read later, has it too"},
		"a broken saved file":        {map[string]string{"dpr.toml": "", "conf.d/99-saved.toml": "policy\n"}, map[string]any{"policy": "off"}, "99-saved.toml: line 1: "},
		"no table":                   {map[string]string{"dpr.toml": "", "conf.d/99-saved.toml": "weights = 3\n"}, map[string]any{"weights.cpu": 1}, "weights is 3, not a table"},
	} {
		t.Run(name, func(t *testing.T) {
			path := files(t, tt.texts)
			if s, err := Prepare(t.Context(), path, tt.keys); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, %v", s, err)
			}
			// The lock, and what was there.
			if left := leftBeside(t, path); len(left) != len(tt.texts) || left[0] != lockName {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func TestSaveAborted(t *testing.T) {
	path := files(t, map[string]string{"dpr.toml": ""})
	s, err := Prepare(t.Context(), path, map[string]any{"policy": "off"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Abort(); err != nil {
		t.Fatal(err)
	}
	if left := leftBeside(t, path); !slices.Equal(left, []string{lockName}) {
		t.Errorf("left: %q", left)
	}
	// Who comes next need not wait.
	save(t, path, map[string]any{"policy": "off"})
}

// What cannot be saved is said, at whatever step that is.
func TestSaveFails(t *testing.T) {
	keys := map[string]any{"policy": "off"}
	isNot := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "saving the configuration: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := Prepare(t.Context(), filepath.Join(t.TempDir(), "none", "dpr.toml"), keys)
	isNot("no directory", err)
	if err == nil || !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), lockName) {
		t.Errorf("no directory: %v", err)
	}
	path := files(t, map[string]string{"dpr.toml": ""})
	dir := filepath.Join(filepath.Dir(path), DropInDir)
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Prepare(t.Context(), path, keys)
	isNot("a file in its place", err)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nobody has it locked after either
		s, err := Prepare(t.Context(), path, keys)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		isNot("it is gone meanwhile", s.Commit())
		s, err = Prepare(t.Context(), path, keys)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(s.temp); err != nil {
			t.Fatal(err)
		}
		if err := s.Abort(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is nothing to remove: %v", err)
		}
	}
	if err := syncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
