// SPDX-License-Identifier: MIT

// Package cpio writes the archives that the kernel unpacks as its first file
// system: format "newc" of Documentation/driver-api/early-userspace/buffer-format.rst.
package cpio

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// The file types in an entry's mode, as in stat(2).
const (
	typeDir     = 0o040000
	typeRegular = 0o100000
	typeSymlink = 0o120000
	typeChar    = 0o020000
)

// Writer writes an archive. All files belong to root. Directories that a path
// needs are made with it, mode 0755; a directory is written once.
type Writer struct {
	w    io.Writer
	n    int64 // bytes written
	ino  uint32
	dirs map[string]bool
	err  error // the first one; nothing is written after it
}

// NewWriter returns a Writer of an archive to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, dirs: map[string]bool{"": true, ".": true}}
}

// Dir writes a directory and those above it. It does nothing if it is there.
func (w *Writer) Dir(name string, perm fs.FileMode) error {
	name = clean(name)
	if w.dirs[name] {
		return w.err
	}
	w.parents(name)
	w.dirs[name] = true
	w.header(entry{name: name, mode: typeDir | uint32(perm.Perm()) | sticky(perm), nlink: 2})
	return w.err
}

// File writes a regular file of size bytes read from r. It fails if r holds
// fewer, and leaves alone what r holds beyond them.
func (w *Writer) File(name string, perm fs.FileMode, size int64, r io.Reader) error {
	name = clean(name)
	if size < 0 || size > 1<<32-1 {
		return fmt.Errorf("cpio: %s: size %d does not fit the format", name, size)
	}
	w.parents(name)
	w.header(entry{name: name, mode: typeRegular | uint32(perm.Perm()), nlink: 1, size: uint32(size)})
	if w.err != nil {
		return w.err
	}
	n, err := io.CopyN(w.w, r, size)
	w.n += n
	if err != nil {
		w.err = fmt.Errorf("cpio: %s: %d of %d bytes written: %w", name, n, size, err)
	}
	w.pad()
	return w.err
}

// Symlink writes a symbolic link.
func (w *Writer) Symlink(name, target string) error {
	name = clean(name)
	w.parents(name)
	w.header(entry{name: name, mode: typeSymlink | 0o777, nlink: 1, size: uint32(len(target))})
	w.write([]byte(target))
	w.pad()
	return w.err
}

// CharDevice writes a character device.
func (w *Writer) CharDevice(name string, perm fs.FileMode, major, minor uint32) error {
	name = clean(name)
	w.parents(name)
	w.header(entry{name: name, mode: typeChar | uint32(perm.Perm()), nlink: 1, major: major, minor: minor})
	return w.err
}

// Close ends the archive, and pads it so that another one can follow.
func (w *Writer) Close() error {
	w.header(entry{name: "TRAILER!!!", nlink: 1})
	return w.err
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func sticky(perm fs.FileMode) uint32 {
	if perm&fs.ModeSticky != 0 {
		return 0o1000
	}
	return 0
}

func (w *Writer) parents(name string) {
	if dir := path.Dir(name); !w.dirs[dir] {
		// Its error is kept in w.err.
		_ = w.Dir(dir, 0o755)
	}
}

type entry struct {
	name         string
	mode, nlink  uint32
	size         uint32
	major, minor uint32
}

func (w *Writer) header(e entry) {
	w.ino++
	h := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		w.ino, e.mode, 0, 0, e.nlink, 0, e.size, 0, 0, e.major, e.minor, len(e.name)+1, 0, e.name)
	w.write([]byte(h))
	w.pad()
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(b)
	w.n += int64(n)
	if err != nil {
		w.err = fmt.Errorf("cpio: %w", err)
	}
}

// pad aligns what comes next to four bytes.
func (w *Writer) pad() {
	if extra := w.n % 4; extra != 0 {
		w.write(make([]byte, 4-extra))
	}
}
