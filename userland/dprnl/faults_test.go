// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nlenc"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

const controlID, eventsGroup, notifyGroup = unix.GENL_ID_CTRL, 21, 22

// faulty is a netlink socket that fails at operations by their names, answers
// requests for families, and hands out what is queued.
type faulty struct {
	fails  map[string]error
	queue  [][]netlink.Message // datagrams that come
	groups map[uint16]string   // the multicast group that a family has
	joined []uint32
	sent   int
	closed atomic.Int32
	ask    []netlink.Message // requests without an answer yet
}

func newFaulty() *faulty {
	return &faulty{fails: map[string]error{}, groups: map[uint16]string{familyID: GenlGroupEvents, controlID: "notify"}}
}

func (f *faulty) Close() error { f.closed.Add(1); return f.fails["Close"] }

func (f *faulty) Send(m netlink.Message) error {
	f.sent++
	f.ask = []netlink.Message{m}
	return f.fails["Send"]
}

func (f *faulty) SendMessages(list []netlink.Message) error {
	f.sent++
	f.ask = list
	return f.fails["SendMessages"]
}

func (f *faulty) JoinGroup(group uint32) error {
	f.joined = append(f.joined, group)
	return f.fails["JoinGroup"]
}

func (f *faulty) LeaveGroup(uint32) error { return nil }

func (f *faulty) Receive() ([]netlink.Message, error) {
	if len(f.ask) > 0 && f.ask[0].Header.Type == controlID {
		m := f.ask[0]
		f.ask = nil
		if err := f.fails["family"]; err != nil {
			return nil, err
		}
		return f.family(m), nil
	}
	if err := f.fails["Receive"]; err != nil {
		return nil, err
	}
	if len(f.queue) == 0 {
		return nil, errors.New("nothing more comes")
	}
	next := f.queue[0]
	f.queue = f.queue[1:]
	for i := range next {
		next[i].Header.PID = nltest.PID
		if len(f.ask) > 0 && next[i].Header.Sequence == 0 {
			next[i].Header.Sequence = f.ask[len(f.ask)-1].Header.Sequence
		}
	}
	return next, nil
}

