// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// A flowSocket is a kernel that dumps flows, without holding them.
type flowSocket struct {
	n       int // flows in the table
	batch   int // flows in a datagram
	fail    error
	mute    error               // of sending anything but the question for the family
	request []netlink.Attribute // of the dump
	next    int
	closed  bool
	seq     uint32
	control bool
}

func (s *flowSocket) Close() error { s.closed = true; return nil }

func (s *flowSocket) Send(m netlink.Message) error {
	s.seq = m.Header.Sequence
	s.control = m.Header.Type == unix.GENL_ID_CTRL
	if !s.control {
		if s.mute != nil {
			return s.mute
		}
		var err error
		s.request, err = netlink.UnmarshalAttributes(m.Data[4:])
		return err
	}
	return nil
}

func (s *flowSocket) SendMessages([]netlink.Message) error { return errors.New("not used") }

func (s *flowSocket) Receive() ([]netlink.Message, error) { return nil, errors.New("not used") }

func (s *flowSocket) ReceiveIter() iter.Seq2[netlink.Message, error] {
	return func(yield func(netlink.Message, error) bool) {
		h := netlink.Header{Sequence: s.seq, PID: nltest.PID}
		if s.control {
			data := marshal(u16(unix.CTRL_ATTR_FAMILY_ID, familyID), attr(unix.CTRL_ATTR_FAMILY_NAME, []byte(GenlName+"\x00")))
			yield(netlink.Message{Header: h, Data: append([]byte{1, 1, 0, 0}, data...)}, nil)
			return
		}
		if s.closed {
			yield(netlink.Message{}, errors.New("read of a closed connection"))
			return
		}
		if s.fail != nil {
			yield(netlink.Message{}, s.fail)
			return
		}
		h.Flags = netlink.Multi
		for range s.batch {
			if s.next == s.n {
				h.Type = netlink.Done
				yield(netlink.Message{Header: h, Data: make([]byte, 4)}, nil)
				return
			}
			s.next++
			if !yield(netlink.Message{Header: h, Data: append([]byte{cmdFlowGet, 1, 0, 0}, flowData(s.next)...)}, nil) {
				return
			}
		}
	}
}

func flowData(i int) []byte {
	return marshal(ip(flowAttrClient, 10, byte(i>>16), byte(i>>8), byte(i)), u16(flowAttrClientPort, 1024),
		ip(flowAttrAddress, 192, 0, 2, 1), u16(flowAttrPort, 80), ip(flowAttrPeer, 192, 0, 2, 2),
		u32(flowAttrState, 1), u32(flowAttrIdle, 5), u32(flowAttrExpires, 6))
}

func streamClient(t *testing.T, s *flowSocket) *Client {
	t.Helper()
	c := testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) { return nil, nil })
	c.dial = func() (*netlink.Conn, error) { return netlink.NewConn(s, nltest.PID), nil }
	return c
}

func TestFlows(t *testing.T) {
	s := &flowSocket{n: 100_000, batch: 100}
	c := streamClient(t, s)
	state := FlowFin
	filter := FlowFilter{Client: addr1, ClientPort: 1, Address: addr2, Port: 2, Peer: addr1, State: &state}
	n := 0
	for f, err := range c.Flows(t.Context(), filter) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 70_000 {
			want := Flow{FlowKey: FlowKey{netip.MustParseAddrPort("10.1.17.112:1024"), netip.MustParseAddrPort("192.0.2.1:80")},
				Peer: addr2, State: FlowEstablished, Idle: 5 * time.Millisecond, Expires: 6 * time.Millisecond}
			if f != want {
				t.Errorf("flow %+v\nwant %+v", f, want)
			}
			// A command may be sent while flows are read.
			if err := c.DeleteFlow(t.Context(), f.FlowKey); err != nil {
				t.Error(err)
			}
		}
		// None is read before it is wanted, but for its datagram.
		if s.next > n+s.batch {
			t.Fatalf("%d flows were read when %d were wanted", s.next, n)
		}
	}
	if n != s.n || !s.closed {
		t.Errorf("%d flows, closed %v", n, s.closed)
	}
	want := []netlink.Attribute{ip(flowAttrClient, 192, 0, 2, 1), u16(flowAttrClientPort, 1), ip(flowAttrAddress, 192, 0, 2, 2),
		u16(flowAttrPort, 2), ip(flowAttrPeer, 192, 0, 2, 1), u32(flowAttrState, 2)}
	for i, a := range s.request {
		if a.Type != want[i].Type || string(a.Data) != string(want[i].Data) {
			t.Errorf("filter attribute %v, want %v", a, want[i])
		}
	}
	if len(s.request) != len(want) {
		t.Errorf("%d filter attributes", len(s.request))
	}
}

