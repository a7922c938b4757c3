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

// Write makes the file hold the zone with these hosts. A file that does so
// already is left alone, whatever its serial; else it is replaced in one step,
// with a later serial. The result says whether it was.
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

// replace puts a file in the place of another, for all to read. Readers see
// the old one or the new one, also after a crash.
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
