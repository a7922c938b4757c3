// SPDX-License-Identifier: MIT

package firewall

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dpr/userland/testnetns"
)

// hookAnswer is what the kernel says of one of those at a hook: what is not said is 0.
func hookAnswer(t *testing.T, kind uint32) []byte {
	t.Helper()
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.String(4, "nf_hook_run_bpf")
	e.Uint32(hookNumber, 4)
	e.Int32(2, -100)
	if kind != 0 {
		e.Nested(hookChainInfo, func(info *netlink.AttributeEncoder) error {
			info.Uint32(infoType, kind)
			info.Nested(1, func(desc *netlink.AttributeEncoder) error {
				desc.Uint32(1, 17)
				return nil
			})
			return nil
		})
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{unix.AF_INET, 0, 0, 0}, b...)
}

// A chain of nftables at a hook, or a function of a module, is no program.
func TestIsProgram(t *testing.T) {
	for kind, want := range map[uint32]bool{0: false, 1: false, infoTypeBPF: true, 3: false} {
		if got, err := isProgram(hookAnswer(t, kind)); got != want || err != nil {
			t.Errorf("type %d: %v, %v", kind, got, err)
		}
	}
	whole := hookAnswer(t, infoTypeBPF)
	for _, damaged := range [][]byte{nil, whole[:3], whole[:len(whole)-3], append(whole[:4:4], 3, 0, 6, 0)} {
		if got, err := isProgram(damaged); err == nil {
			t.Errorf("% x: %v", damaged, got)
		}
	}
}

func TestHookRequest(t *testing.T) {
	m, err := hookRequest(unix.AF_INET6, hookNumbers[Postrouting])
	want := []byte{unix.AF_INET6, 0, 0, 0}
	want = binary.NativeEndian.AppendUint16(want, 8)
	want = binary.NativeEndian.AppendUint16(want, 1)
	want = append(want, 0, 0, 0, 4)
	if err != nil || m.Header.Type != 0xc00 || !bytes.Equal(m.Data, want) {
		t.Errorf("%v, type %#x, % x; want % x", err, m.Header.Type, m.Data, want)
	}
}

// Those of both families count, if the kernel says which there are.
func TestCountPrograms(t *testing.T) {
	program, chain := netlink.Message{Data: hookAnswer(t, infoTypeBPF)}, netlink.Message{Data: hookAnswer(t, 1)}
	for _, tt := range []struct {
		four, six []netlink.Message
		err       error
		want      int
		fails     bool
	}{
		{nil, nil, nil, 0, false},
		{[]netlink.Message{chain, program, program}, []netlink.Message{program, chain}, nil, 3, false},
		{[]netlink.Message{{Data: []byte{2}}}, nil, nil, 0, true},
		{[]netlink.Message{program}, nil, unix.EINVAL, 0, false},
		{[]netlink.Message{program}, nil, unix.EPERM, 0, true},
	} {
		got, err := countPrograms(func(m netlink.Message) ([]netlink.Message, error) {
			if m.Data[0] == unix.AF_INET6 {
				return tt.six, tt.err
			}
			return tt.four, tt.err
		}, Output)
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%+v: %d, %v", tt, got, err)
		}
	}
}

// A namespace has none, whether the kernel says so or cannot say.
func TestPrograms(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(t)
	n.Run("nft add table inet t; add chain inet t c { type filter hook output priority 0; }")
	n.Do(func() {
		for _, hook := range []Hook{Output, Postrouting} {
			if got, err := Programs(hook); got != 0 || err != nil {
				t.Errorf("%s: %d programs, %v", hook, got, err)
			}
		}
	})
}
