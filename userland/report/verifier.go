// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"net/netip"
	"time"

	"dpr/userland/dprnl"
)

// A Policy says what a Verifier accepts.
type Policy struct {
	// Keys are the accepted keys. If there are none, reports are not
	// authenticated, and anyone who can send a datagram controls this host.
	Keys []*Key
	// Window is how far the time of sending may differ from this host's clock.
	Window time.Duration
	// MaxHosts limits the number of remembered hosts; 0 means dprnl.MaxPeers.
	MaxHosts int
}

// A Verifier verifies reports. It remembers the last report of each host. It must
// be used by one goroutine only.
type Verifier struct {
	policy  Policy
	now     func() time.Time
	memory  *Memory // nil: nothing outlives the process
	hosts   map[netip.Addr]last
	swept   time.Time
	started time.Time
	// elapsed is the time since started by a clock that nobody sets.
	elapsed func() time.Duration
}

// last is what a Verifier remembers of a host's last report.
type last struct {
	boot     BootID
	sequence uint64
	sent     time.Time
	heard    time.Duration // of Verifier.elapsed; 0 if an earlier process heard it
	slot     int           // of the memory, if there is one
	key      uint32        // id of the key that authenticated it, if signed
	signed   bool
	// former is a boot whose reports up to formerSent count no more, though their time
	// may be still to come; zero if there is none.
	former     BootID
	formerSent time.Time
}

// NewVerifier returns a verifier that takes the time from now, or time.Now if nil,
// and continues from the content of memory. If memory is nil, it refuses reports
// sent before this call.
func NewVerifier(p Policy, now func() time.Time, memory *Memory) *Verifier {
	if now == nil {
		now = time.Now
	}
	if p.MaxHosts <= 0 {
		p.MaxHosts = dprnl.MaxPeers
	}
	v := &Verifier{policy: p, now: now, memory: memory, hosts: make(map[netip.Addr]last), started: now()}
	begun := time.Now()
	v.elapsed = func() time.Duration { return time.Since(begun) }
	if memory != nil {
		v.hosts = memory.hosts()
	}
	return v
}

// SetPolicy replaces the policy; remembered reports stay.
func (v *Verifier) SetPolicy(p Policy) {
	if p.MaxHosts <= 0 {
		p.MaxHosts = dprnl.MaxPeers
	}
	v.policy = p
}

// Key returns the id of the key that authenticated a host's last report, as eight
// hexadecimal digits; empty if there was no report, or none of the keys.
func (v *Verifier) Key(host netip.Addr) string {
	l := v.hosts[host]
	if !l.signed {
		return ""
	}
	return FormatID(l.key)
}

// Hosts returns the number of remembered hosts.
func (v *Verifier) Hosts() int { return len(v.hosts) }

// Verify returns the report in a datagram from the address sender. The error of a
// refusal wraps one of the package's errors; a refused report does not change the
// verifier.
func (v *Verifier) Verify(b []byte, sender netip.Addr) (Report, error) {
	f, err := parseFrame(b)
	if err != nil {
		return Report{}, err
	}
	if err := v.authenticate(f); err != nil {
		return Report{}, err
	}
	r, err := f.parse()
	if err != nil {
		return Report{}, err
	}
	if sender.Unmap() != r.Host {
		return Report{}, fmt.Errorf("%w: from %v, host %v", ErrSender, sender.Unmap(), r.Host)
	}
	now := v.now()
	if d := r.Time.Sub(now); d > v.policy.Window || d < -v.policy.Window {
		return Report{}, fmt.Errorf("%w: off by %v, at most %v allowed", ErrClock, d.Round(time.Millisecond), v.policy.Window)
	}
	if err := v.remember(&r, now); err != nil {
		return Report{}, err
	}
	l := v.hosts[r.Host]
	l.key, l.signed = f.keyID, len(v.policy.Keys) > 0
	v.hosts[r.Host] = l
	return r, nil
}

