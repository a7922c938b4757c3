// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// A program judges packets before dpr does (NFQUEUE): they come to dpr in process
// context then. With the checkers of the debug kernel this also shows that no lock
// is taken there as only a softirq may.
//
//	C ── switch ── A (program)
//	        └───── B (program)
func TestQueueBefore(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		for _, s := range []*server{c.a, c.b} {
			judge(t, s.Host, w, "prerouting", -500, func(q *queue, id uint32) error { return q.accept(id) })
		}
		for range 5 {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			check(t, k.upload(100_000))
			check(t, k.Close())
		}
		wantNoneLive(t, c.a)
		_, err := c.a.dpr.Expire(t.Context(), 0)
		check(t, err)
	})
}

// Redirected packets wait for a program in POST_ROUTING while the module goes: they
// do not go on in code that is gone.
//
//	C ── switch ── A (program)
//	        └───── B
func TestQueueBehindAndReload(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		held := make(chan uint32, 100)
		q := judge(t, c.a.Host, w, "postrouting", 0, func(_ *queue, id uint32) error { held <- id; return nil })
		k := c.raw(t, addrR).talk(c.a, 4000)
		k.say(t, "S", "")
		id := <-held
		reload(t)
		// The kernel has dropped it.
		if err := q.accept(id); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		time.Sleep(settle)
	})
}

// Connections end on B while the module goes, so that B's notices to A come at any moment of that.
// All that wait for a program are dropped before the module's code is gone.
//
//	R ── switch ── A
//	        └───── B (program)
func TestQueueBehindAndNotices(t *testing.T) {
	eachWay(t, bulk, func(t *testing.T, w way) {
		c := newCluster(t, w)
		const n = 200
		held := make(chan uint32, 8*n)
		q := judgeOnly(t, c.b.Host, w, "postrouting", 0, "4, 41", func(_ *queue, id uint32) error { held <- id; return nil })
		r := c.raw(t, addrR)
		var all []*talk
		for i := range uint16(n) {
			k := r.talk(c.a, 4000+i)
			k.open(t)
			all = append(all, k)
		}
		// B looks after a connection that it has closed, ever more rarely.
		for _, k := range all {
			k.say(t, "PA", "close\n")
			k.hear(t, "FA")
			k.say(t, "A", "")
		}
		for _, k := range all {
			k.say(t, "R", "")
		}
		reload(t)
		if waiting := queued(t, c.b.Host); waiting != 0 {
			t.Errorf("%d packets of a module that has gone wait", waiting)
		}
		if len(held) == 0 {
			t.Error("the program got no notice")
		}
		for len(held) > 0 {
			check(t, q.accept(<-held))
		}
		time.Sleep(settle)
	})
}

// queued returns how many packets of a host wait for a program.
func queued(t *testing.T, h *vnet.Host) (n int) {
	t.Helper()
	text, err := h.Read("/proc/thread-self/net/netfilter/nfnetlink_queue")
	check(t, err)
	var queue, program int
	if _, err := fmt.Sscan(text, &queue, &program, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

// A program judges packets that go direct and wants no super-packets: of each the kernel makes
// segments, which go to B like any other.
//
//	C ── switch ── A (program)
//	        └───── B
func TestQueueBehindDirect(t *testing.T) {
	bothDirect(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		offload(t, c.c, true)
		judge(t, c.a.Host, w, "postrouting", 0, func(q *queue, id uint32) error { return q.accept(id) })
		a := c.a.meter(t)
		const n = 1 << 20
		k := connect(t, c.c, c.a.service())
		check(t, k.upload(n))
		k.wantServed(t, "B")
		got := a.changes(t)
		if got[dprnl.StatTxDirect] == 0 || got[dprnl.StatTxDirect] > n/1460*3/4 {
			t.Errorf("%d packets went direct, want super-packets", got[dprnl.StatTxDirect])
		}
		if got[dprnl.StatTxError] != 0 {
			t.Errorf("%d packets could not be sent", got[dprnl.StatTxError])
		}
	})
}

// A queue is a program's end of an NFQUEUE.
type queue struct{ c *netlink.Conn }

const (
	queueSubsystem = unix.NFNL_SUBSYS_QUEUE << 8
	queueVerdict   = queueSubsystem | 1
	queueConfig    = queueSubsystem | 2
)

// judge has a program called for each packet of a host that passes a hook.
func judge(t *testing.T, h *vnet.Host, w way, hook string, priority int, packet func(*queue, uint32) error) *queue {
	t.Helper()
	return judgeOnly(t, h, w, hook, priority, "tcp, 4, 41", packet)
}

// judgeOnly is judge of some protocols, as nft names them.
func judgeOnly(t *testing.T, h *vnet.Host, w way, hook string, priority int, protocols string, packet func(*queue, uint32) error) *queue {
	t.Helper()
	q := &queue{}
	check(t, h.Do(func() (err error) {
		q.c, err = netlink.Dial(unix.NETLINK_NETFILTER, nil)
		return err
	}))
	t.Cleanup(func() { q.c.Close() })
	// What a super-packet is made of comes at once.
	check(t, q.c.SetReadBuffer(16<<20))
	// Bind to queue 0, and have whole packets copied.
	check(t, q.send(queueConfig, 1, []byte{1, 0, 0, 0}))
	check(t, q.send(queueConfig, 2, []byte{0, 0, 0xff, 0xff, 2}))
	go func() {
		for {
			msgs, err := q.c.Receive()
			if err != nil {
				return
			}
			for _, m := range msgs {
				if id, ok := packetID(m); ok {
					if packet(q, id) != nil {
						return
					}
				}
			}
		}
	}()
	firewall(t, h, w, fmt.Sprintf(`
table ip judge {
	chain c {
		type filter hook %[1]s priority %[2]d
		meta l4proto { %[3]s } queue num 0
	}
}
table ip6 judge {
	chain c {
		type filter hook %[1]s priority %[2]d
		meta l4proto { %[3]s } queue num 0
	}
}`, hook, priority, protocols))
	return q
}

// send sends a message about queue 0 with one attribute.
func (q *queue) send(typ netlink.HeaderType, attr uint16, data []byte) error {
	b, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: attr, Data: data}})
	if err != nil {
		return err
	}
	_, err = q.c.Send(netlink.Message{
		Header: netlink.Header{Type: typ, Flags: netlink.Request},
		Data:   append([]byte{unix.AF_UNSPEC, 0, 0, 0}, b...),
	})
	return err
}

// accept lets a packet pass.
func (q *queue) accept(id uint32) error {
	v := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1), id)
	return q.send(queueVerdict, 2, v)
}

// packetID returns the number of the packet that a message is about.
func packetID(m netlink.Message) (uint32, bool) {
	if m.Header.Type != queueSubsystem || len(m.Data) < 4 {
		return 0, false
	}
	attrs, err := netlink.UnmarshalAttributes(m.Data[4:])
	if err != nil {
		return 0, false
	}
	for _, a := range attrs {
		if a.Type == 1 && len(a.Data) >= 4 {
			return binary.BigEndian.Uint32(a.Data), true
		}
	}
	return 0, false
}
