// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/lab/disk"
)

// A workshop is a directory in which one module is built for one kernel in one way, again and
// again, by one process at a time: make compiles only what has changed since.
type workshop struct {
	dir  string
	lock *os.File
}

// unfinished is a file that says that a build was killed: what it left may be half a file.
const unfinished = "unfinished"

// enter waits for a workshop below parent, and takes it. What it is for is part of its name.
func enter(parent string, purpose ...any) (*workshop, error) {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q", purpose)))
	w := &workshop{dir: filepath.Join(parent, "build-"+hex.EncodeToString(sum[:])[:16])}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if w.lock, err = os.Open(w.dir); err != nil {
		return nil, err
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(w.lock.Fd()), unix.LOCK_EX)
	}
	if err == nil {
		err = w.clean()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("taking %s: %w", w.dir, err), w.lock.Close())
	}
	return w, nil
}

// clean removes what a build left that was killed, and has the cache keep the directory.
func (w *workshop) clean() error {
	if disk.Exists(filepath.Join(w.dir, unfinished)) {
		if err := w.empty(); err != nil {
			return err
		}
	}
	return os.Chtimes(w.dir, time.Time{}, time.Now())
}

// empty removes all that is there.
func (w *workshop) empty() error {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(w.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (w *workshop) leave() error { return w.lock.Close() }

// supply makes the sources in the workshop those below root. A file that is the same already
// keeps its time.
func (w *workshop) supply(root string, files []string) error {
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if old, err := os.ReadFile(filepath.Join(w.dir, name)); err == nil && bytes.Equal(old, b) {
			continue
		}
		if err := disk.Copy(filepath.Join(root, name), filepath.Join(w.dir, name)); err != nil {
			return err
		}
	}
	return filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !isSource(d) {
			return err
		}
		name, err := filepath.Rel(w.dir, path)
		if err != nil || slices.Contains(files, name) {
			return err
		}
		return os.Remove(path)
	})
}

// build has make build something in a directory of the workshop.
func (w *workshop) build(ctx context.Context, tree Tree, dir string, args ...string) (string, error) {
	mark := filepath.Join(w.dir, unfinished)
	if err := disk.Write(mark, nil, 0o644); err != nil {
		return "", err
	}
	out, err := tree.Run(ctx, filepath.Join(w.dir, dir), args...)
	if ctx.Err() != nil {
		return out, err
	}
	return out, errors.Join(err, os.Remove(mark))
}
