// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"dpr/testbed/lab/broker"
	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/servicelog"
	"dpr/testbed/lab/splat"
)

// CrashError holds what a server's services printed when they crashed. The guest
// starts them again, so that nothing else may show it.
type CrashError struct{ Host, Text string }

func (e *CrashError) Error() string {
	return fmt.Sprintf("a service of %s crashed:\n%s", e.Host, e.Text)
}

// DeadError tells of a server that ended by itself without a splat. Console is
// the end of its console.
type DeadError struct{ Host, Why, Console string }

func (e *DeadError) Error() string {
	return fmt.Sprintf("%s died: %s; the end of its console:\n%s", e.Host, e.Why, e.Console)
}

// checkLimit is the time that the broker may take to tell of its guests.
const checkLimit = 10 * time.Second

// Check returns nil if all servers are well: none printed a kernel splat since
// its boot, none ended unless Poweroff did it, none of their services ever crashed.
// Else the error is a *splat.Error, a *DeadError or a *CrashError for the first that
// is not.
func (l *Lab) Check() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
	defer cancel()
	if err := l.checkSplats(); err != nil {
		return err
	}
	guests, err := l.guests(ctx)
	if err != nil {
		return err
	}
	for _, g := range guests {
		if g.State == broker.Dead {
			// It may have printed its last words since.
			if err := l.checkSplats(); err != nil {
				return err
			}
			return &DeadError{Host: g.Name, Why: g.Why, Console: l.consoleEnd(g.Name)}
		}
	}
	return l.checkServices()
}

func (l *Lab) checkServices() error {
	for _, h := range l.Servers() {
		log, err := l.serviceLog(h.Name)
		if err != nil {
			return err
		}
		if text := servicelog.Crashes(log); text != "" {
			return &CrashError{Host: h.Name, Text: text}
		}
	}
	return nil
}

// Restarts counts, since the lab came up, how often each service of the servers ended
// by itself and was started again, by "HOST SERVICE".
func (l *Lab) Restarts() (map[string]int, error) {
	all := make(map[string]int)
	for _, h := range l.Servers() {
		log, err := l.serviceLog(h.Name)
		if err != nil {
			return nil, err
		}
		for service, n := range servicelog.Restarts(log) {
			all[h.Name+" "+service] = n
		}
	}
	return all, nil
}

// serviceLog is what a server's services printed, "" if it never ran.
func (l *Lab) serviceLog(host string) (string, error) {
	f, err := os.Open(servicePath(l.dir, host))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking at the services of %s: %w", host, err)
	}
	defer f.Close()
	return servicelog.Read(f)
}

func (l *Lab) checkSplats() error {
	for _, h := range l.Servers() {
		f, err := os.Open(consolePath(l.dir, h.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it never ran
		}
		if err != nil {
			return fmt.Errorf("looking at the console of %s: %w", h.Name, err)
		}
		text, err := splat.Read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("looking at the console of %s: %w", h.Name, err)
		}
		if text != "" {
			return &splat.Error{Host: h.Name, Text: text}
		}
	}
	return nil
}

// consoleEnd returns the last lines of a server's console.
func (l *Lab) consoleEnd(host string) string {
	return disk.LastLines(consolePath(l.dir, host))
}

func (l *Lab) guests(ctx context.Context) ([]broker.GuestStatus, error) {
	conn, resp, err := l.call(ctx, broker.Request{Op: broker.OpStatus})
	if err != nil {
		return nil, err
	}
	return resp.Guests, conn.Close()
}

// blameTime is how long the broker may take to notice the end of a guest whose
// connections have ended.
const blameTime = time.Second

// blame returns why something failed: the trouble of a kernel if there is any,
// else err itself.
func (l *Lab) blame(ctx context.Context, err error) error {
	for deadline := time.Now().Add(blameTime); ctx.Err() == nil; time.Sleep(blameTime / 20) {
		var splatted *splat.Error
		var dead *DeadError
		var crashed *CrashError
		if trouble := l.Check(); errors.As(trouble, &splatted) || errors.As(trouble, &dead) || errors.As(trouble, &crashed) {
			return trouble
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || time.Now().After(deadline) {
			break
		}
	}
	return err
}
