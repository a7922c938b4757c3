// SPDX-License-Identifier: MIT

// Package initramfs makes the first file systems of guests, of this machine's
// programs: an archive that all labs with one kernel share (Base), and what belongs to
// one guest or lab, which is appended to it.
package initramfs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dpr/testbed/lab/cpio"
	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/progress"
)

// Image is what a guest's first file system holds, by path.
type Image map[string]item

// item is a file, or a link, a directory or a character device.
type item struct {
	mode         fs.FileMode // with the type
	source       string      // file: copied from this file of the machine
	text         string      // file without source: its content; link: its target
	major, minor uint32      // character device
}

// File adds a file of the machine, as it is behind all links.
func (im Image) File(name, source string) error {
	fi, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("guest image: %s is not a regular file", source)
	}
	im[guestPath(name)] = item{mode: fi.Mode().Perm(), source: source}
	return nil
}

// Text adds a file with a content.
func (im Image) Text(name string, perm fs.FileMode, text string) {
	im[guestPath(name)] = item{mode: perm.Perm(), text: text}
}

// Link adds a link unless there is something already.
func (im Image) Link(name, target string) {
	if _, ok := im[guestPath(name)]; !ok {
		im[guestPath(name)] = item{mode: fs.ModeSymlink, text: target}
	}
}

// Dir adds a directory.
func (im Image) Dir(name string, perm fs.FileMode) {
	im[guestPath(name)] = item{mode: fs.ModeDir | perm}
}

// guestPath returns the path below /usr of what the machine may have in /bin,
// /sbin or /lib, which are links in a guest.
func guestPath(name string) string {
	name = path.Clean("/" + name)
	for _, d := range usrLinks {
		if strings.HasPrefix(name, "/"+d+"/") {
			return "/usr" + name
		}
	}
	return name
}

// usrLinks are the directories that a guest has as links into /usr.
var usrLinks = []string{"bin", "sbin", "lib", "lib64"}

// sum returns a digest of all that the image holds, with the files' contents.
func (im Image) sum() (string, error) {
	h := sha256.New()
	for _, name := range im.names() {
		it := im[name]
		fmt.Fprintf(h, "%q %o %q %d %d\n", name, uint32(it.mode), it.text, it.major, it.minor)
		if it.source == "" {
			continue
		}
		f, err := os.Open(it.source)
		if err != nil {
			return "", fmt.Errorf("guest image: %w", err)
		}
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("guest image: reading %s: %w", it.source, err)
		}
		fmt.Fprintln(h, n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (im Image) names() []string {
	names := make([]string, 0, len(im))
	for n := range im {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// write writes the image as an archive.
func (im Image) write(w io.Writer) error {
	buf := bufio.NewWriterSize(w, 1<<20)
	c := cpio.NewWriter(buf)
	for _, name := range im.names() {
		if err := im[name].write(c, name); err != nil {
			return fmt.Errorf("guest image: %s: %w", name, err)
		}
	}
	if err := c.Close(); err != nil {
		return err
	}
	return buf.Flush()
}

func (it item) write(c *cpio.Writer, name string) error {
	switch {
	case it.mode.IsDir():
		return c.Dir(name, it.mode)
	case it.mode&fs.ModeSymlink != 0:
		return c.Symlink(name, it.text)
	case it.mode&fs.ModeCharDevice != 0:
		return c.CharDevice(name, it.mode, it.major, it.minor)
	case it.source == "":
		return c.File(name, it.mode, int64(len(it.text)), strings.NewReader(it.text))
	}
	f, err := os.Open(it.source)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return c.File(name, it.mode, fi.Size(), f)
}

// WriteFile writes an initramfs: archives that are there already, then im's.
func (im Image) WriteFile(path string, before ...io.Reader) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	_, err = io.Copy(out, io.MultiReader(before...))
	if err == nil {
		err = im.write(out)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("guest image: %w", err)
	}
	return nil
}

// cached returns an archive of the image from the cache, written if need be.
func (im Image) cached(ctx context.Context, p *progress.Progress) (string, error) {
	dir, err := disk.CacheDir("images")
	if err != nil {
		return "", err
	}
	sum, err := im.sum()
	if err != nil {
		return "", err
	}
	final := filepath.Join(dir, "base-"+sum[:16]+".cpio")
	if disk.Exists(final) {
		now := time.Now()
		return final, errors.Join(os.Chtimes(final, now, now), ctx.Err())
	}
	defer p.Step("making the guests' base image")()
	tmp, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := im.write(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp.Name(), final); err != nil {
		return "", err
	}
	return final, disk.Prune(dir, keptImages)
}

// keptImages is how many base images the cache keeps: those used last.
const keptImages = 8
