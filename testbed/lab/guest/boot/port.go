// SPDX-License-Identifier: MIT

package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// portDelay is the time between two looks at a port that is not there yet.
const portDelay = 10 * time.Millisecond

// OpenPort opens the virtio serial port called name, and waits for it to appear.
func OpenPort(ctx context.Context, name string) (*Port, error) {
	for {
		dev, err := findPort(name)
		if err != nil {
			return nil, err
		}
		if dev != "" {
			f, err := os.OpenFile(dev, os.O_RDWR, 0)
			if err == nil {
				return &Port{f}, nil
			}
			if !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("opening port %s: %w", name, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for port %s: %w", name, ctx.Err())
		case <-time.After(portDelay):
		}
	}
}

// findPort returns the device of a port, "" while it has none.
func findPort(name string) (string, error) {
	files, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.TrimSpace(string(b)) == name {
			return "/dev/" + filepath.Base(filepath.Dir(f)), nil
		}
	}
	return "", nil
}

// Port is a virtio serial port. It never ends: where its device says so, the host
// is not connected yet.
type Port struct{ f *os.File }

func (p *Port) Read(b []byte) (int, error) {
	for {
		n, err := p.f.Read(b)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		time.Sleep(portDelay)
	}
}

func (p *Port) Write(b []byte) (int, error) { return p.f.Write(b) }

// Close closes the port.
func (p *Port) Close() error { return p.f.Close() }
