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

// MaxPeriod is the longest period that a report can contain.
const MaxPeriod = time.Hour

const (
	magic   = "DPRr"
	bodyLen = 76 // of version 1
	macLen  = 32
	// MaxLen is the length of the longest report, in bytes: with IP and UDP header it
	// fits a link of 1,500 bytes.
	MaxLen = 1400

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
	Host     netip.Addr // the host's address; an IPv4 one without details
	Boot     BootID
	Sequence uint64
	Time     time.Time     // of sending, to the microsecond
	Period   time.Duration // until the next report, whole milliseconds
	State    dprnl.State
	Weight   uint32 // relative capacity, 1 to dprnl.MaxWeight
	Metrics  dprnl.Metrics
	Details  *Details // nil in a report of version 1
}

// Protocol returns the protocol between hosts that the host knows; see
// dprnl.PeerUpdate.
func (r *Report) Protocol() uint32 {
	switch {
	case r.Details == nil:
		return 1
	case r.Details.Protocol == 0:
		return impliedProtocol
	}
	return uint32(r.Details.Protocol)
}

// check returns an error if a field is out of range.
func (r *Report) check() error {
	if !unicast(r.Host) {
		return fmt.Errorf("%w: host %v is not a unicast address", ErrRange, r.Host)
	}
	if r.Details == nil && !r.Host.Unmap().Is4() {
		return fmt.Errorf("%w: host %v in a report of version 1, which has IPv4 addresses only", ErrRange, r.Host)
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
	if r.Details != nil {
		return r.Details.check(r.Host)
	}
	return nil
}

// Append appends the report's wire form to b, authenticated with key unless key is
// nil: version 2 if it has details, else version 1. The error wraps ErrRange if a
// field is out of range.
func (r *Report) Append(b []byte, key *Key) ([]byte, error) {
	if err := r.check(); err != nil {
		return b, err
	}
	start := len(b)
	if r.Details != nil {
		b = r.appendVersion2(b)
	} else {
		b = r.appendVersion1(b)
	}
	body := b[start:]
	be := binary.BigEndian
	be.PutUint16(body[offLength:], uint16(len(body)))
	if key != nil {
		body[offAuth] = authHMAC
		be.PutUint16(body[offLength:], uint16(len(body)+macLen))
		be.PutUint32(body[offKeyID:], key.ID())
		b = key.appendMAC(b, body)
	}
	return b, nil
}

// appendVersion1 appends a report without details or authentication.
func (r *Report) appendVersion1(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, bodyLen)...)
	body := b[start:]
	be := binary.BigEndian
	copy(body, magic)
	body[offVersion] = 1
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
	return b
}

// frame holds the parts of a report that authentication needs, before the content
// is trusted.
type frame struct {
	version byte
	auth    byte
	keyID   uint32
	body    []byte
	mac     []byte
}

// parseFrame checks everything that does not depend on a key.
func parseFrame(b []byte) (frame, error) {
	if len(b) < headLen2 {
		return frame{}, fmt.Errorf("%w: %d bytes, want at least %d", ErrTruncated, len(b), headLen2)
	}
	if string(b[:len(magic)]) != magic {
		return frame{}, fmt.Errorf("%w: starts with %x", ErrMagic, b[:len(magic)])
	}
	f := frame{version: b[offVersion], auth: b[offAuth], keyID: binary.BigEndian.Uint32(b[offKeyID:])}
	length := int(binary.BigEndian.Uint16(b[offLength:]))
	mac := 0
	switch f.auth {
	case authNone:
	case authHMAC:
		mac = macLen
	default:
		return frame{}, fmt.Errorf("%w %d", ErrAuthentication, f.auth)
	}
	switch f.version {
	case 1:
		if want := bodyLen + mac; length != want {
			return frame{}, fmt.Errorf("%w: length field is %d, want %d", ErrLength, length, want)
		}
	case 2:
		if least := headLen2 + mac; length < least || length > MaxLen {
			return frame{}, fmt.Errorf("%w: length field is %d, want %d to %d", ErrLength, length, least, MaxLen)
		}
	default:
		return frame{}, fmt.Errorf("%w %d, want 1 or 2", ErrVersion, f.version)
	}
	if len(b) < length {
		return frame{}, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(b), length)
	}
	if len(b) > length {
		return frame{}, fmt.Errorf("%w: %d bytes follow the end", ErrLength, len(b)-length)
	}
	f.body, f.mac = b[:length-mac], b[length-mac:]
	return f, nil
}

// parse parses a report with a valid frame.
func (f *frame) parse() (Report, error) {
	if f.version == 2 {
		return parseVersion2(f.body)
	}
	return parseVersion1(f.body)
}

// parseVersion1 parses a report of version 1 with a valid frame.
func parseVersion1(b []byte) (Report, error) {
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
