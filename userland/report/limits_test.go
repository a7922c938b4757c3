// SPDX-License-Identifier: MIT

package report

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// Limits themselves can be sent and are accepted, what is beyond them is neither.
func TestLimitsOfFields(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Report)
		ok     bool
	}{
		"shortest period": {func(r *Report) { r.Period = time.Millisecond }, true},
		"shorter period":  {func(r *Report) { r.Period = time.Millisecond - 1 }, false},
		"longest period":  {func(r *Report) { r.Period = MaxPeriod }, true},
		"longer period":   {func(r *Report) { r.Period = MaxPeriod + time.Millisecond }, false},
		"least weight":    {func(r *Report) { r.Weight = 1 }, true},
		"most weight":     {func(r *Report) { r.Weight = dprnl.MaxWeight }, true},
		"more weight":     {func(r *Report) { r.Weight = dprnl.MaxWeight + 1 }, false},
		"all CPUs":        {func(r *Report) { r.Metrics.CPU = dprnl.MaxCPU }, true},
		"more CPU":        {func(r *Report) { r.Metrics.CPU = dprnl.MaxCPU + 1 }, false},
		"last state":      {func(r *Report) { r.State = dprnl.StateLeaving }, true},
		"broadcast":       {func(r *Report) { r.Host = netip.MustParseAddr("255.255.255.255") }, false},
	} {
		r := testReport(t)
		tt.change(&r)
		b, err := r.Append(nil, nil)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		v, _ := verifier()
		if got, err := v.Verify(b, r.Host); err != nil || got != r {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	r := testReport(t)
	for at, ok := range map[time.Time]bool{time.UnixMicro(0): true, time.UnixMicro(-1): false} {
		r.Time = at
		if _, err := r.Append(nil, nil); (err == nil) != ok {
			t.Errorf("%v: %v", at, err)
		}
	}
	good := mustAppend(t, testReport(t), nil)
	for at := range 3 {
		if _, err := parseVersion1(patch(good, nil, offZero+at, 1)); !errors.Is(err, ErrRange) {
			t.Errorf("padding byte %d: %v", at, err)
		}
	}
	if _, err := parseVersion1(patch(good, nil, offTime, 0x80, 0, 0, 0, 0, 0, 0, 0)); !errors.Is(err, ErrRange) || !strings.Contains(err.Error(), "time 9223372036854775808") {
		t.Errorf("error %v", err)
	}
	if _, err := parseFrame(append(good, 1, 2, 3)); !errors.Is(err, ErrLength) || !strings.Contains(err.Error(), "3 bytes follow") {
		t.Errorf("error %v", err)
	}
	for _, at := range []int{8, 13, 18, 23} {
		id := []byte(boot)
		id[at] = '0'
		if _, err := ParseBootID(string(id)); err == nil {
			t.Errorf("%s is a boot id", id)
		}
	}
}

// A policy without a bound has that of the kernel's table, at the start and later on.
func TestMaxHostsHasADefault(t *testing.T) {
	for most, want := range map[int]int{0: dprnl.MaxPeers, -1: dprnl.MaxPeers, 1: 1, 2: 2} {
		v := NewVerifier(Policy{MaxHosts: most}, nil, nil)
		if v.policy.MaxHosts != want {
			t.Errorf("at the start %d, want %d", v.policy.MaxHosts, want)
		}
		v = NewVerifier(Policy{MaxHosts: 7}, nil, nil)
		if v.SetPolicy(Policy{MaxHosts: most}); v.policy.MaxHosts != want {
			t.Errorf("later %d, want %d", v.policy.MaxHosts, want)
		}
	}
	before := time.Now()
	v := NewVerifier(Policy{Window: time.Second}, nil, nil)
	if v.started.Before(before) || v.now().Before(before) {
		t.Error("the time is not that of now")
	}
}

// sending is a verifier with room for some hosts, and a function that has one report.
func sending(t *testing.T, most int, m *Memory) (*Verifier, *time.Time, func(n byte) error) {
	t.Helper()
	now := start
	v := NewVerifier(Policy{Window: 10 * time.Second, MaxHosts: most}, func() time.Time { return now }, m)
	return v, &now, func(n byte) error {
		r := testReport(t)
		r.Host, r.Time, r.Sequence = netip.AddrFrom4([4]byte{10, 0, 0, n}), now, uint64(now.UnixNano())
		_, err := v.Verify(mustAppend(t, r, nil), r.Host)
		return err
	}
}

// When it is full it looks for room at most once a second, also after the clock was
// set back; hosts at the end of the window are kept.
func TestRoom(t *testing.T) {
	v, now, send := sending(t, 2, nil)
	for n := range byte(2) {
		if err := send(n); err != nil {
			t.Fatal(err)
		}
	}
	full := func(when time.Duration, want bool) {
		t.Helper()
		*now = start.Add(when)
		if err := send(9); errors.Is(err, ErrTooManyHosts) != want {
			t.Errorf("after %v: %v", when, err)
		}
	}
	full(9900*time.Millisecond, true)
	if !v.swept.Equal(*now) {
		t.Errorf("it looked at %v", v.swept)
	}
	// Both are too old now, but it looked less than a second ago.
	full(10800*time.Millisecond, true)
	full(10900*time.Millisecond, false)
	if v.Hosts() != 1 {
		t.Errorf("%d hosts", v.Hosts())
	}

	_, now, send = sending(t, 1, nil)
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	full(10*time.Second, true) // at the end of the window
	full(11*time.Second, false)

	// It looked in what is now the future, and must look again.
	v, now, send = sending(t, 1, nil)
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	v.swept = start.Add(time.Hour)
	full(11*time.Second, false)
	// There is room: nobody looks.
	v, _, send = sending(t, 2, nil)
	if err := send(1); err != nil || !v.swept.IsZero() {
		t.Errorf("%v, looked at %v", err, v.swept)
	}
}

// A host whose clock was set back keeps the later time, so that an older boot's
// reports stay refused.
func TestTimeOfTheLastReport(t *testing.T) {
	v, now := verifier()
	r := testReport(t)
	for i, at := range []time.Duration{5 * time.Second, -5 * time.Second, 6 * time.Second} {
		r.Time, r.Sequence = now.Add(at), uint64(i+1)
		if _, err := v.Verify(mustAppend(t, r, nil), r.Host); err != nil {
			t.Fatal(err)
		}
		if want := now.Add(max(at, 5*time.Second)); !v.hosts[host].sent.Equal(want) {
			t.Errorf("step %d: %v, want %v", i, v.hosts[host].sent, want)
		}
	}
}

// Of two slots for one host the first counts, and the other is free.
func TestHostInTwoSlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	m, err := OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	l := last{boot: BootID{1}, sequence: 7, sent: start}
	m.put(host, l)
	l.slot, l.sequence = 1, 9
	m.put(host, l)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if m, err = OpenMemory(path); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := m.hosts(); len(got) != 1 || got[host].sequence != 7 || got[host].slot != 0 || len(m.open) != 1 || m.open[0] != 1 || m.used != 2 {
		t.Errorf("%+v; free %v of %d", got, m.open, m.used)
	}
	if slot := m.take(); slot != 1 {
		t.Errorf("slot %d", slot)
	}
	if slot := m.take(); slot != 2 {
		t.Errorf("slot %d", slot)
	}
}

