// SPDX-License-Identifier: MIT

package report

import (
	"errors"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// A step is a report that comes at a time, and what becomes of it.
type step struct {
	name     string
	at       time.Duration // the receiver's clock, since start
	sent     time.Duration // time of sending, since start
	boot     byte
	sequence uint64
	want     error
}

func TestReplay(t *testing.T) {
	const s = time.Second
	for name, steps := range map[string][]step{
		"sequence": {
			{"first", 0, 0, 1, 100, nil},
			{"again", 0, 0, 1, 100, ErrReplayed},
			{"next", s, s, 1, 101, nil},
			{"reordered", s, 0, 1, 100, ErrReplayed},
			{"after a gap", 3 * s, 3 * s, 1, 1000, nil},
			{"same sequence, later", 4 * s, 4 * s, 1, 1000, nil},
			{"again", 4 * s, 4 * s, 1, 1000, ErrReplayed},
		},
		"rolled back to a snapshot": {
			{"before", 0, 0, 1, 1000, nil},
			{"after", s, s, 1, 100, nil},
			{"goes on", 2 * s, 2 * s, 1, 101, nil},
			{"of between, again", 2 * s, s, 1, 100, ErrReplayed},
			{"of before, again", 2 * s, 0, 1, 1000, ErrReplayed},
			{"never heard, of before", 2 * s, 0, 1, 999, ErrReplayed},
			{"clock set back, and counted further", 3 * s, s, 1, 1001, nil},
			{"of the time ahead, again", 3 * s, 2 * s, 1, 101, ErrReplayed},
		},
		"clock": {
			{"early enough", 0, -10 * s, 1, 1, nil},
			{"too early", 0, -10*s - time.Microsecond, 1, 2, ErrClock},
			{"late enough", 0, 10 * s, 1, 3, nil},
			{"too late", 0, 10*s + time.Microsecond, 1, 4, ErrClock},
		},
		"clock set back": {
			{"first", 0, 5 * s, 1, 1, nil},
			{"earlier, but newer", s, -5 * s, 1, 2, nil},
			{"old one again", s, 5 * s, 1, 1, ErrReplayed},
		},
		"reboot": {
			{"before", 0, 0, 1, 1 << 60, nil},
			{"after", 2 * s, 2 * s, 2, 1, nil},
			{"of the old boot", 3 * s, 0, 1, 1<<60 + 1, ErrReplayed},
			{"same moment, old boot", 3 * s, 2 * s, 1, 1<<60 + 2, ErrReplayed},
			{"goes on", 4 * s, 4 * s, 2, 2, nil},
		},
		"reboot after the clock was set back": {
			{"ahead", 0, 9 * s, 1, 1, nil},
			{"set back", s, s, 1, 2, nil},
			{"old boot id, old time", 2 * s, 8 * s, 2, 1, ErrReplayed},
			{"past all that was", 10 * s, 10 * s, 2, 1, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, now := verifier()
			for _, st := range steps {
				*now = start.Add(st.at)
				r := testReport(t)
				r.Time, r.Boot, r.Sequence = start.Add(st.sent), BootID{st.boot}, st.sequence
				_, err := v.Verify(mustAppend(t, r, nil), host)
				if !errors.Is(err, st.want) || (err == nil) != (st.want == nil) {
					t.Errorf("%s: got %v, want %v", st.name, err, st.want)
				}
			}
		})
	}
}

// Two hosts whose clocks were ahead, and are set right, get on after one reboots: at once,
// not when the time comes that both had. What was sent then is not accepted again.
func TestBothClocksSetBack(t *testing.T) {
	const s = time.Second
	for name, steps := range map[string][]struct {
		step
		ran time.Duration // the receiver's time since its start, whatever its clock says
	}{
		"both": {
			{step{"both are ahead", 60 * s, 60 * s, 1, 100, nil}, 0},
			{step{"both are right", 5 * s, 5 * s, 1, 105, nil}, 5 * s},
			{step{"sent before the last one, of the next boot", 20 * s, 4 * s, 2, 1, ErrClock}, 20 * s},
			{step{"the same, in the window", 10 * s, 4 * s, 2, 1, ErrReplayed}, 10 * s},
			{step{"next boot", 20 * s, 20 * s, 2, 1, nil}, 20 * s},
			{step{"again", 20 * s, 20 * s, 2, 1, ErrReplayed}, 20 * s},
			{step{"goes on", 21 * s, 21 * s, 2, 2, nil}, 21 * s},
			{step{"of the time ahead, again", 55 * s, 60 * s, 1, 100, ErrReplayed}, 55 * s},
			{step{"of that boot, and later", 55 * s, 61 * s, 1, 101, nil}, 55 * s},
		},
		"one alone": {
			{step{"ahead, in the window", 0, 9 * s, 1, 100, nil}, 0},
			{step{"next boot, too early", s, s, 2, 1, ErrReplayed}, s},
			{step{"next boot", 9 * s, 9*s + 1000, 2, 1, nil}, 9 * s},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, now := verifier()
			var ran time.Duration
			v.elapsed = func() time.Duration { return ran }
			for _, st := range steps {
				*now, ran = start.Add(st.at), st.ran
				r := testReport(t)
				r.Time, r.Boot, r.Sequence = start.Add(st.sent), BootID{st.boot}, st.sequence
				_, err := v.Verify(mustAppend(t, r, nil), host)
				if !errors.Is(err, st.want) || (err == nil) != (st.want == nil) {
					t.Errorf("%s: got %v, want %v", st.name, err, st.want)
				}
			}
		})
	}
}

