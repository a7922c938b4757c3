// SPDX-License-Identifier: MIT

package report

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"time"

	"dpr/userland/dprnl"
)

// Version is the version of the format that this package implements.
const Version = 1

// MaxPeriod is the longest period that a report can contain.
const MaxPeriod = time.Hour

const (
	magic   = "DPRr"
	bodyLen = 76
	macLen  = 32
	// MaxLen is the length of the longest report, in bytes.
	MaxLen = bodyLen + macLen

	authNone = 0
	authHMAC = 1
)

// Offsets of the fields; see the package's documentation.
const (
	offVersion     = 4
	offAuth        = 5
	offLength      = 6
	offKeyID       = 8
	offHost        = 12
	offBoot        = 16
	offSequence    = 32
	offTime        = 40
	offPeriod      = 48
	offWeight      = 52
	offConnections = 56
	offCPU         = 60
	offRedirected  = 64
	offSockets     = 68
	offState       = 72
	offZero        = 73
)

// A BootID identifies one boot of a host.
type BootID [16]byte

// ParseBootID parses a boot id as in /proc/sys/kernel/random/boot_id, a UUID.
func ParseBootID(s string) (BootID, error) {
	var id BootID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("boot id %q is not a UUID", s)
	}
	if _, err := hex.Decode(id[:], []byte(s[0:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return id, fmt.Errorf("boot id %q is not a UUID: %w", s, err)
	}
	return id, nil
}

// String formats a boot id as a UUID.
func (id BootID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// A Report is the state of a host that it sends to the others.
type Report struct {
	Host     netip.Addr // the host's address
	Boot     BootID
	Sequence uint64
	Time     time.Time     // of sending, to the microsecond
	Period   time.Duration // until the next report, whole milliseconds
	State    dprnl.State
	Weight   uint32 // relative capacity, 1 to dprnl.MaxWeight
	Metrics  dprnl.Metrics
}

// check returns an error if a field is out of range.
func (r *Report) check() error {
	if h := r.Host.Unmap(); !h.Is4() || h.IsUnspecified() || h.IsMulticast() || h.IsLoopback() ||
		h == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return fmt.Errorf("%w: host %v is not a unicast IPv4 address", ErrRange, r.Host)
	}
	if r.Period < time.Millisecond || r.Period > MaxPeriod {
		return fmt.Errorf("%w: period %v is not from 1ms to %v", ErrRange, r.Period, MaxPeriod)
	}
	if r.Weight < 1 || r.Weight > dprnl.MaxWeight {
		return fmt.Errorf("%w: weight %d is not from 1 to %d", ErrRange, r.Weight, dprnl.MaxWeight)
	}
	if r.Metrics.CPU > dprnl.MaxCPU {
		return fmt.Errorf("%w: CPU utilisation %d is above %d", ErrRange, r.Metrics.CPU, dprnl.MaxCPU)
	}
	if r.State > dprnl.StateLeaving {
		return fmt.Errorf("%w: state %d is above %d", ErrRange, uint32(r.State), uint32(dprnl.StateLeaving))
	}
	if r.Time.UnixMicro() < 0 {
		return fmt.Errorf("%w: time %v is before 1970", ErrRange, r.Time)
	}
	return nil
}

// Append appends the report's wire form to b, authenticated with key unless key is
// nil. The error wraps ErrRange if a field is out of range.
func (r *Report) Append(b []byte, key *Key) ([]byte, error) {
	if err := r.check(); err != nil {
		return b, err
	}
	start := len(b)
	b = append(b, make([]byte, bodyLen)...)
	body := b[start:]
	be := binary.BigEndian
	copy(body, magic)
	body[offVersion] = Version
	be.PutUint16(body[offLength:], bodyLen)
	if key != nil {
		body[offAuth] = authHMAC
		be.PutUint16(body[offLength:], MaxLen)
		be.PutUint32(body[offKeyID:], key.ID())
	}
	host := r.Host.Unmap().As4()
	copy(body[offHost:], host[:])
	copy(body[offBoot:], r.Boot[:])
	be.PutUint64(body[offSequence:], r.Sequence)
	be.PutUint64(body[offTime:], uint64(r.Time.UnixMicro()))
	be.PutUint32(body[offPeriod:], uint32(r.Period.Milliseconds()))
	be.PutUint32(body[offWeight:], r.Weight)
	be.PutUint32(body[offConnections:], r.Metrics.Connections)
	be.PutUint32(body[offCPU:], r.Metrics.CPU)
	be.PutUint32(body[offRedirected:], r.Metrics.Redirected)
	be.PutUint32(body[offSockets:], r.Metrics.Sockets)
	body[offState] = byte(r.State)
	if key != nil {
		b = key.appendMAC(b, body)
	}
	return b, nil
}

// frame holds the parts of a report that authentication needs, before the content
// is trusted.
type frame struct {
	auth  byte
	keyID uint32
	body  []byte
	mac   []byte
}

// parseFrame checks everything that does not depend on a key.
func parseFrame(b []byte) (frame, error) {
	if len(b) < bodyLen {
		return frame{}, fmt.Errorf("%w: %d bytes, want at least %d", ErrTruncated, len(b), bodyLen)
	}
	if string(b[:len(magic)]) != magic {
		return frame{}, fmt.Errorf("%w: starts with %x", ErrMagic, b[:len(magic)])
	}
	if b[offVersion] != Version {
		return frame{}, fmt.Errorf("%w %d, want %d", ErrVersion, b[offVersion], Version)
	}
	f := frame{auth: b[offAuth], keyID: binary.BigEndian.Uint32(b[offKeyID:]), body: b[:bodyLen]}
	want := bodyLen
	switch f.auth {
	case authNone:
	case authHMAC:
		want = MaxLen
	default:
		return frame{}, fmt.Errorf("%w %d", ErrAuthentication, f.auth)
	}
	length := int(binary.BigEndian.Uint16(b[offLength:]))
	if length != want {
		return frame{}, fmt.Errorf("%w: length field is %d, want %d", ErrLength, length, want)
	}
	if len(b) < want {
		return frame{}, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(b), want)
	}
	if len(b) > want {
		return frame{}, fmt.Errorf("%w: %d bytes follow the end", ErrLength, len(b)-want)
	}
	f.mac = b[bodyLen:]
	return f, nil
}

