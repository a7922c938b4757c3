// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"io"
	"time"

	"dpr/userland/dprnl"
)

// redialAfter is how long to wait before retrying a failed connection to the
// kernel.
const redialAfter = 250 * time.Millisecond

// A Link is a connection to the kernel that is opened on demand and reopened
// after a failure, for processes that outlive the module. It must be used by one
// goroutine only.
type Link[K io.Closer] struct {
	dial   func() (K, error)
	kernel K
	open   bool
	failed time.Time
	err    error
}

// NewLink returns a link that connects with dial.
func NewLink[K io.Closer](dial func() (K, error)) *Link[K] {
	return &Link[K]{dial: dial}
}

// Get returns the connection. For a short while after a failure to connect, it
// returns the same error without trying again.
func (l *Link[K]) Get() (K, error) {
	if l.open {
		return l.kernel, nil
	}
	var none K
	if l.err != nil && time.Since(l.failed) < redialAfter {
		return none, l.err
	}
	k, err := l.dial()
	if err != nil {
		l.err, l.failed = err, time.Now()
		return none, err
	}
	l.kernel, l.open, l.err = k, true, nil
	return k, nil
}

// Note inspects the error of a command. Unless the kernel itself refused the
// command, it closes the connection, and the next Get opens a new one. It returns
// err.
func (l *Link[K]) Note(err error) error {
	var refused *dprnl.Error
	if err != nil && !errors.As(err, &refused) {
		l.Close()
	}
	return err
}

// Close closes the connection if it is open; the next Get reopens it.
func (l *Link[K]) Close() {
	if l.open {
		l.kernel.Close()
		l.open = false
	}
}
