// SPDX-License-Identifier: MIT

package boot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/guest/service"
)

// Setup makes the running kernel into the host called name: its network, its
// files, its services. What it says goes to log.
func Setup(ctx context.Context, c *guest.Config, name string, m *service.Manager, log io.Writer) error {
	h, err := c.Host(name)
	if err != nil {
		return err
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"naming the host", func() error { return unix.Sethostname([]byte(name)) }},
		{"writing its files", func() error { return files(c, h) }},
		{"loading modules", func() error { return modules(ctx, c, log) }},
		{"setting sysctls", func() error { return sysctls(c.Sysctls) }},
		{"bringing the network up", func() error { return network(ctx, c, h) }},
		{"inserting dpr.ko and applying its configuration", func() error { return dpr(ctx, c) }},
		{"starting services", func() error { return services(ctx, c, m) }},
	}
	for _, s := range steps {
		begin := time.Now()
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		fmt.Fprintf(log, "boot: %s: %v\n", s.what, time.Since(begin).Round(time.Millisecond))
	}
	return nil
}

// run runs a program and returns its failure with what it printed.
func run(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func files(c *guest.Config, h guest.Host) error {
	for from, to := range h.Moves {
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	for path, f := range h.Files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.Text), f.Mode); err != nil {
			return err
		}
	}
	for path, size := range c.DataFiles {
		if err := WriteData(path, size); err != nil {
			return err
		}
	}
	return nil
}

// WriteData writes a file of size bytes of package data.
func WriteData(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, data.Reader(size)); err != nil {
		f.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.Close()
}

func modules(ctx context.Context, c *guest.Config, log io.Writer) error {
	for _, m := range c.Extras {
		if err := run(ctx, "", "modprobe", m); err != nil {
			fmt.Fprintf(log, "boot: going on without module %s: %v\n", m, err)
		}
	}
	return run(ctx, "", append([]string{"modprobe", "-a"}, c.Modules...)...)
}

func sysctls(values map[string]string) error {
	for name, value := range values {
		path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("setting %s to %q: %w", name, value, err)
		}
	}
	return nil
}

func network(ctx context.Context, c *guest.Config, h guest.Host) error {
	batch := fmt.Sprintf("link set lo up\naddress add %s/%d broadcast + dev eth0\naddress add %s/%d dev eth0 nodad\nlink set eth0 up\n",
		h.Address, c.Prefix, h.Address6, c.Prefix6)
	if err := run(ctx, batch, "ip", "-batch", "-"); err != nil {
		return err
	}
	if c.Link == "" {
		return nil
	}
	// The burst holds what a slow guest's timer lets pass at once; the queue
	// is that of a router with a tenth of a second of memory.
	return run(ctx, "", "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", c.Link, "burst", "32kb", "latency", "100ms")
}

func dpr(ctx context.Context, c *guest.Config) error {
	if !c.DPR {
		return nil
	}
	if err := run(ctx, "", "insmod", guest.ModulePath); err != nil {
		return err
	}
	return run(ctx, "", "dprctl", "apply")
}

func services(ctx context.Context, c *guest.Config, m *service.Manager) error {
	for _, s := range c.Services {
		if err := m.Start(s.Name); err != nil {
			return err
		}
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Ready)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", c.Ready, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