// Who has seen enough does not make the rest come.
func TestFlowsStopped(t *testing.T) {
	s := &flowSocket{n: 1_000_000, batch: 100}
	for _, err := range streamClient(t, s).Flows(t.Context(), FlowFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if !s.closed || s.next > s.batch {
		t.Errorf("closed %v after %d flows", s.closed, s.next)
	}
}

func TestFlowsEnd(t *testing.T) {
	s := &flowSocket{n: 1000, batch: 10}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range streamClient(t, s).Flows(ctx, FlowFilter{}) {
		if last = err; err == nil {
			n++
		}
		cancel()
	}
	if n != 1 || !errors.Is(last, context.Canceled) || !s.closed {
		t.Errorf("context: %d flows, %v, closed %v", n, last, s.closed)
	}
	s = &flowSocket{fail: syscall.EPERM}
	if err := drain(t.Context(), streamClient(t, s), FlowFilter{}); !errors.Is(err, ErrNoRight) || !s.closed {
		t.Errorf("refused: %v, closed %v", err, s.closed)
	}
	// Without a connection, or with one that sends nothing, there is no dump.
	c := streamClient(t, s)
	c.dial = func() (*netlink.Conn, error) { return nil, syscall.EMFILE }
	if err := drain(t.Context(), c, FlowFilter{}); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("no connection: %v", err)
	}
	s = &flowSocket{n: 1, batch: 10, mute: syscall.ENOBUFS}
	if err := drain(t.Context(), streamClient(t, s), FlowFilter{}); !errors.Is(err, syscall.ENOBUFS) || !s.closed || s.next != 0 {
		t.Errorf("nothing is sent: %v, closed %v, %d flows", err, s.closed, s.next)
	}
	s = &flowSocket{n: 0, batch: 1}
	if err := drain(t.Context(), streamClient(t, s), FlowFilter{}); err != nil {
		t.Errorf("no flows: %v", err)
	}
}

func TestEvents(t *testing.T) {
	event := func(attrs ...netlink.Attribute) genetlink.Message {
		return genetlink.Message{Header: genetlink.Header{Command: cmdEvent}, Data: marshal(attrs...)}
	}
	received := 0
	conn := genltest.Dial(func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		received++
		switch received {
		case 1:
			return []genetlink.Message{
				event(u32(eventAttrEvent, uint32(EventPeerAdded)), ip(eventAttrPeer, 192, 0, 2, 2)),
				{Header: genetlink.Header{Command: 99}},
				event(u32(eventAttrEvent, uint32(EventPeerState)), ip(eventAttrPeer, 192, 0, 2, 2), u32(eventAttrState, 1)),
			}, nil
		case 2:
			return nil, syscall.ENOBUFS
		case 3:
			return []genetlink.Message{event(u32(eventAttrEvent, uint32(EventTableFull)))}, nil
		}
		return []genetlink.Message{event(u32(eventAttrPeer, 1))}, nil // no event in it
	})
	var got []Event
	lost := false
	var last error
	for e, err := range initEvents(conn).All(t.Context()) {
		switch {
		case errors.Is(err, ErrEventsLost):
			lost = true
		case err != nil:
			last = err
		default:
			got = append(got, e)
		}
	}
	want := []Event{{EventPeerAdded, addr2, 0}, {EventPeerState, addr2, StateDraining}, {EventTableFull, netip.Addr{}, 0}}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || !lost || last == nil {
		t.Errorf("events %+v, lost %v, error %v", got, lost, last)
	}
}

func TestRemoved(t *testing.T) {
	message := func(cmd uint8, name string) genetlink.Message {
		return genetlink.Message{Header: genetlink.Header{Command: cmd}, Data: marshal(attr(unix.CTRL_ATTR_FAMILY_NAME, []byte(name+"\x00")))}
	}
	if !removed(message(unix.CTRL_CMD_DELFAMILY, "dpr")) {
		t.Error("the removal is not noticed")
	}
	if removed(message(unix.CTRL_CMD_DELFAMILY, "dprx")) || removed(message(unix.CTRL_CMD_NEWFAMILY, "dpr")) {
		t.Error("something else is taken for the removal")
	}
}
