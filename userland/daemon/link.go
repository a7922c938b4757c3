// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"io"
	"time"

	"dpr/userland/dprnl"
)

// redialAfter is how long a failed connection to the kernel is not tried
// again.
const redialAfter = 250 * time.Millisecond

// A Link is a connection to the kernel that is opened when it is needed and
// opened anew after it broke, for processes that outlive the module. It is
// used by one goroutine.
type Link[K io.Closer] struct {
	dial   func() (K, error)
	kernel K
	open   bool
	failed time.Time
	err    error
}

// NewLink makes a link that connects by dial.
func NewLink[K io.Closer](dial func() (K, error)) *Link[K] {
	return &Link[K]{dial: dial}
}

// Get returns the connection. A failure to connect is returned again, without
// another try, for a short while.
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

// Note looks at the error of a command: unless the kernel itself refused, the
// connection is closed and the next Get opens another. It returns err.
func (l *Link[K]) Note(err error) error {
	var refused *dprnl.Error
	if err != nil && !errors.As(err, &refused) {
		l.Close()
	}
	return err
}

// Close closes the connection if there is one; Get opens it anew.
func (l *Link[K]) Close() {
	if l.open {
		l.kernel.Close()
		l.open = false
	}
}
