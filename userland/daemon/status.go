// SPDX-License-Identifier: MIT

package daemon

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

// statusTimeout is in which some of a status must pass.
const statusTimeout = 2 * time.Second

// ServeStatus writes a process's status to every connection to a socket, one after another,
// until stop is called. Only the socket's owner may connect. It replaces one that a killed
// process left.
func ServeStatus(path string, write func(io.Writer) error) (stop func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return func() {}, fmt.Errorf("replacing the status socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return func() {}, fmt.Errorf("opening the status socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return func() {}, errors.Join(fmt.Errorf("opening the status socket: %w", err), l.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer(l, write)
	}()
	return func() {
		l.Close() // this also removes the socket
		<-done
	}, nil
}

// answer serves one connection after another until the listener is closed.
func answer(l net.Listener, write func(io.Writer) error) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // perhaps out of file descriptors
			continue
		}
		// Ignore errors: a client that has gone needs no answer.
		_ = write(patient{conn})
		conn.Close()
	}
}

// ReadStatus reads the status that a program serves at path, JSON of at most so many bytes,
// into status. If the program does not run, the error satisfies errors.Is(err, fs.ErrNotExist)
// or errors.Is(err, syscall.ECONNREFUSED).
func ReadStatus(ctx context.Context, program, path string, most int64, status any) error {
	d := net.Dialer{Timeout: statusTimeout}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("asking %s: %w", program, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewDecoder(io.LimitReader(patient{conn}, most)).Decode(status); err != nil {
		return fmt.Errorf("asking %s at %s: %w", program, path, err)
	}
	return nil
}

// patient is a connection on which reads and writes fail once nothing has passed for
// statusTimeout: the status of many hosts takes longer than that in all.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(statusTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(statusTimeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}
