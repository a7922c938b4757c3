// SPDX-License-Identifier: MIT

package receive

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

func TestStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receive.sock")
	if _, err := ReadStatus(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a receiver: %v", err)
	}
	// A killed process leaves its socket.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := ReadStatus(t.Context(), path); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("with a dead receiver: %v", err)
	}

	r, _, s := setup(t)
	r.o.Socket = path
	end := run(t, r)
	s.in <- Datagram{sent(t, peer, 2, 1, 0, key), peer}
	s.in <- Datagram{sent(t, peer, 2, 1, 0, key), peer}
	s.in <- Datagram{[]byte("?"), peer}
	eventually(t, "three datagrams", func() bool { return r.counts.total() == 3 })
	got, err := ReadStatus(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Counts["accepted"] != 1 || got.Counts["replayed"] != 1 || got.Counts["truncated"] != 1 || !got.Started.Equal(start) {
		t.Errorf("%+v", got)
	}
	// Every reason has a counter, also one that never was.
	for _, name := range append(report.Reasons(), "accepted", "own", "own_address", "kernel", "other") {
		if _, ok := got.Counts[name]; !ok || Explain(name) == "" {
			t.Errorf("%s has no counter or no explanation", name)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	end()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// Without its socket a receiver works on.
func TestStatusCannotBeServed(t *testing.T) {
	r, k, s := setup(t)
	r.o.Socket = filepath.Join(t.TempDir(), "none", "receive.sock")
	end := run(t, r)
	s.in <- Datagram{sent(t, peer, 2, 1, dprnl.StateActive, key), peer}
	eventually(t, "a peer", func() bool { _, _, n := k.get(); return n == 1 })
	end()
}