// The same with a memory: a process that was started since knows no better than that the
// report came before it.
func TestBothClocksSetBackMemory(t *testing.T) {
	const s = time.Second
	path := filepath.Join(t.TempDir(), "reports")
	now, ran := start.Add(time.Hour), time.Duration(0)
	open := func() (*Verifier, *Memory) {
		m, err := OpenMemory(path)
		if err != nil {
			t.Fatal(err)
		}
		v := NewVerifier(Policy{Window: 10 * s}, func() time.Time { return now }, m)
		v.elapsed = func() time.Duration { return ran }
		return v, m
	}
	verify := func(v *Verifier, sent time.Time, boot byte) error {
		r := testReport(t)
		r.Time, r.Boot, r.Sequence = sent, BootID{boot}, 7
		_, err := v.Verify(mustAppend(t, r, nil), host)
		return err
	}
	v, m := open()
	now = now.Add(s)
	if err := verify(v, now, 1); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	now = start
	v, m = open()
	defer m.Close()
	now, ran = start.Add(5*s), 5*s
	if err := verify(v, start.Add(-s), 2); !errors.Is(err, ErrReplayed) {
		t.Errorf("sent before this process started: %v", err)
	}
	if err := verify(v, start.Add(5*s), 2); err != nil {
		t.Error(err)
	}
}

// Hosts do not disturb each other, and a change of keys forgets none.
func TestHostsAreApart(t *testing.T) {
	v, _ := verifier(testKey(1))
	other := netip.MustParseAddr("192.0.2.8")
	a, b := testReport(t), testReport(t)
	b.Host = other
	if _, err := v.Verify(mustAppend(t, a, testKey(1)), host); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(mustAppend(t, b, testKey(1)), other); err != nil {
		t.Error(err)
	}
	v.SetPolicy(Policy{Keys: []*Key{testKey(2)}, Window: time.Second})
	if _, err := v.Verify(mustAppend(t, a, testKey(1)), host); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("old key: %v", err)
	}
	if _, err := v.Verify(mustAppend(t, a, testKey(2)), host); !errors.Is(err, ErrReplayed) {
		t.Errorf("replay under the new key: %v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const most = 100
	now := start
	v := NewVerifier(Policy{Window: 10 * time.Second, MaxHosts: most}, func() time.Time { return now }, nil)
	send := func(n int) error {
		r := testReport(t)
		r.Host = netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
		r.Time = now
		r.Sequence = uint64(now.UnixNano())
		_, err := v.Verify(mustAppend(t, r, nil), r.Host)
		return err
	}
	for n := range most {
		if err := send(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(most); !errors.Is(err, ErrTooManyHosts) {
		t.Errorf("one more: %v", err)
	}
	now = now.Add(5 * time.Second)
	if err := send(0); err != nil {
		t.Errorf("a known one when full: %v", err)
	}
	if err := send(most); !errors.Is(err, ErrTooManyHosts) {
		t.Errorf("while their reports could be replayed: %v", err)
	}
	now = now.Add(6 * time.Second)
	if err := send(most); err != nil {
		t.Errorf("after they fell silent: %v", err)
	}
	if v.Hosts() != 2 {
		t.Errorf("%d hosts are remembered, want 2", v.Hosts())
	}
}

func FuzzVerify(f *testing.F) {
	key := testKey(7)
	f.Add(mustAppend(f, testReport(f), key))
	f.Add(mustAppend(f, testReport(f), nil))
	f.Add(mustAppend(f, detailed(f), key))
	f.Add(mustAppend(f, detailed(f), nil))
	f.Add(mustAppend(f, detailed6(f), key))
	f.Add([]byte{})
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, keys := range [][]*Key{{key}, nil} {
			v, _ := verifier(keys...)
			from := host
			r, err := v.Verify(b, from)
			if errors.Is(err, ErrSender) {
				from = host6
				r, err = v.Verify(b, from)
			}
			if err != nil {
				if Reason(err) == "other" {
					t.Fatalf("refused without a reason: %v", err)
				}
				continue
			}
			// What is accepted is exactly what its sender would send.
			k := key
			if b[offAuth] == authNone {
				k = nil
			}
			again, err := r.Append(nil, k)
			if err != nil {
				t.Fatalf("accepted, but cannot be sent: %v", err)
			}
			if r.Details != nil {
				// It may have had fields that are not known here.
				v, _ := verifier(keys...)
				if back, err := v.Verify(again, from); err != nil || !reflect.DeepEqual(back, r) {
					t.Fatalf("accepted %+v\nwould send %+v, %v", r, back, err)
				}
				continue
			}
			same := len(again) == len(b)
			for i := 0; same && i < bodyLen; i++ {
				// Without keys the key id and the HMAC are not looked at.
				same = again[i] == b[i] || keys == nil && i >= offKeyID && i < offHost
			}
			if !same {
				t.Fatalf("accepted %x\nwould send %x", b, again)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key := testKey(7)
	v, _ := verifier(key)
	r := testReport(b)
	var buf []byte
	for b.Loop() {
		r.Sequence++
		buf, _ = r.Append(buf[:0], key)
		if _, err := v.Verify(buf, host); err != nil {
			b.Fatal(err)
		}
	}
}