func (f *faulty) ReceiveIter() iter.Seq2[netlink.Message, error] {
	return func(yield func(netlink.Message, error) bool) {
		list, err := f.Receive()
		if err != nil {
			yield(netlink.Message{}, err)
			return
		}
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// family answers a request for one: ours, or that of control.
func (f *faulty) family(m netlink.Message) []netlink.Message {
	id, name := uint16(familyID), GenlName
	if strings.Contains(string(m.Data), "nlctrl") {
		id, name = controlID, "nlctrl"
		if f.fails["control"] != nil {
			id = 0
		}
	}
	number := map[uint16]uint32{familyID: eventsGroup, controlID: notifyGroup}[id]
	groups := marshal(attr(1, marshal(attr(unix.CTRL_ATTR_MCAST_GRP_NAME, append([]byte(f.groups[id]), 0)), u32(unix.CTRL_ATTR_MCAST_GRP_ID, number))))
	data := marshal(u16(unix.CTRL_ATTR_FAMILY_ID, id), attr(unix.CTRL_ATTR_FAMILY_NAME, append([]byte(name), 0)), attr(unix.CTRL_ATTR_MCAST_GROUPS, groups))
	return []netlink.Message{{Header: netlink.Header{Type: controlID, Sequence: m.Header.Sequence, PID: nltest.PID},
		Data: append([]byte{unix.CTRL_CMD_NEWFAMILY, 1, 0, 0}, data...)}}
}

func (f *faulty) conn() *genetlink.Conn { return genetlink.NewConn(netlink.NewConn(f, nltest.PID)) }

// generic is a datagram with a message of a family.
func generic(family netlink.HeaderType, cmd uint8, attrs ...netlink.Attribute) netlink.Message {
	return netlink.Message{Header: netlink.Header{Type: family}, Data: append([]byte{cmd, 1, 0, 0}, marshal(attrs...)...)}
}

// Subscribing joins both groups; whatever fails of it is said.
func TestSubscribe(t *testing.T) {
	f := newFaulty()
	if err := subscribe(f.conn()); err != nil || !slices.Equal(f.joined, []uint32{eventsGroup, notifyGroup}) {
		t.Errorf("%v, joined %v", err, f.joined)
	}
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		spoil func(*faulty)
		want  string
	}{
		"no module":       {func(f *faulty) { f.fails["family"] = syscall.ENOENT }, ErrNotLoaded.Error()},
		"send":            {func(f *faulty) { f.fails["Send"] = broken }, "broken"},
		"family":          {func(f *faulty) { f.fails["family"] = broken }, "broken"},
		"no events":       {func(f *faulty) { f.groups[familyID] = "x" }, "netlink family " + GenlName + " has no multicast group " + GenlGroupEvents},
		"no notification": {func(f *faulty) { f.groups[controlID] = "x" }, "netlink family nlctrl has no multicast group notify"},
		"join":            {func(f *faulty) { f.fails["JoinGroup"] = broken }, "broken"},
	} {
		f := newFaulty()
		tt.spoil(f)
		if err := subscribe(f.conn()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func event(typ EventType) netlink.Message {
	return generic(familyID, cmdEvent, u32(eventAttrEvent, uint32(typ)))
}

func goneFamily(name string) netlink.Message {
	return generic(controlID, unix.CTRL_CMD_DELFAMILY, u16(unix.CTRL_ATTR_FAMILY_ID, familyID), attr(unix.CTRL_ATTR_FAMILY_NAME, append([]byte(name), 0)))
}

// Events arrive in order until the module is gone or something breaks; other
// families' coming and going is nothing to us, nor are messages that are no events.
func TestEventsEnd(t *testing.T) {
	broken := errors.New("broken")
	malformed := netlink.Message{Header: netlink.Header{Type: familyID}, Data: []byte{cmdEvent, 1, 0, 0, 0xff, 0xff, 0, 0}}
	for name, tt := range map[string]struct {
		queue [][]netlink.Message
		fails error
		want  []EventType
		err   error
		says  string
	}{
		"module gone":    {[][]netlink.Message{{event(EventConfig), goneFamily(GenlName), event(EventConfig)}}, nil, []EventType{EventConfig}, ErrNotLoaded, ""},
		"another gone":   {[][]netlink.Message{{goneFamily("other"), event(EventConfig)}, {goneFamily(GenlName)}}, nil, []EventType{EventConfig}, ErrNotLoaded, ""},
		"a family comes": {[][]netlink.Message{{generic(controlID, unix.CTRL_CMD_NEWFAMILY, attr(unix.CTRL_ATTR_FAMILY_NAME, []byte(GenlName+"\x00")))}, {event(EventTableFull)}, {goneFamily(GenlName)}}, nil, []EventType{EventTableFull}, ErrNotLoaded, ""},
		"no event":       {[][]netlink.Message{{generic(familyID, cmdPeerGet), event(EventConfig)}, {goneFamily(GenlName)}}, nil, []EventType{EventConfig}, ErrNotLoaded, ""},
		"nameless":       {[][]netlink.Message{{generic(controlID, unix.CTRL_CMD_DELFAMILY, u16(unix.CTRL_ATTR_FAMILY_ID, 7))}, {event(EventConfig)}, {goneFamily(GenlName)}}, nil, []EventType{EventConfig}, ErrNotLoaded, ""},
		"malformed":      {[][]netlink.Message{{event(EventConfig), malformed}}, nil, []EventType{EventConfig}, nil, "receiving events: "},
		"broken":         {nil, broken, nil, broken, "receiving events: "},
	} {
		f := newFaulty()
		f.queue, f.fails["Receive"] = tt.queue, tt.fails
		e := initEvents(f.conn())
		var got []EventType
		var last error
		n := 0
		for ev, err := range e.All(t.Context()) {
			if n++; n > 10 {
				t.Fatalf("%s: no end", name)
			}
			if err != nil {
				last = err
				continue
			}
			got = append(got, ev.Type)
		}
		if !slices.Equal(got, tt.want) || last == nil || tt.err != nil && !errors.Is(last, tt.err) || !strings.HasPrefix(last.Error(), tt.says) {
			t.Errorf("%s: %v, %v", name, got, last)
		}
	}
	f := newFaulty()
	if err := initEvents(f.conn()).Close(); err != nil || f.closed.Load() != 1 {
		t.Errorf("%v, closed %d times", err, f.closed.Load())
	}
	f.fails["Close"] = broken
	if err := initEvents(f.conn()).Close(); err == nil {
		t.Error("no error")
	}
	// Breaking out of the loop ends it, and a context that ends is not an error.
	f = newFaulty()
	f.queue = [][]netlink.Message{{event(EventConfig), event(EventConfig)}}
	for range initEvents(f.conn()).All(t.Context()) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for ev, err := range initEvents(f.conn()).All(ctx) {
		t.Errorf("after the end: %v, %v", ev, err)
	}
	for end := time.Now().Add(time.Minute); f.closed.Load() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if f.closed.Load() != 1 {
		t.Errorf("closed %d times", f.closed.Load())
	}
}

// Lost events are reported, and later events still arrive.
func TestEventsLost(t *testing.T) {
	f := newFaulty()
	f.fails["Receive"] = syscall.ENOBUFS
	n := 0
	for _, err := range initEvents(f.conn()).All(t.Context()) {
		switch n++; n {
		case 1:
			if !errors.Is(err, ErrEventsLost) {
				t.Fatal(err)
			}
			delete(f.fails, "Receive")
			f.queue = [][]netlink.Message{{event(EventConfig)}, {goneFamily(GenlName)}}
		case 2:
			if err != nil {
				t.Error(err)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d steps", n)
	}
	f.fails["Receive"] = syscall.ENOBUFS
	n = 0
	for range initEvents(f.conn()).All(t.Context()) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d steps", n)
	}
}

// A client closes all its connections, and says what fails of that.
func TestClientCloses(t *testing.T) {
	commands, batches := newFaulty(), newFaulty()
	c, err := initClient(commands.conn(), func() (*netlink.Conn, error) { return netlink.NewConn(batches, nltest.PID), nil })
	if err != nil {
		t.Fatal(err)
	}
	batches.queue = [][]netlink.Message{{{Header: netlink.Header{Type: netlink.Error}, Data: make([]byte, 20)}}}
	if err := c.batch(t.Context(), updates(2)); err != nil {
		t.Fatal(err)
	}
	commands.fails["Close"], batches.fails["Close"] = errors.New("first"), errors.New("second")
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "first") || !strings.Contains(err.Error(), "second") || commands.closed.Load() != 1 || batches.closed.Load() != 1 {
		t.Errorf("%v, closed %d and %d", err, commands.closed.Load(), batches.closed.Load())
	}
	if err := c.Close(); err == nil || strings.Contains(err.Error(), "second") || batches.closed.Load() != 1 {
		t.Errorf("again: %v, closed %d times", err, batches.closed.Load())
	}
	done := make(chan bool)
	go func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("it is locked")
	}
	// A client that cannot be made leaves nothing open.
	f := newFaulty()
	f.fails["family"] = syscall.ENOENT
	if _, err := initClient(f.conn(), nil); !errors.Is(err, ErrNotLoaded) || f.closed.Load() != 1 {
		t.Errorf("%v, closed %d times", err, f.closed.Load())
	}
	f = newFaulty()
	f.fails["family"] = errors.New("broken")
	if _, err := initClient(f.conn(), nil); err == nil || errors.Is(err, ErrNotLoaded) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("%v", err)
	}
}

// Errors × operations of a batch: whatever fails, its connection is closed and the
// next batch has another.
func TestBatchFails(t *testing.T) {
	ack := func(sequence uint32) []netlink.Message {
		return []netlink.Message{{Header: netlink.Header{Type: netlink.Error, Sequence: sequence}, Data: make([]byte, 20)}}
	}
	two := append(ack(0), ack(0)...)
	for name, tt := range map[string]struct {
		spoil func(*faulty)
		want  string
	}{
		"send":     {func(f *faulty) { f.fails["SendMessages"] = errors.New("broken") }, "broken"},
		"receive":  {func(f *faulty) { f.fails["Receive"] = errors.New("broken") }, "broken"},
		"refused":  {func(f *faulty) { f.queue = [][]netlink.Message{{refusal(syscall.ENOSPC)}} }, "no space"},
		"too many": {func(f *faulty) { f.queue = [][]netlink.Message{two} }, "the kernel answered with 2 messages"},
		"another":  {func(f *faulty) { f.queue = [][]netlink.Message{ack(12345)} }, "the kernel answered with 1 messages, want only the acknowledgement of message"},
		"none":     {func(f *faulty) { f.queue = [][]netlink.Message{{}} }, ""},
	} {
		f := newFaulty()
		tt.spoil(f)
		dials := 0
		c, err := initClient(newFaulty().conn(), func() (*netlink.Conn, error) { dials++; return netlink.NewConn(f, nltest.PID), nil })
		if err != nil {
			t.Fatal(err)
		}
		err = c.batch(t.Context(), updates(2, 3))
		if err == nil || !strings.Contains(err.Error(), tt.want) || f.closed.Load() != 1 || c.batches != nil {
			t.Errorf("%s: %v, closed %d times", name, err, f.closed.Load())
		}
		f.fails, f.queue = map[string]error{}, [][]netlink.Message{ack(0)}
		if err := c.batch(t.Context(), updates(2)); err != nil || dials != 2 {
			t.Errorf("%s, then: %v, %d dials", name, err, dials)
		}
	}
	c, err := initClient(newFaulty().conn(), func() (*netlink.Conn, error) { return nil, errors.New("no descriptors") })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.batch(t.Context(), updates(2)); err == nil || err.Error() != "no descriptors" {
		t.Errorf("%v", err)
	}
	if err := c.batch(t.Context(), []PeerUpdate{{}}); err == nil || !strings.Contains(err.Error(), "peer address") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.batch(ctx, updates(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func refusal(errno syscall.Errno) netlink.Message {
	return netlink.Message{Header: netlink.Header{Type: netlink.Error}, Data: append(nlenc.Int32Bytes(-int32(errno)), make([]byte, 16)...)}
}

// Errors × operations of a stream: each ends it with its error, and its connection is
// closed.
func TestStreamFails(t *testing.T) {
	dump := func(data []byte) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: familyID, Flags: netlink.Multi}, Data: data}
	}
	for name, tt := range map[string]struct {
		spoil func(*faulty)
		want  string
	}{
		"send":      {func(f *faulty) { f.fails["Send"] = errors.New("broken") }, "broken"},
		"no module": {func(f *faulty) { f.fails["family"] = syscall.ENOENT }, ErrNotLoaded.Error()},
		"receive":   {func(f *faulty) { f.fails["Receive"] = errors.New("broken") }, "broken"},
		"refused":   {func(f *faulty) { f.queue = [][]netlink.Message{{refusal(syscall.EPERM)}} }, "not permitted"},
		"short":     {func(f *faulty) { f.queue = [][]netlink.Message{{dump([]byte{1, 2})}} }, ""},
		"malformed": {func(f *faulty) { f.queue = [][]netlink.Message{{dump([]byte{1, 1, 0, 0, 0xff, 0xff, 0, 0})}} }, "malformed"},
	} {
		f := newFaulty()
		tt.spoil(f)
		c, err := initClient(newFaulty().conn(), func() (*netlink.Conn, error) { return netlink.NewConn(f, nltest.PID), nil })
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err = range c.Flows(t.Context(), FlowFilter{}) {
			n++
		}
		if n != 1 || err == nil || !strings.HasPrefix(err.Error(), "listing flows: ") || !strings.Contains(err.Error(), tt.want) || f.closed.Load() == 0 {
			t.Errorf("%s: %d steps, %v, closed %d times", name, n, err, f.closed.Load())
		}
	}
	c, err := initClient(newFaulty().conn(), func() (*netlink.Conn, error) { return nil, errors.New("no descriptors") })
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Flows(t.Context(), FlowFilter{}) {
		if err == nil || err.Error() != "listing flows: no descriptors" {
			t.Errorf("%v", err)
		}
	}
	for _, err := range c.Flows(t.Context(), FlowFilter{Client: netip.MustParseAddr("fe80::1%eth0")}) {
		if err == nil || !strings.Contains(err.Error(), "client address fe80::1%eth0 has a zone") {
			t.Errorf("%v", err)
		}
	}
}

// Every attribute of an answer may be wrong: an address that is none is an error, and
// so is an answer that ends in the middle.
func TestDecodersRefuse(t *testing.T) {
	decoders := map[string]struct {
		decode func([]byte) error
		good   []netlink.Attribute
		addrs  []uint16
	}{
		"config":  {func(b []byte) error { _, err := decodeConfig(b); return err }, fullConfigAttrs(), []uint16{configAttrAddress}},
		"service": {func(b []byte) error { _, err := decodeService(b); return err }, []netlink.Attribute{u16(serviceAttrPort, 80), ip(serviceAttrAddress, 1, 2, 3, 4)}, []uint16{serviceAttrAddress}},
		"peer":    {func(b []byte) error { _, err := decodePeer(b); return err }, []netlink.Attribute{ip(peerAttrAddress, 1, 2, 3, 4)}, []uint16{peerAttrAddress}},
		"flow": {func(b []byte) error { _, err := decodeFlow(b); return err }, []netlink.Attribute{ip(flowAttrClient, 1, 2, 3, 4), u16(flowAttrClientPort, 1),
			ip(flowAttrAddress, 1, 2, 3, 4), u16(flowAttrPort, 1), ip(flowAttrPeer, 1, 2, 3, 4)}, []uint16{flowAttrClient, flowAttrAddress, flowAttrPeer}},
		"expiry": {func(b []byte) error { _, err := decodeExpiry(b); return err }, []netlink.Attribute{u32(expireAttrScanned, 1)}, nil},
		"load": {func(b []byte) error { _, err := decodeLoad(b); return err }, []netlink.Attribute{u32(loadAttrConnections, 1), u32(loadAttrCPU, 1),
			u32(loadAttrRedirected, 1), u32(loadAttrSockets, 1), u64(loadAttrLoad, 1)}, nil},
		"stats": {func(b []byte) error { _, err := decodeStats(b); return err }, []netlink.Attribute{u64(1, 7)}, nil},
		"event": {func(b []byte) error { _, err := decodeEvent(b); return err }, []netlink.Attribute{u32(eventAttrEvent, 1), ip(eventAttrPeer, 1, 2, 3, 4)}, []uint16{eventAttrPeer}},
	}
	for _, bad := range []netlink.Attribute{numbers(peerAttrServiceLoads, 80, 1), numbers(peerAttrServiceLoads, 0, 1, 1), numbers(peerAttrServiceLoads, 65536, 1, 1)} {
		if err := decoders["peer"].decode(marshal(ip(peerAttrAddress, 1, 2, 3, 4), bad)); !errors.Is(err, errNotLoads) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	for name, d := range decoders {
		if err := d.decode(marshal(d.good...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.decode([]byte{0xff, 0xff, 0, 0}); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.decode([]byte{1}); err == nil {
			t.Errorf("%s: a byte is an answer", name)
		}
		for _, typ := range d.addrs {
			bad := slices.Clone(d.good)
			i := slices.IndexFunc(bad, func(a netlink.Attribute) bool { return a.Type == typ })
			for _, length := range []int{0, 3, 5, 15, 17} {
				bad[i] = ip(typ, make([]byte, length)...)
				if err := d.decode(marshal(bad...)); !errors.Is(err, errNoAddress) {
					t.Errorf("%s, attribute %d of %d bytes: %v", name, typ, length, err)
				}
			}
		}
		if name == "stats" {
			continue // counters that a kernel does not have are 0
		}
		if err := d.decode(nil); err == nil || !strings.Contains(err.Error(), "lacks attribute") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := decodeStats(marshal(u64(uint16(len(statTable)), 1), u64(1000, 1))); err != nil || s != (Stats{}) {
		t.Errorf("counters of a later kernel: %v", err)
	}
}

// Values that cannot be sent are refused, the limits themselves are sent.
func TestEncoderLimits(t *testing.T) {
	for d, ok := range map[time.Duration]bool{
		0: true, time.Millisecond: true, math.MaxUint32 * time.Millisecond: true, -time.Millisecond: false, time.Microsecond: false, (math.MaxUint32 + 1) * time.Millisecond: false,
	} {
		e := newEncoder(GenlVersion)
		e.config(ConfigUpdate{TimeoutFin: &d})
		b, err := e.encode()
		if (err == nil) != ok || ok && len(b) != 8 || err != nil && !strings.Contains(err.Error(), "FIN timeout") {
			t.Errorf("%v: %x, %v", d, b, err)
		}
	}
	// The first mistake is reported.
	e := newEncoder(GenlVersion)
	e.flowKey(FlowKey{Client: netip.MustParseAddrPort("[fe80::1%lo]:0"), Service: netip.MustParseAddrPort("10.0.0.1:0")})
	if _, err := e.encode(); err == nil || !strings.Contains(err.Error(), "client address") {
		t.Errorf("%v", err)
	}
	for _, a := range []string{"10.0.0.1", "::ffff:10.0.0.1"} {
		e := newEncoder(GenlVersion)
		e.peer(PeerUpdate{Address: netip.MustParseAddr(a)})
		if b, err := e.encode(); err != nil || !slices.Equal(b, marshal(ip(peerAttrAddress, 10, 0, 0, 1))) {
			t.Errorf("%s: %x, %v", a, b, err)
		}
	}
	e = newEncoder(GenlVersion)
	e.filter(FlowFilter{})
	if b, err := e.encode(); err != nil || len(b) != 0 {
		t.Errorf("a filter of nothing: %x, %v", b, err)
	}
	e = newEncoder(GenlVersion)
	e.filter(FlowFilter{ClientPort: 1, Port: 1})
	if b, err := e.encode(); err != nil || !slices.Equal(b, marshal(u16(flowAttrClientPort, 1), u16(flowAttrPort, 1))) {
		t.Errorf("%x, %v", b, err)
	}
}

// Texts of what is known, and of what is not.
func TestTexts(t *testing.T) {
	for s, want := range map[Service]string{
		{Port: 80}: "80", {Port: 80, Address: netip.IPv4Unspecified()}: "80", {Port: 80, Address: addr1}: "192.0.2.1:80",
		{Port: 80, Address: netip.IPv6Unspecified()}: "80", {Port: 80, Address: six1}: "[2001:db8::1]:80",
	} {
		if s.String() != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
	err := &Error{Op: "doing", Errno: syscall.EEXIST}
	if err.Error() != "doing: file exists" {
		t.Errorf("%q", err)
	}
	if err.Message = "it is there"; !strings.Contains(err.Error(), "doing") || !strings.Contains(err.Error(), "it is there") {
		t.Errorf("%q", err)
	}
	if got := (&opError{"doing", fs.ErrClosed}).Error(); got != "doing: file already closed" {
		t.Errorf("%q", got)
	}
	var p Policy
	if err := p.UnmarshalText([]byte("x")); err == nil || !strings.Contains(err.Error(), `"x" is not a policy; want one of off, stateless`) {
		t.Errorf("%v", err)
	}
	var e Estimate
	if err := e.UnmarshalText([]byte("x")); err == nil || !strings.Contains(err.Error(), `"x" is not an estimate; want one of `) {
		t.Errorf("%v", err)
	}
	for _, v := range []Policy{Policy(len(namesPolicy.words)), 1000} {
		b, err := v.MarshalText()
		if err != nil || string(b) != fmt.Sprint(uint32(v)) || !strings.Contains(v.String(), fmt.Sprint(uint32(v))) {
			t.Errorf("%v: %q, %v", uint32(v), b, err)
		}
	}
	if b, err := PolicyTwo.MarshalText(); string(b) != "two" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// Counters by number, within the table and beyond it.
func TestStatsAreBounded(t *testing.T) {
	end := Stat(len(statTable))
	s := NewStats(map[Stat]uint64{1: 5, end: 6, end + 7: 7})
	if s.Get(1) != 5 || s.Get(end) != 0 || s.Get(end+7) != 0 {
		t.Errorf("%d, %d", s.Get(1), s.Get(end))
	}
	for _, k := range []Stat{end, end + 1} {
		if k.Help() != "" || k.Gauge() || k.String() == "" {
			t.Errorf("%d: %q, %q, %t", k, k.String(), k.Help(), k.Gauge())
		}
	}
	n := 0
	for range s.All() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d steps", n)
	}
	for text, want := range map[string]uint64{"0": 0, "9223372036854775807": math.MaxInt64, "auto": MaxLoadAuto} {
		if got, err := ParseMaxLoad(text); got != want || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	if _, err := ParseMaxLoad("9223372036854775808"); err == nil {
		t.Error("more than the most")
	}
}

// A field that no decoder fits is a mistake of this package's; it is an error and no
// silent zero, and the error names the attribute.
func TestDecodeUnknownField(t *testing.T) {
	var n int
	got, err := decode(marshal(u32(1, 2), u32(2, 3)), fields{2: &n})
	if !errors.Is(err, errNoField) || !strings.Contains(err.Error(), "attribute 2") || !got.has(1) {
		t.Errorf("%v after the attributes %b", err, got)
	}
	var v uint32
	if _, err := decode(marshal(u16(1, 2)), fields{1: &v}); err == nil || !strings.Contains(err.Error(), "attribute 1 ") {
		t.Errorf("a number of the wrong length: %v", err)
	}
}