func (v *Verifier) authenticate(f frame) error {
	if len(v.policy.Keys) == 0 {
		return nil
	}
	if f.auth == authNone {
		return ErrUnauthenticated
	}
	known := false
	for _, k := range v.policy.Keys {
		if k.ID() != f.keyID {
			continue
		}
		known = true
		if k.check(f.body, f.mac) {
			return nil
		}
	}
	if known {
		return ErrBadHMAC
	}
	return fmt.Errorf("%w %08x", ErrUnknownKey, f.keyID)
}

// remember stores a report. It refuses one that is not newer than the host's last
// report.
func (v *Verifier) remember(r *Report, now time.Time) error {
	old, known := v.hosts[r.Host]
	newest := v.newest(old, now)
	switch {
	case known && r.Boot == old.former && !r.Time.After(old.formerSent):
		return fmt.Errorf("%w: of the earlier boot %v", ErrReplayed, r.Boot)
	case !known:
		// An earlier process may have accepted reports that are not
		// remembered here. The start is computed back from now, so that it
		// moves when the clock is set.
		if start := now.Add(-now.Sub(v.started)); r.Time.Before(start.Truncate(time.Microsecond)) {
			return fmt.Errorf("%w: %v too early", ErrEarly, start.Sub(r.Time).Round(time.Millisecond))
		}
		if err := v.makeRoom(now); err != nil {
			return err
		}
	case old.boot == r.Boot:
		// A virtual machine that was rolled back to a snapshot counts anew from
		// there, but its clock is set.
		if r.Sequence <= old.sequence && !r.Time.After(old.sent) {
			return fmt.Errorf("%w: sequence %d, last was %d", ErrReplayed, r.Sequence, old.sequence)
		}
	case !r.Time.After(newest):
		return fmt.Errorf("%w: report of boot %v is not newer than the last of boot %v", ErrReplayed, r.Boot, old.boot)
	}
	l := last{
		boot: r.Boot, sequence: r.Sequence, sent: r.Time, heard: v.elapsed(), slot: old.slot,
		former: old.former, formerSent: old.formerSent,
	}
	switch {
	case !known:
	case old.boot == r.Boot:
		l.sequence = max(r.Sequence, old.sequence)
		if old.sent.After(l.sent) {
			l.sent = old.sent // the host's clock was set back
		}
	case newest.Before(old.sent):
		l.former, l.formerSent = old.boot, old.sent
	}
	if v.memory != nil {
		if !known {
			l.slot = v.memory.take()
		}
		v.memory.put(r.Host, l)
	}
	v.hosts[r.Host] = l
	return nil
}

// newest is the time that the first report of a host's next boot must be later than: that of
// its last report. If that is beyond the window, this host's clock was ahead then, and the
// other host's too. By the clock of today the report was sent when it was heard, or at the
// latest when this process started; otherwise all would refuse the host until that time comes.
func (v *Verifier) newest(old last, now time.Time) time.Time {
	if old.sent.Sub(now) <= v.policy.Window {
		return old.sent
	}
	return now.Add(old.heard - v.elapsed())
}

// makeRoom forgets hosts whose last report is outside the clock window, so that it
// cannot be replayed. It scans all hosts, at most once a second.
func (v *Verifier) makeRoom(now time.Time) error {
	if len(v.hosts) < v.policy.MaxHosts {
		return nil
	}
	if age := now.Sub(v.swept); age < 0 || age >= time.Second {
		v.swept = now
		for host, l := range v.hosts {
			if now.Sub(l.sent) > v.policy.Window {
				delete(v.hosts, host)
				if v.memory != nil {
					v.memory.free(l.slot)
				}
			}
		}
	}
	if len(v.hosts) >= v.policy.MaxHosts {
		return fmt.Errorf("%w: %d remembered", ErrTooManyHosts, len(v.hosts))
	}
	return nil
}
