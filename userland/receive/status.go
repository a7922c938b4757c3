// SPDX-License-Identifier: MIT

package receive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
)

const (
	statusTimeout = 2 * time.Second // in which some of a status must pass
	// statusMax is the maximum size of a status in bytes: of all hosts, and all that there
	// can be to say of each.
	statusMax = (dprnl.MaxPeers + maxStrangers) * 4096
)

// A Status is the state of a receiver that it serves on its socket.
type Status struct {
	Started time.Time         `json:"started"` // start of the process, when the counts are 0
	Counts  map[string]uint64 `json:"counts"`  // by the names of Counts.Names
	Hosts   []HostStatus      `json:"hosts"`   // by address
	// FastPath has the devices that are to have the fast path, as they are configured.
	FastPath []fastpath.State `json:"fast_path,omitempty"`
}

// ReadStatus reads the status of the receiver that listens at path. If there is
// none, the error satisfies errors.Is(err, fs.ErrNotExist) or
// errors.Is(err, syscall.ECONNREFUSED).
func ReadStatus(ctx context.Context, path string) (Status, error) {
	return readStatus(ctx, path, statusMax)
}

// readStatus is ReadStatus of a status of at most so many bytes.
func readStatus(ctx context.Context, path string, most int64) (Status, error) {
	d := net.Dialer{Timeout: statusTimeout}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return Status{}, fmt.Errorf("asking dpr-receive: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var s Status
	if err := json.NewDecoder(io.LimitReader(patient{conn}, most)).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("asking dpr-receive at %s: %w", path, err)
	}
	return s, nil
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

// serve writes the status to every connection to the socket, until stop is
// called. It replaces a socket that a killed process left.
func (r *Receiver) serve() (stop func(), err error) {
	if r.o.Socket == "" {
		return func() {}, nil
	}
	if err := os.Remove(r.o.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return func() {}, fmt.Errorf("replacing the status socket: %w", err)
	}
	l, err := net.Listen("unix", r.o.Socket)
	if err != nil {
		return func() {}, fmt.Errorf("opening the status socket: %w", err)
	}
	if err := os.Chmod(r.o.Socket, 0o600); err != nil {
		return func() {}, errors.Join(fmt.Errorf("opening the status socket: %w", err), l.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.answer(l)
	}()
	return func() {
		l.Close() // this also removes the socket
		<-done
	}, nil
}

// answer serves one connection after another until the listener is closed.
func (r *Receiver) answer(l net.Listener) {
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
		_ = r.status().write(patient{conn})
		conn.Close()
	}
}

// write writes a status host by host, so that the first comes soon, and all of them need not be
// in memory twice.
func (s Status) write(to io.Writer) error {
	hosts := s.Hosts
	s.Hosts = nil
	head, err := json.Marshal(s)
	if err != nil {
		return err
	}
	before, after, _ := bytes.Cut(head, []byte(`"hosts":null`))
	w := bufio.NewWriterSize(to, 1<<16)
	w.Write(before) // the writer remembers an error
	w.WriteString(`"hosts":[`)
	for i := range hosts {
		host, err := json.Marshal(&hosts[i])
		if err != nil {
			return err
		}
		if i > 0 {
			w.WriteByte(',')
		}
		w.Write(host)
	}
	w.WriteByte(']')
	w.Write(after)
	return w.Flush()
}

func (r *Receiver) status() Status {
	s := Status{Started: r.started, Counts: make(map[string]uint64), Hosts: r.hosts.list(r.o.Now()), FastPath: r.o.FastPath.States()}
	for _, n := range r.counts.Names() {
		s.Counts[n] = r.counts.Get(n)
	}
	return s
}
