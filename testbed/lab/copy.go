// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Push copies a file of this machine to a host, with its mode. Directories above
// dst are made.
func (l *Lab) Push(ctx context.Context, host, src, dst string) error {
	f, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("copying to %s: %w", host, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("copying to %s: %w", host, err)
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("copying to %s: %s is not a regular file", host, src)
	}
	const script = `mkdir -p "$(dirname "$1")" && cat > "$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"`
	mode := strconv.FormatUint(uint64(fi.Mode().Perm()), 8)
	return l.copy(ctx, host, Cmd{Args: []string{"sh", "-c", script, "sh", dst, mode}, Stdin: f})
}

// Pull copies a file of a host to this machine.
func (l *Lab) Pull(ctx context.Context, host, src, dst string) error {
	f, err := os.Create(dst + ".new")
	if err != nil {
		return fmt.Errorf("copying from %s: %w", host, err)
	}
	err = l.copy(ctx, host, Cmd{Args: []string{"cat", src}, Stdout: f})
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), dst)
}

// copy runs one half of a copy.
func (l *Lab) copy(ctx context.Context, host string, c Cmd) error {
	var stderr strings.Builder
	c.Stderr = &stderr
	exit, err := l.Exec(ctx, host, c)
	if err == nil && exit != 0 {
		err = &ExitError{Host: host, Args: c.Args, Exit: exit, Stderr: strings.TrimSpace(stderr.String())}
	}
	return err
}
