// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

func newMaker(seed uint64) *maker { return &maker{Rand: rand.New(rand.NewPCG(seed, 0)), family: 30} }

// The same seed makes the same messages; each is as long as it says, and all
// commands and attributes come up.
func TestMaker(t *testing.T) {
	a, b := newMaker(1), newMaker(1)
	commands, attributes := map[uint8]int{}, map[uint16]int{}
	for range 20_000 {
		m, n := a.one(), b.one()
		if !bytes.Equal(m.data, n.data) {
			t.Fatalf("% x and % x", m.data, n.data)
		}
		if len(m.data) < 20 || int(binary.NativeEndian.Uint32(m.data)) != len(m.data) {
			t.Fatalf("% x", m.data)
		}
		if m.ours != (binary.NativeEndian.Uint16(m.data[4:]) == 30) {
			t.Fatalf("for the family: %v, % x", m.ours, m.data)
		}
		commands[m.data[16]]++
		if len(m.data) >= 24 {
			attributes[binary.NativeEndian.Uint16(m.data[22:])&^(3<<14)]++
		}
	}
	for range 10_000 {
		if m := a.cut(a.one()); len(m.data) == 0 || m.framed {
			t.Fatalf("% x", m.data) // the kernel takes no message of nothing
		}
	}
	for _, c := range family {
		if commands[c.number] < 500 {
			t.Errorf("command %d came %d times", c.number, commands[c.number])
		}
		for _, at := range c.takes {
			if attributes[at.number] == 0 {
				t.Errorf("attribute %d of command %d never came first", at.number, c.number)
			}
		}
	}
}

func TestParseAnswers(t *testing.T) {
	errorAnswer := binary.NativeEndian.AppendUint32(nil, 36)
	errorAnswer = binary.NativeEndian.AppendUint16(errorAnswer, unix.NLMSG_ERROR)
	errorAnswer = binary.NativeEndian.AppendUint16(errorAnswer, 0x200)
	errorAnswer = binary.NativeEndian.AppendUint32(errorAnswer, 77)
	errorAnswer = append(errorAnswer, 0, 0, 0, 0)
	errorAnswer = append(binary.NativeEndian.AppendUint32(errorAnswer, ^uint32(unix.EINVAL)+1), make([]byte, 16)...)
	var got []answer
	note := func(a answer) error { got = append(got, a); return nil }
	if err := parseAnswers(append(errorAnswer, errorAnswer...), note); err != nil {
		t.Fatal(err)
	}
	want := answer{kind: unix.NLMSG_ERROR, number: 77, errno: unix.EINVAL, words: true}
	if len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("%+v", got)
	}
	for n := 1; n < len(errorAnswer); n++ {
		if err := parseAnswers(errorAnswer[:n], note); err == nil {
			t.Errorf("%d bytes of it are an answer", n)
		}
	}
}
