// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The size of struct nic_frame of the driver, and how many there are.
const (
	frameSize  = 256
	keptFrames = 64
)

// parseFrames takes apart what the driver has kept.
func parseFrames(b []byte) (frames [][]byte, err error) {
	if len(b) == 0 || len(b)%frameSize != 0 {
		return nil, fmt.Errorf("the card has kept %d bytes, want some frames of %d", len(b), frameSize)
	}
	for ; len(b) > 0; b = b[frameSize:] {
		n := binary.NativeEndian.Uint32(b)
		if n > frameSize-4 {
			return nil, fmt.Errorf("the card has kept the beginning of a frame of %d bytes", n)
		}
		frames = append(frames, b[4:4+n])
	}
	return frames, nil
}

// sameFrames returns an error unless the frames are the same, byte by byte.
func sameFrames(slow, fast [][]byte) error {
	if len(slow) != keptFrames || len(fast) != keptFrames {
		return fmt.Errorf("%d frames by netfilter and %d by the fast path, want %d", len(slow), len(fast), keptFrames)
	}
	for i := range slow {
		if !bytes.Equal(slow[i], fast[i]) {
			return fmt.Errorf("frame %d is % x by netfilter, % x by the fast path", i, slow[i], fast[i])
		}
	}
	return nil
}

// sameInner returns an error unless frames of two systems have the same packets, in tunnels
// to peers.
func (n *network) sameInner(ours, theirs [][]byte) error {
	if len(ours) != len(theirs) {
		return fmt.Errorf("%d frames, want %d", len(theirs), len(ours))
	}
	for i, frame := range theirs {
		want, err := n.inner(ours[i])
		if err != nil {
			return fmt.Errorf("frame %d of dpr: %w", i, err)
		}
		got, err := n.inner(frame)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("in the tunnel of frame %d is % x, want % x", i, got, want)
		}
	}
	return nil
}

// inner returns the packet that is in a frame's tunnel, which must lead to a peer.
func (n *network) inner(frame []byte) ([]byte, error) {
	if len(frame) < leastSize+ipSize || frame[atIP] != 0x45 || frame[atProto] != 4 {
		return nil, fmt.Errorf("it has no packet in an outer header: % x", frame)
	}
	outer, packet := frame[atIP:atIP+ipSize], frame[atIP+ipSize:]
	to, _ := netip.AddrFromSlice(outer[16:])
	switch {
	case int(binary.BigEndian.Uint16(outer[2:])) != len(outer)+len(packet):
		return nil, fmt.Errorf("it is not as long as its outer header says: % x", frame)
	case checksum(outer) != 0:
		return nil, fmt.Errorf("the outer header's checksum is wrong: % x", frame)
	case !n.outside.Contains(to) || !bytes.Equal(frame[:6], hardware(to)):
		return nil, fmt.Errorf("it leads to %s by % x", to, frame[:6])
	}
	return packet, nil
}

// checksum is that of an IP header, 0 if the header has it.
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