// parseBody parses the fields of a report with a valid frame.
func parseBody(b []byte) (Report, error) {
	be := binary.BigEndian
	micros := be.Uint64(b[offTime:])
	if micros > math.MaxInt64 {
		return Report{}, fmt.Errorf("%w: time %d", ErrRange, micros)
	}
	r := Report{
		Host:     netip.AddrFrom4([4]byte(b[offHost : offHost+4])),
		Boot:     BootID(b[offBoot : offBoot+16]),
		Sequence: be.Uint64(b[offSequence:]),
		Time:     time.UnixMicro(int64(micros)),
		Period:   time.Duration(be.Uint32(b[offPeriod:])) * time.Millisecond,
		State:    dprnl.State(b[offState]),
		Weight:   be.Uint32(b[offWeight:]),
		Metrics: dprnl.Metrics{
			Connections: be.Uint32(b[offConnections:]),
			CPU:         be.Uint32(b[offCPU:]),
			Redirected:  be.Uint32(b[offRedirected:]),
			Sockets:     be.Uint32(b[offSockets:]),
		},
	}
	if b[offZero] != 0 || b[offZero+1] != 0 || b[offZero+2] != 0 {
		return Report{}, fmt.Errorf("%w: bytes %d to %d are not zero", ErrRange, offZero, offZero+2)
	}
	if err := r.check(); err != nil {
		return Report{}, err
	}
	return r, nil
}
