// SPDX-License-Identifier: MIT

package report

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process starts a receiver's verifier over a memory file, as a process would
// that was killed before: the file is not closed in between.
func process(t *testing.T, path string, now *time.Time) *Verifier {
	t.Helper()
	var m *Memory
	if path != "" {
		var err error
		if m, err = OpenMemory(path); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenMemory(path); !errors.Is(err, ErrInUse) {
			t.Errorf("opened twice: %v", err)
		}
		// What the kernel does when a process ends; nothing else is written.
		if err := unix.Flock(int(m.file.Fd()), unix.LOCK_UN); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
	}
	return NewVerifier(Policy{Window: 10 * time.Second}, func() time.Time { return *now }, m)
}

func at(t *testing.T, sent time.Time, boot byte, sequence uint64) []byte {
	t.Helper()
	r := testReport(t)
	r.Time, r.Boot, r.Sequence = sent, BootID{boot}, sequence
	return mustAppend(t, r, nil)
}

// Killed and started again, a receiver accepts no report a second time, with
// its memory and without; the host's next report it accepts at once.
func TestReplayAfterRestart(t *testing.T) {
	for name, path := range map[string]string{
		"memory":    filepath.Join(t.TempDir(), "run", "reports"),
		"no memory": "",
	} {
		t.Run(name, func(t *testing.T) {
			now := start
			first := process(t, path, &now)
			captured := at(t, now, 1, 100)
			if _, err := first.Verify(captured, host); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Second)
			second := process(t, path, &now)
			want := ErrReplayed
			if path == "" {
				want = ErrEarly
			}
			for range 2 {
				if _, err := second.Verify(captured, host); !errors.Is(err, want) {
					t.Errorf("captured before the restart: %v, want %v", err, want)
				}
			}
			if _, err := second.Verify(at(t, now, 1, 101), host); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// With its memory, a restart costs nothing even if the host's clock is behind,
// and an old boot's report stays refused even if the host's clock is ahead.
func TestMemoryOutlivesClocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	now := start.Add(-time.Minute)
	first := process(t, path, &now)
	now = start
	for _, d := range [][]byte{at(t, now.Add(-8*time.Second), 1, 100), at(t, now.Add(5*time.Second), 2, 7)} {
		if _, err := first.Verify(d, host); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	second := process(t, path, &now)
	if _, err := second.Verify(at(t, now.Add(3*time.Second), 1, 1000), host); !errors.Is(err, ErrReplayed) {
		t.Errorf("a report of the old boot: %v", err)
	}
	if _, err := second.Verify(at(t, now.Add(-8*time.Second), 2, 8), host); err != nil {
		t.Errorf("the host's clock was set back: %v", err)
	}
}

func TestMemoryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	now := start
	v := process(t, path, &now)
	send := func(v *Verifier, n byte) error {
		r := testReport(t)
		r.Host, r.Time, r.Sequence = netip.AddrFrom4([4]byte{10, 0, 0, n}), now, uint64(now.UnixNano())
		_, err := v.Verify(mustAppend(t, r, nil), r.Host)
		return err
	}
	for range 3 {
		now = now.Add(time.Second)
		for n := range byte(5) {
			if err := send(v, n+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != 5*slotLen || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	// Spoilt slots are forgotten, and used again; the others stay.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff}, slotLen+9); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(5*slotLen - 1); err != nil {
		t.Fatal(err)
	}
	v = process(t, path, &now)
	if v.Hosts() != 3 {
		t.Errorf("%d hosts are remembered, want 3", v.Hosts())
	}
	now = now.Add(time.Second)
	for n := range byte(5) {
		if err := send(v, n+1); err != nil {
			t.Fatal(err)
		}
	}
	if v = process(t, path, &now); v.Hosts() != 5 {
		t.Errorf("%d hosts are remembered, want 5", v.Hosts())
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 5*slotLen {
		t.Errorf("%v, %v", info, err)
	}
}

// Hosts that are forgotten for want of room leave no slot behind.
func TestMemoryIsAsLargeAsNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	now := start
	v := process(t, path, &now)
	v.policy.MaxHosts = 10
	for n := range 100 {
		if n%10 == 0 {
			now = now.Add(11 * time.Second)
		}
		r := testReport(t)
		r.Host, r.Time = netip.AddrFrom4([4]byte{10, 0, 1, byte(n)}), now
		if _, err := v.Verify(mustAppend(t, r, nil), r.Host); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 10*slotLen {
		t.Errorf("%v, %v", info, err)
	}
}

func TestMemoryCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "reports"), t.TempDir()} {
		if _, err := OpenMemory(path); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}

// sum makes a slot's sum right.
func sum(slot []byte) {
	binary.BigEndian.PutUint32(slot[slotSum:], crc32.ChecksumIEEE(slot[:slotSum]))
}
