// SPDX-License-Identifier: MIT

package receive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"dpr/userland/daemon"
	"dpr/userland/dprnl"
)

// statusMax is the maximum size of a status in bytes: of all hosts, and all that there can be
// to say of each.
const statusMax = (dprnl.MaxPeers + maxStrangers) * 4096

// A Status is the state of a receiver that it serves on its socket.
type Status struct {
	Started time.Time         `json:"started"` // start of the process, when the counts are 0
	Counts  map[string]uint64 `json:"counts"`  // by the names of Counts.Names
	Hosts   []HostStatus      `json:"hosts"`   // by address
}

// ReadStatus reads the status of the receiver that listens at path. If there is
// none, the error satisfies errors.Is(err, fs.ErrNotExist) or
// errors.Is(err, syscall.ECONNREFUSED).
func ReadStatus(ctx context.Context, path string) (Status, error) {
	var s Status
	if err := daemon.ReadStatus(ctx, "dpr-receive", path, statusMax, &s); err != nil {
		return Status{}, err
	}
	return s, nil
}

// serve serves the status until stop is called.
func (r *Receiver) serve() (stop func(), err error) {
	if r.o.Socket == "" {
		return func() {}, nil
	}
	return daemon.ServeStatus(r.o.Socket, func(w io.Writer) error { return r.status().write(w) })
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
	s := Status{Started: r.started, Counts: make(map[string]uint64), Hosts: r.hosts.list(r.o.Now())}
	for _, n := range r.counts.Names() {
		s.Counts[n] = r.counts.Get(n)
	}
	return s
}
