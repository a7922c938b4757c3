// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"time"
)

// HostStatus is a host and what it does just now. A client always runs.
type HostStatus struct {
	Host
	State string    `json:"state"`          // "running", "off" or "dead"
	PID   int       `json:"pid,omitempty"`  // of a running server's QEMU
	Since time.Time `json:"since,omitzero"` // begin of the state
	Why   string    `json:"why,omitempty"`  // how it died
}

// Status returns the state of all hosts.
func (l *Lab) Status(ctx context.Context) ([]HostStatus, error) {
	guests, err := l.guests(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]HostStatus{}
	for _, g := range guests {
		byName[g.Name] = HostStatus{State: g.State, PID: g.PID, Since: g.Since, Why: g.Why}
	}
	var all []HostStatus
	for _, h := range l.Hosts() {
		st := HostStatus{State: "running", Since: l.state.Created}
		if h.Kind == Server {
			st = byName[h.Name]
		}
		st.Host = h
		all = append(all, st)
	}
	return all, nil
}
