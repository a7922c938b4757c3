// SPDX-License-Identifier: MIT

package report

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"dpr/userland/dprnl"
)

// Offsets in a report of version 2, up to its fields.
const (
	offHost2     = 12
	offBoot2     = 28
	offSequence2 = 44
	offTime2     = 52
	headLen2     = 60
)

// field is the type of a field of version 2.
type field uint16

const (
	fieldPeriod    field = 1
	fieldWeight    field = 2
	fieldMetrics   field = 3
	fieldState     field = 4
	fieldHeard     field = 5
	fieldAddresses field = 6
	fieldServices  field = 7
	fieldSettings  field = 8
	fieldSoftware  field = 9
	fieldProtocol  field = 10
	fieldCounts    field = 11

	// fieldNeeded marks types that a receiver must know.
	fieldNeeded field = 0x8000
)

// required are the fields that every report of version 2 has.
var required = []field{fieldPeriod, fieldWeight, fieldMetrics, fieldState, fieldHeard}

// appendVersion2 appends a report with details, without authentication.
func (r *Report) appendVersion2(b []byte) []byte {
	be, d := binary.BigEndian, r.Details
	head := make([]byte, headLen2)
	copy(head, magic)
	head[offVersion] = 2
	host := r.Host.As16()
	copy(head[offHost2:], host[:])
	copy(head[offBoot2:], r.Boot[:])
	be.PutUint64(head[offSequence2:], r.Sequence)
	be.PutUint64(head[offTime2:], uint64(r.Time.UnixMicro()))
	b = append(b, head...)
	add := func(f field, value []byte) {
		b = be.AppendUint16(b, uint16(f))
		b = be.AppendUint16(b, uint16(len(value)))
		b = append(b, value...)
	}
	add(fieldPeriod, be.AppendUint32(nil, uint32(r.Period.Milliseconds())))
	add(fieldWeight, be.AppendUint32(nil, r.Weight))
	var metrics []byte
	for _, m := range []uint32{r.Metrics.Connections, r.Metrics.CPU, r.Metrics.Redirected, r.Metrics.Sockets} {
		metrics = be.AppendUint32(metrics, m)
	}
	add(fieldMetrics, metrics)
	add(fieldState, []byte{byte(r.State)})
	heard := be.AppendUint32(nil, uint32(d.Peers))
	for _, id := range d.Heard {
		heard = be.AppendUint32(heard, uint32(id))
	}
	add(fieldHeard, heard)
	if len(d.Addresses) > 0 {
		var value []byte
		for _, a := range d.Addresses {
			a16 := a.As16()
			value = append(value, a16[:]...)
		}
		add(fieldAddresses, value)
	}
	if d.ServicesSaid || len(d.Services) > 0 {
		var value []byte
		for _, s := range d.Services {
			value = be.AppendUint16(value, s.Port)
			value = append(value, byte(s.State), 0)
		}
		add(fieldServices, value)
	}
	if !d.Settings.IsZero() {
		add(fieldSettings, d.Settings[:])
	}
	if d.Software != "" {
		add(fieldSoftware, []byte(d.Software))
	}
	if d.Protocol != 0 {
		add(fieldProtocol, []byte{d.Protocol})
	}
	if len(d.Counts) > 0 {
		var value []byte
		for _, c := range d.Counts {
			value = be.AppendUint16(value, c.Port)
			value = be.AppendUint32(value, c.Connections)
		}
		add(fieldCounts, value)
	}
	return b
}

