// SPDX-License-Identifier: MIT

package receive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"
)

const (
	statusTimeout = 2 * time.Second // to say or hear a status
	statusMax     = 64 << 10        // bytes of a status
)

// A Status is what a receiver tells of itself.
type Status struct {
	Started time.Time         `json:"started"` // of the process; the counts start at 0 then
	Counts  map[string]uint64 `json:"counts"`  // by the names of Counts.Names
}

// ReadStatus asks the receiver that listens at path. The error satisfies
// errors.Is(err, fs.ErrNotExist) or errors.Is(err, syscall.ECONNREFUSED) if
// there is none.
func ReadStatus(ctx context.Context, path string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return Status{}, fmt.Errorf("asking dpr-receive: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var s Status
	if err := json.NewDecoder(io.LimitReader(conn, statusMax)).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("asking dpr-receive at %s: %w", path, err)
	}
	return s, nil
}

// serve tells the status to whoever connects to the socket, until stop is
// called. A socket that a killed process left is replaced.
func (r *Receiver) serve() (stop func(), err error) {
	if r.o.Socket == "" {
		return func() {}, nil
	}
	if err := os.Remove(r.o.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return func() {}, fmt.Errorf("replacing the socket of the counts: %w", err)
	}
	l, err := net.Listen("unix", r.o.Socket)
	if err != nil {
		return func() {}, fmt.Errorf("opening the socket of the counts: %w", err)
	}
	if err := os.Chmod(r.o.Socket, 0o600); err != nil {
		return func() {}, errors.Join(fmt.Errorf("opening the socket of the counts: %w", err), l.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.answer(l)
	}()
	return func() {
		l.Close() // it also removes the socket
		<-done
	}, nil
}

// answer serves one connection after the other until the listener is closed.
func (r *Receiver) answer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // out of descriptors, perhaps
			continue
		}
		// Whoever asked and is gone again needs no answer.
		_ = conn.SetDeadline(time.Now().Add(statusTimeout))
		_ = json.NewEncoder(conn).Encode(r.status())
		conn.Close()
	}
}

func (r *Receiver) status() Status {
	s := Status{Started: r.started, Counts: make(map[string]uint64)}
	for _, n := range r.counts.Names() {
		s.Counts[n] = r.counts.Get(n)
	}
	return s
}
