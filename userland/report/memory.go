// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// The file of a Memory is an array of slots, each one host's last report:
//
//	offset size
//	     0    4  magic, the bytes "DPRn"
//	     4   16  the host's address, an IPv4 one as ::ffff:a.b.c.d
//	    20   16  boot id
//	    36    8  sequence number
//	    44    8  time of sending, microseconds since 1970-01-01 UTC
//	    52    4  CRC-32 (IEEE) of bytes 0 to 51
//	    56    8  zero
//
// Numbers are in network byte order. A slot that is not of this form is free: so is
// what earlier releases wrote, whose hosts are then not remembered.
const (
	slotMagic    = "DPRn"
	slotLen      = 64
	slotHost     = 4
	slotBoot     = 20
	slotSequence = 36
	slotSent     = 44
	slotSum      = 52
)

// ErrInUse means that another process has locked the memory's file.
var ErrInUse = errors.New("in use by another process")

// A Memory keeps the last report of each host in a file, for the next process.
// Each slot is written with one system call, so a killed process leaves either
// the old or the new slot. The file grows to the largest number of hosts
// remembered at once.
type Memory struct {
	file *os.File
	was  map[netip.Addr]last
	used int   // slots, including free ones
	open []int // free slots
	err  error // of the last write
}

// OpenMemory opens the file, creating it and its directory if necessary, and
// reads what an earlier process left. Only the owner has access to the file,
// because anyone who can write it can cause reports to be refused. Only one
// process can use it at a time: for others the error satisfies
// errors.Is(err, ErrInUse).
func OpenMemory(path string) (*Memory, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("opening the report memory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the report memory: %w", err)
	}
	m := &Memory{file: f, was: make(map[netip.Addr]last)}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%s: %w", path, ErrInUse)
	}
	if err == nil {
		err = m.read(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the report memory: %w", err), f.Close())
	}
	return m, nil
}

func (m *Memory) read(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	m.used = (len(data) + slotLen - 1) / slotLen
	for i := range m.used {
		host, l, ok := parseSlot(data[i*slotLen : min((i+1)*slotLen, len(data))])
		if _, twice := m.was[host]; !ok || twice {
			m.open = append(m.open, i)
			continue
		}
		l.slot = i
		m.was[host] = l
	}
	return nil
}

// Close closes the file.
func (m *Memory) Close() error { return m.file.Close() }

// Err returns the error of the last write, or nil. After an error, the next
// process will know less than this one.
func (m *Memory) Err() error { return m.err }

// hosts returns the reports that OpenMemory read.
func (m *Memory) hosts() map[netip.Addr]last { return m.was }

// take allocates a slot for another host.
func (m *Memory) take() int {
	if n := len(m.open); n > 0 {
		slot := m.open[n-1]
		m.open = m.open[:n-1]
		return slot
	}
	m.used++
	return m.used - 1
}

// free releases a slot.
func (m *Memory) free(slot int) {
	var empty [slotLen]byte
	m.write(empty[:], slot)
	m.open = append(m.open, slot)
}

func (m *Memory) put(host netip.Addr, l last) {
	var b [slotLen]byte
	be := binary.BigEndian
	address := host.As16()
	copy(b[:], slotMagic)
	copy(b[slotHost:], address[:])
	copy(b[slotBoot:], l.boot[:])
	be.PutUint64(b[slotSequence:], l.sequence)
	be.PutUint64(b[slotSent:], uint64(l.sent.UnixMicro()))
	be.PutUint32(b[slotSum:], crc32.ChecksumIEEE(b[:slotSum]))
	m.write(b[:], l.slot)
}

func (m *Memory) write(b []byte, slot int) {
	_, m.err = m.file.WriteAt(b, int64(slot)*slotLen)
}

func parseSlot(b []byte) (netip.Addr, last, bool) {
	be := binary.BigEndian
	if len(b) != slotLen || !bytes.HasPrefix(b, []byte(slotMagic)) ||
		be.Uint32(b[slotSum:]) != crc32.ChecksumIEEE(b[:slotSum]) {
		return netip.Addr{}, last{}, false
	}
	return netip.AddrFrom16([16]byte(b[slotHost:slotBoot])).Unmap(), last{
		boot:     BootID(b[slotBoot:slotSequence]),
		sequence: be.Uint64(b[slotSequence:]),
		sent:     time.UnixMicro(int64(be.Uint64(b[slotSent:]))),
	}, true
}
