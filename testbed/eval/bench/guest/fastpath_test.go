// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"dpr/testbed/lab/family"
)

// assemble returns a program as the kernel takes it.
func assemble(t *testing.T, list asm.Instructions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := list.Marshal(&b, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A program has as many instructions as it must have, one to end with, and no jump that leads
// backwards: the kernel bounds what those cost.
func TestPrograms(t *testing.T) {
	for name, p := range map[string]struct {
		list        asm.Instructions
		least, most int
	}{"katran": {katran(katranMaps{3, 4, 5, 6, 7}), 100, 250}, "bounce": {bounce(), 16, 16}} {
		text := assemble(t, p.list)
		if n := len(text) / asm.InstructionSize; n < p.least || n > p.most || len(text)%asm.InstructionSize != 0 {
			t.Errorf("%s: %d bytes", name, len(text))
		}
		if last := p.list[len(p.list)-1]; last.OpCode != asm.Return().OpCode {
			t.Errorf("%s ends with %v", name, last)
		}
		at := map[string]int{}
		for i, ins := range p.list {
			if s := ins.Symbol(); s != "" {
				at[s] = i
			}
		}
		for i, ins := range p.list {
			if to := ins.Reference(); to != "" && at[to] <= i {
				t.Errorf("%s: instruction %d jumps to %q, which is %d", name, i, to, at[to])
			}
		}
	}
}

// It looks a packet up in each map once, and in the ring if the connection is new.
func TestKatranMaps(t *testing.T) {
	m := katranMaps{3, 4, 5, 6, 7}
	uses := map[int]int{}
	for _, ins := range katran(m) {
		if ins.IsLoadFromMap() {
			uses[int(uint32(ins.Constant))]++
		}
	}
	for fd, want := range map[int]int{m.vips: 1, m.flows: 2, m.ring: 1, m.servers: 1, m.counts: 1} {
		if uses[fd] != want {
			t.Errorf("map %d is used %d times, want %d", fd, uses[fd], want)
		}
	}
}

func TestKatranKeys(t *testing.T) {
	key := vipKey(netip.MustParseAddrPort("10.0.0.1:80"))
	if want := append(append([]byte{10, 0, 0, 1}, make([]byte, 12)...), 0, 80, 6, 0); !bytes.Equal(key, want) {
		t.Errorf("% x, want % x", key, want)
	}
	d := destination{netip.MustParseAddr("10.9.0.2"), [6]byte{2, 0, 0, 0, 0, 2}}.bytes()
	if len(d) != serverSize || !bytes.HasPrefix(d, []byte{10, 9, 0, 2, 0}) || !bytes.Equal(d[serverMAC:serverMAC+6], []byte{2, 0, 0, 0, 0, 2}) {
		t.Errorf("% x", d)
	}
	if stackVIP%8 != 0 || stackValue%8 != 0 || stackIndex%8 != 0 || stackFlow-stackVIP < vipKeySize {
		t.Error("the stack's parts overlap, or are not aligned")
	}
}

// The driver has each parameter that is set.
func TestArrivalsParameters(t *testing.T) {
	source, err := os.ReadFile("../nic/nic.c")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^module_param\((\w+), \w+, 0600\)`).FindAllSubmatch(source, -1) {
		names = append(names, string(m[1]))
	}
	set := arrivals{port: 80, flows: 7, syn: true}.parameters()
	for name := range set {
		if !slices.Contains(names, name) {
			t.Errorf("the driver has no parameter %s", name)
		}
	}
	if len(set) != len(names) {
		t.Errorf("%d of %v are set", len(set), names)
	}
	if set["port"] != 80 || set["flows"] != 7 || set["stride"] != 1 || set["syn"] != true || set["quiet"] != false {
		t.Errorf("%v", set)
	}
}

func TestFate(t *testing.T) {
	if got := (fate{1, 0, 2, 3}).times(5); got != (fate{5, 0, 10, 15}) {
		t.Errorf("%+v", got)
	}
}

func TestParseFrames(t *testing.T) {
	kept := make([]byte, 2*frameSize)
	binary.NativeEndian.PutUint32(kept, 2)
	copy(kept[4:], "ab")
	binary.NativeEndian.PutUint32(kept[frameSize:], frameSize-4)
	got, err := parseFrames(kept)
	if err != nil || len(got) != 2 || string(got[0]) != "ab" || len(got[1]) != frameSize-4 {
		t.Errorf("%q, %v", got, err)
	}
	binary.NativeEndian.PutUint32(kept, frameSize-3)
	for _, bad := range [][]byte{nil, kept[:frameSize-1], kept} {
		if got, err := parseFrames(bad); err == nil {
			t.Errorf("%d bytes: %d frames", len(bad), len(got))
		}
	}
}

func TestSameFrames(t *testing.T) {
	frames := func() (list [][]byte) {
		for i := range keptFrames {
			list = append(list, []byte{1, byte(i)})
		}
		return list
	}
	if err := sameFrames(frames(), frames()); err != nil {
		t.Error(err)
	}
	if sameFrames(frames()[1:], frames()) == nil || sameFrames(frames(), frames()[1:]) == nil || sameFrames(nil, nil) == nil {
		t.Error("frames that are not there are the same")
	}
	for _, other := range [][]byte{{1}, {1, 4, 0}, {2, 3}} {
		list := frames()
		list[3] = other
		if err := sameFrames(frames(), list); err == nil || !strings.Contains(err.Error(), "frame 3") {
			t.Errorf("% x: %v", other, err)
		}
	}
}

// tunnelled returns a frame to a peer, with a packet in an outer header.
func tunnelled(id byte, packet string) []byte {
	frame := append([]byte{2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 1, 8, 0},
		0x45, 0, 0, byte(ipSize+len(packet)), 0, id, 0x40, 0, 64, 4, 0, 0, 10, 0, 0, 1, 10, 9, 0, 3)
	binary.BigEndian.PutUint16(frame[atIP+10:], checksum(frame[atIP:atIP+ipSize]))
	return append(frame, packet...)
}

// Outer headers may differ, what is in them may not.
func TestSameInner(t *testing.T) {
	n := networks[family.V4]
	packet := strings.Repeat("x", ipSize+tcpSize)
	ours := [][]byte{tunnelled(0, packet)}
	if err := n.sameInner(ours, [][]byte{tunnelled(7, packet)}); err != nil {
		t.Error(err)
	}
	change := func(at int) []byte {
		frame := tunnelled(0, packet)
		frame[at]++
		return frame
	}
	for what, theirs := range map[string][][]byte{
		"none": nil, "too many": {ours[0], ours[0]}, "another packet": {tunnelled(0, packet[1:]+"y")},
		"short": {tunnelled(0, packet[1:])}, "not IPv4": {change(atIP)}, "not in IP": {change(atProto)}, "wrong length": {change(atLength + 1)},
		"wrong checksum": {change(atIP + 10)}, "to another station": {change(5)}, "cut off": {ours[0][:30]},
	} {
		if n.sameInner(ours, theirs) == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if n.sameInner([][]byte{[]byte("no frame")}, ours) == nil {
		t.Error("frames of dpr are not looked at")
	}
}

// A header with its checksum has the sum 0.
func TestChecksum(t *testing.T) {
	header := []byte{0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7}
	if got := checksum(header); got != 0xb861 {
		t.Errorf("%#x", got)
	}
	binary.BigEndian.PutUint16(header[10:], 0xb861)
	if got := checksum(header); got != 0 {
		t.Errorf("%#x", got)
	}
}