// parseVersion2 parses a report of version 2 with a valid frame.
func parseVersion2(b []byte) (Report, error) {
	be := binary.BigEndian
	micros := be.Uint64(b[offTime2:])
	if micros > math.MaxInt64 {
		return Report{}, fmt.Errorf("%w: time %d", ErrRange, micros)
	}
	r := Report{
		Host:     netip.AddrFrom16([16]byte(b[offHost2:offBoot2])).Unmap(),
		Boot:     BootID(b[offBoot2:offSequence2]),
		Sequence: be.Uint64(b[offSequence2:]),
		Time:     time.UnixMicro(int64(micros)),
		Details:  new(Details),
	}
	seen := make(map[field]bool)
	for at := headLen2; at < len(b); {
		if len(b)-at < 4 {
			return Report{}, fmt.Errorf("%w: %d bytes at offset %d are no field", ErrTruncated, len(b)-at, at)
		}
		f, n := field(be.Uint16(b[at:])), int(be.Uint16(b[at+2:]))
		if n > len(b)-at-4 {
			return Report{}, fmt.Errorf("%w: field %d at offset %d has %d of %d bytes", ErrTruncated, f, at, len(b)-at-4, n)
		}
		if seen[f] {
			return Report{}, fmt.Errorf("%w: field %d at offset %d comes again", ErrRange, f, at)
		}
		seen[f] = true
		if err := r.parseField(f, b[at+4:at+4+n]); err != nil {
			return Report{}, fmt.Errorf("field %d at offset %d: %w", f, at, err)
		}
		at += 4 + n
	}
	for _, f := range required {
		if !seen[f] {
			return Report{}, fmt.Errorf("%w: there is no field %d", ErrTruncated, f)
		}
	}
	if err := r.check(); err != nil {
		return Report{}, err
	}
	return r, nil
}

// parseField parses the value of a field. It skips a type that it does not know,
// unless it must.
func (r *Report) parseField(f field, b []byte) error {
	be, d := binary.BigEndian, r.Details
	// unit returns an error unless b has least bytes, and a multiple of each more.
	unit := func(least, each int) error {
		if len(b) < least || (each == 0 && len(b) > least) || (each > 0 && (len(b)-least)%each != 0) {
			return fmt.Errorf("%w: %d bytes", ErrRange, len(b))
		}
		return nil
	}
	switch f {
	case fieldPeriod, fieldWeight:
		if err := unit(4, 0); err != nil {
			return err
		}
		if f == fieldWeight {
			r.Weight = be.Uint32(b)
		} else {
			r.Period = time.Duration(be.Uint32(b)) * time.Millisecond
		}
	case fieldMetrics:
		// A later version may have more metrics.
		if err := unit(16, 4); err != nil {
			return err
		}
		r.Metrics = dprnl.Metrics{Connections: be.Uint32(b), CPU: be.Uint32(b[4:]), Redirected: be.Uint32(b[8:]), Sockets: be.Uint32(b[12:])}
	case fieldState:
		if err := unit(1, 0); err != nil {
			return err
		}
		r.State = dprnl.State(b[0])
	case fieldHeard:
		if err := unit(4, 4); err != nil {
			return err
		}
		if n := be.Uint32(b); n > dprnl.MaxPeers {
			return fmt.Errorf("%w: %d peers", ErrRange, n)
		}
		d.Peers = int(be.Uint32(b))
		for b = b[4:]; len(b) > 0; b = b[4:] {
			d.Heard = append(d.Heard, PeerID(be.Uint32(b)))
		}
	case fieldAddresses:
		if err := unit(0, 16); err != nil {
			return err
		}
		for ; len(b) > 0; b = b[16:] {
			d.Addresses = append(d.Addresses, netip.AddrFrom16([16]byte(b)).Unmap())
		}
	case fieldServices:
		if err := unit(0, 4); err != nil {
			return err
		}
		d.ServicesSaid = true
		// The last byte is for later versions.
		for ; len(b) > 0; b = b[4:] {
			d.Services = append(d.Services, Service{Port: be.Uint16(b), State: dprnl.ServiceState(b[2])})
		}
	case fieldSettings:
		if err := unit(len(d.Settings), 0); err != nil {
			return err
		}
		d.Settings = Digest(b)
	case fieldSoftware:
		d.Software = string(b)
	case fieldProtocol:
		if err := unit(1, 0); err != nil {
			return err
		}
		if b[0] < impliedProtocol {
			return fmt.Errorf("%w: protocol %d, at least %d", ErrRange, b[0], impliedProtocol)
		}
		d.Protocol = b[0]
	case fieldCounts:
		if err := unit(0, 6); err != nil {
			return err
		}
		for ; len(b) > 0; b = b[6:] {
			d.Counts = append(d.Counts, dprnl.PortCount{Port: be.Uint16(b), Connections: be.Uint32(b[2:])})
		}
	default:
		if f&fieldNeeded != 0 {
			return fmt.Errorf("%w: this version does not know what it must", ErrVersion)
		}
	}
	return nil
}
