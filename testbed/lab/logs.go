// SPDX-License-Identifier: MIT

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// followDelay is the time between two looks at a log that is followed.
const followDelay = 200 * time.Millisecond

// Logs writes a server's logs to w: its console, each line after "console: ", and
// what its services print, after "service: ". With follow it goes on with what
// comes, until ctx ends; that is no error.
func (l *Lab) Logs(ctx context.Context, server string, w io.Writer, follow bool) error {
	h, err := l.hostOf(server, Server)
	if err != nil {
		return err
	}
	logs := []*tail{
		{path: consolePath(l.dir, h.Name), prefix: "console: "},
		{path: servicePath(l.dir, h.Name), prefix: "service: "},
	}
	defer func() {
		for _, t := range logs {
			t.close()
		}
	}()
	for {
		for _, t := range logs {
			if err := t.copy(w, !follow); err != nil {
				return fmt.Errorf("logs of %s: %w", server, err)
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followDelay):
		}
	}
}

// tail reads a file that grows, line by line.
type tail struct {
	path, prefix string
	f            *os.File
	r            *bufio.Reader
	rest         string // a line without its end yet
}

func (t *tail) close() {
	if t.f != nil {
		t.f.Close()
		t.f = nil
	}
}

// copy writes the lines that came since. A last line without an end is kept for
// the next time, unless it is the last time.
func (t *tail) copy(w io.Writer, last bool) error {
	if err := t.open(); err != nil || t.f == nil {
		return err
	}
	for {
		line, err := t.r.ReadString('\n')
		t.rest += line
		if err != nil && err != io.EOF {
			return err
		}
		if t.rest == "" || err == io.EOF && !last {
			return nil
		}
		if _, werr := fmt.Fprintf(w, "%s%s\n", t.prefix, strings.TrimRight(t.rest, "\r\n")); werr != nil {
			return werr
		}
		t.rest = ""
		if err == io.EOF {
			return nil
		}
	}
}

// open opens the file, again if there is a new one of that name. A server that
// never ran has none.
func (t *tail) open() error {
	now, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if t.f != nil {
		if open, err := t.f.Stat(); err == nil && os.SameFile(open, now) {
			return nil
		}
		t.close()
	}
	if t.f, err = os.Open(t.path); err != nil {
		return err
	}
	t.r, t.rest = bufio.NewReader(t.f), ""
	return nil
}
