// SPDX-License-Identifier: MIT

package zone

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Write writes the zone with these hosts to a file. If only the serial would
// change, it leaves the file alone; otherwise it replaces the file atomically,
// with a later serial. It returns the file's serial and whether it changed.
func (z *Zone) Write(path string, hosts []netip.Addr, now time.Time) (serial uint32, changed bool, err error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, false, fmt.Errorf("reading the zone: %w", err)
	}
	serial = uint32(now.Unix())
	if last, ok := Serial(old); ok {
		if bytes.Equal(old, z.Format(last, hosts)) {
			return last, false, nil
		}
		serial = Next(last, now)
	}
	if err := replace(path, z.Format(serial, hosts)); err != nil {
		return 0, false, fmt.Errorf("writing the zone: %w", err)
	}
	return serial, true, nil
}

// replace atomically replaces a file with one that everybody can read. Readers
// see either the old or the new content, even after a crash.
func replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
