// SPDX-License-Identifier: MIT

package receive

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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

// As many hosts as there can be fit the answer, and each with all that can be said of it.
// Datagrams that anybody can send do not add to that without bound.
func TestStatusOfAll(t *testing.T) {
	r, _, _ := setup(t)
	for i := range 2 * dprnl.MaxPeers {
		r.hosts.refused(made(i), "unknown_key", start)
	}
	// A report of a host that is far from its limits.
	say := func(a netip.Addr, d *report.Details, down []uint16) {
		r.hosts.accepted(&report.Report{Host: a, Time: start, Period: time.Second, Details: d}, "0a1b2c3d", dprnl.BarredFamily, down, start)
		r.hosts.refused(a, "unauthenticated", start)
	}
	for i := range dprnl.MaxPeers - 1 {
		say(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)}), &report.Details{Software: "0.3.0", Peers: 7}, nil)
	}
	// One that has reached them.
	last := netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")
	var down []uint16
	for i := range dprnl.MaxServices {
		down = append(down, uint16(65535-i))
	}
	say(last, &report.Details{Software: strings.Repeat("<", report.MaxSoftware), Peers: dprnl.MaxPeers, Addresses: slices.Repeat([]netip.Addr{last}, report.MaxAddresses)}, down)
	if b, err := json.Marshal(r.hosts.all[last]); err != nil || len(b) < 2500 || len(b) > statusMax/(dprnl.MaxPeers+maxStrangers) {
		t.Errorf("%v, of one host %d bytes", err, len(b))
	}
	r.o.Socket = filepath.Join(t.TempDir(), "receive.sock")
	stop, err := r.serve()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	got, err := ReadStatus(t.Context(), r.o.Socket)
	// On a busy machine the first of it may come later than a reader waits for it.
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
		got, err = ReadStatus(t.Context(), r.o.Socket)
	}
	if err != nil || len(got.Hosts) != dprnl.MaxPeers+maxStrangers || !reflect.DeepEqual(got.Counts, r.status().Counts) || !got.Started.Equal(start) {
		t.Fatalf("%v, %d hosts", err, len(got.Hosts))
	}
	i := slices.IndexFunc(got.Hosts, func(h HostStatus) bool { return h.Address == last })
	if i < 0 || !slices.Equal(got.Hosts[i].Down, down) {
		t.Errorf("host %d of %d", i, len(got.Hosts))
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
