// SPDX-License-Identifier: MIT

package fastpath

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"dpr/userland/config"
	"dpr/userland/daemon"
)

// statusMax is the maximum size of a status in bytes: a firewall may be in the way with many
// chains.
const statusMax = 1 << 20

// Why a device has no fast path though nothing was found in its way.
const (
	NotRunning = "dpr-fastpath does not run (systemctl enable --now dpr-fastpath)"
	NotAsked   = "dpr-fastpath goes by another configuration (systemctl reload dpr-fastpath)"
)

// A Status is what dpr-fastpath serves on its socket.
type Status struct {
	Devices []State `json:"devices"` // that are to have the fast path
}

// ReadStatus reads the status of the dpr-fastpath that listens at path.
func ReadStatus(ctx context.Context, path string) (Status, error) {
	var s Status
	if err := daemon.ReadStatus(ctx, "dpr-fastpath", path, statusMax, &s); err != nil {
		return Status{}, err
	}
	return s, nil
}

// States returns the state of each device that a configuration wants to have the fast path, and
// of those that dpr-fastpath knows besides, by what ReadStatus returned. It returns none if
// that does not say how it is.
func States(c *config.Config, s Status, err error) []State {
	why := NotAsked
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		why = NotRunning
	case err != nil:
		return nil
	}
	list := slices.Clone(s.Devices)
	w := WantOf(c)
	for _, device := range w.Devices {
		if !slices.ContainsFunc(list, func(s State) bool { return s.Device == device }) {
			list = append(list, State{Device: device, Forced: w.Force, Reason: why})
		}
	}
	return list
}