// A slot that is given back is free for the next process too.
func TestFreeSlotStaysFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	m, err := OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	m.put(host, last{sent: start})
	m.used = 1
	m.free(0)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if m, err = OpenMemory(path); err != nil {
		t.Fatal(err)
	}
	if len(m.hosts()) != 0 || len(m.open) != 1 {
		t.Errorf("%v, free %v", m.hosts(), m.open)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err == nil {
		t.Error("it is closed twice")
	}
}

// A spoilt magic is no slot even if its sum is right.
func TestSlotNeedsItsMagic(t *testing.T) {
	if _, _, ok := parseSlot(make([]byte, slotLen)); ok {
		t.Error("zeros are a slot")
	}
	path := filepath.Join(t.TempDir(), "reports")
	m, err := OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.put(host, last{sent: start})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := parseSlot(b); !ok {
		t.Error("a slot is none")
	}
	copy(b, "DPRx")
	sum(b)
	if _, _, ok := parseSlot(b); ok {
		t.Error("without its magic it is a slot")
	}
}

// A failed write is reported until one succeeds.
func TestMemoryReportsErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports")
	m, err := OpenMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	m.put(host, last{sent: start})
	if m.Err() != nil {
		t.Error(m.Err())
	}
	right := m.file
	if m.file, err = os.Open(path); err != nil { // cannot be written
		t.Fatal(err)
	}
	if m.put(host, last{sent: start}); m.Err() == nil {
		t.Error("a write failed, and nobody says so")
	}
	m.file = right
	if m.put(host, last{sent: start}); m.Err() != nil {
		t.Error(m.Err())
	}
}

// What cannot be opened or read is said, and is not left open.
func TestOpenMemoryFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(file, "x"): "mkdir", dir: "open"} {
		if _, err := OpenMemory(path); err == nil || !strings.HasPrefix(err.Error(), "opening the report memory: "+want) {
			t.Errorf("%v", err)
		}
	}
	m := &Memory{}
	if err := m.read(filepath.Join(dir, "none")); err == nil {
		t.Error("nothing was read")
	}
}

func TestExplain(t *testing.T) {
	for _, name := range Reasons() {
		if Explain(name) == "" || Explain(name) == name && !strings.Contains(name, "truncated") {
			t.Errorf("%s: %q", name, Explain(name))
		}
	}
	if Explain("clock") != ErrClock.Error() || Explain("x") != "" {
		t.Error("explanations are of others")
	}
}

// What is no file is refused, and said to be none.
func TestKeyIsAFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadKey(dir); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("error %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fmt.Fprint(w, strings.Repeat("0f", KeyLen))
	if _, err := ReadKey(pipe); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("error %v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(empty); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("error %v", err)
	}
}
