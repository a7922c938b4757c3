// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nlenc"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

const familyID = 0x1f

func family(id uint16) genetlink.Family {
	return genetlink.Family{ID: id, Version: GenlVersion, Name: GenlName}
}

// testClient makes a client whose commands fn answers.
func testClient(t *testing.T, fn genltest.Func) *Client {
	t.Helper()
	c, err := initClient(genltest.Dial(genltest.ServeFamily(family(familyID), fn)),
		func() (*netlink.Conn, error) { return nil, errors.New("no connection for streams") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// once keeps the calls from fn by which a connection looks for an answer.
func once(fn genltest.Func) genltest.Func {
	return func(req genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
		if nreq.Header.Type == 0 {
			return nil, nil
		}
		return fn(req, nreq)
	}
}

// refuse is the answer to a request by an errno. Flags of a dump, which
// genltest.Error leaves in it, mean something else in an answer.
func refuse(errno syscall.Errno) nltest.Func {
	return func(req []netlink.Message) ([]netlink.Message, error) {
		req[0].Header.Flags = 0
		return nltest.Error(int(errno), req)
	}
}

func attr(typ uint16, data []byte) netlink.Attribute { return netlink.Attribute{Type: typ, Data: data} }
func u16(typ, v uint16) netlink.Attribute            { return attr(typ, nlenc.Uint16Bytes(v)) }
func u32(typ uint16, v uint32) netlink.Attribute     { return attr(typ, nlenc.Uint32Bytes(v)) }
func u64(typ uint16, v uint64) netlink.Attribute     { return attr(typ, nlenc.Uint64Bytes(v)) }
func ip(typ uint16, a ...byte) netlink.Attribute     { return attr(typ, a) }
func ports(typ uint16, all ...uint16) netlink.Attribute {
	var b []byte
	for _, p := range all {
		b = append(b, nlenc.Uint16Bytes(p)...)
	}
	return attr(typ, b)
}
func numbers(typ uint16, all ...uint32) netlink.Attribute {
	var b []byte
	for _, n := range all {
		b = append(b, nlenc.Uint32Bytes(n)...)
	}
	return attr(typ, b)
}
func flag(typ uint16) netlink.Attribute         { return attr(typ, nil) }
func marshal(attrs ...netlink.Attribute) []byte { return nltest.MustMarshalAttributes(attrs) }

func answer(attrs ...netlink.Attribute) []genetlink.Message {
	return []genetlink.Message{{Data: marshal(attrs...)}}
}

var (
	addr1 = netip.MustParseAddr("192.0.2.1")
	addr2 = netip.MustParseAddr("192.0.2.2")
	six1  = netip.MustParseAddr("2001:db8::1")
	six2  = netip.MustParseAddr("2001:db8::2")
)

func ptr[T any](v T) *T { return &v }

var fullConfig = Config{
	Address: addr1, Policy: PolicyInverse, Hash: HashPort, Estimate: EstimateReported,
	Marker: MarkerSource, Forwarding: ForwardingDirect, Answers: AnswersThrough, Orphans: OrphansAsk, State: StateDraining, MaxLoad: 1 << 40,
	Weights: Weights{1, 2, 3, 4}, Weight: 5, MaxFlows: 6, ReportMaxAge: 7 * time.Millisecond,
	Timeouts: Timeouts{8 * time.Millisecond, 9 * time.Second, 10 * time.Second, 11 * time.Second}, SlowStart: 12 * time.Second, Affinity: 24, AffinityTime: 13 * time.Second, Affinity6: 56,
	Group:           netip.MustParseAddr("239.77.43.1"),
	SpliceFirstPort: 2000, SpliceLastPort: 3000, MaxSplices: 4,
}

var (
	fullBackend      = Backend{Name: "b.1", Address: addr2, Port: 8080, Weight: 3, Limit: 4, Down: true, Services: []uint16{80, 443}, Proxy: true}
	fullBackendAttrs = []netlink.Attribute{text(backendAttrName, "b.1"), ip(backendAttrAddress, 192, 0, 2, 2), u16(backendAttrPort, 8080),
		u32(backendAttrWeight, 3), u32(backendAttrLimit, 4), {Type: backendAttrDown, Data: []byte{1}}, ports(backendAttrServices, 80, 443),
		{Type: backendAttrProxy, Data: []byte{BackendProxy}}}
)

func text(typ uint16, s string) netlink.Attribute {
	return netlink.Attribute{Type: typ, Data: append([]byte(s), 0)}
}

func fullConfigAttrs() []netlink.Attribute {
	return []netlink.Attribute{
		ip(configAttrAddress, 192, 0, 2, 1), u32(configAttrPolicy, 3), u32(configAttrHash, 1),
		u32(configAttrEstimate, 1), u32(configAttrMarker, 1), u32(configAttrOrphans, 1), u32(configAttrState, 1),
		u64(configAttrMaxLoad, 1<<40), u32(configAttrWeightConnections, 1), u32(configAttrWeightCPU, 2),
		u32(configAttrWeightRedirected, 3), u32(configAttrWeightSockets, 4), u32(configAttrWeight, 5),
		u32(configAttrMaxFlows, 6), u32(configAttrReportMaxAge, 7), u32(configAttrTimeoutSyn, 8),
		u32(configAttrTimeoutEstablished, 9000), u32(configAttrTimeoutFin, 10000), u32(configAttrTimeoutRst, 11000), u32(configAttrSlowStart, 12000), u32(configAttrAffinity, 24), u32(configAttrAffinityTime, 13000), u32(configAttrAffinity6, 56), u32(configAttrForwarding, 2), u32(configAttrAnswers, 1),
		ip(configAttrGroup, 239, 77, 43, 1),
		u32(configAttrSpliceFirstPort, 2000), u32(configAttrSpliceLastPort, 3000), u32(configAttrMaxSplices, 4),
	}
}

var fullRules = Rules{Policy: Own(PolicyOff), Hash: Own(HashPort), MaxLoad: Own(uint64(MaxLoadAuto)), Affinity: Own(uint32(0)), AffinityTime: Own(14 * time.Second), Affinity6: Own(uint32(128)), Load: Own(LoadOfService), Forwarding: Own(ForwardingAuto)}

func fullRulesAttrs() []netlink.Attribute {
	return []netlink.Attribute{u32(serviceAttrPolicy, 0), u32(serviceAttrHash, 1), u64(serviceAttrMaxLoad, MaxLoadAuto), u32(serviceAttrAffinity, 0), u32(serviceAttrAffinityTime, 14000), u32(serviceAttrAffinity6, 128), u32(serviceAttrLoad, 1), u32(serviceAttrForwarding, 1)}
}

// A method sends one command: attrs and flags are what it must send.
type method struct {
	name  string
	call  func(context.Context, *Client) error
	cmd   uint8
	flags netlink.HeaderFlags
	attrs []netlink.Attribute
}

// methods are all methods that send one command.
var methods = []method{
	{"Config", func(ctx context.Context, c *Client) error { _, err := c.Config(ctx); return err },
		cmdConfigGet, flagsGet, nil},
	{"SetConfig", func(ctx context.Context, c *Client) error { return c.SetConfig(ctx, fullConfig.Update()) },
		cmdConfigSet, flagsSet, fullConfigAttrs()},
	{"SetConfig one value", func(ctx context.Context, c *Client) error {
		return c.SetConfig(ctx, ConfigUpdate{MaxLoad: ptr(uint64(0))})
	}, cmdConfigSet, flagsSet, []netlink.Attribute{u64(configAttrMaxLoad, 0)}},
	{"Services", func(ctx context.Context, c *Client) error { _, err := c.Services(ctx); return err },
		cmdServiceGet, flagsDump, nil},
	{"AddService", func(ctx context.Context, c *Client) error { return c.AddService(ctx, Service{Port: 80}) },
		cmdServiceAdd, flagsSet, []netlink.Attribute{u16(serviceAttrPort, 80)}},
	{"AddService address", func(ctx context.Context, c *Client) error {
		return c.AddService(ctx, Service{Port: 80, Address: addr1})
	}, cmdServiceAdd, flagsSet, []netlink.Attribute{u16(serviceAttrPort, 80), ip(serviceAttrAddress, 192, 0, 2, 1)}},
	{"AddService rules", func(ctx context.Context, c *Client) error {
		return c.AddService(ctx, Service{Port: 80, Rules: fullRules})
	}, cmdServiceAdd, flagsSet, append([]netlink.Attribute{u16(serviceAttrPort, 80)}, fullRulesAttrs()...)},
	{"SetService", func(ctx context.Context, c *Client) error {
		return c.SetService(ctx, Service{Port: 80, Address: addr1, Rules: fullRules})
	}, cmdServiceSet, flagsSet, append([]netlink.Attribute{u16(serviceAttrPort, 80), ip(serviceAttrAddress, 192, 0, 2, 1)}, fullRulesAttrs()...)},
	{"SetService one rule", func(ctx context.Context, c *Client) error {
		return c.SetService(ctx, Service{Port: 80, Rules: Rules{MaxLoad: Own(uint64(0))}})
	}, cmdServiceSet, flagsSet, []netlink.Attribute{u16(serviceAttrPort, 80), u64(serviceAttrMaxLoad, 0)}},
	{"DeleteService", func(ctx context.Context, c *Client) error {
		return c.DeleteService(ctx, Service{Port: 81, Address: netip.IPv4Unspecified(), Rules: fullRules})
	}, cmdServiceDel, flagsSet, []netlink.Attribute{u16(serviceAttrPort, 81)}},
	{"Backends", func(ctx context.Context, c *Client) error { _, err := c.Backends(ctx); return err },
		cmdBackendGet, flagsDump, nil},
	{"SetBackend", func(ctx context.Context, c *Client) error { return c.SetBackend(ctx, fullBackend) },
		cmdBackendSet, flagsSet, fullBackendAttrs},
	{"SetBackend defaults", func(ctx context.Context, c *Client) error {
		return c.SetBackend(ctx, Backend{Name: "b", Address: six1, Services: []uint16{80}})
	}, cmdBackendSet, flagsSet, []netlink.Attribute{text(backendAttrName, "b"), ip(backendAttrAddress, six1.AsSlice()...), u16(backendAttrPort, 0),
		u32(backendAttrWeight, 1), u32(backendAttrLimit, 0), ports(backendAttrServices, 80),
		{Type: backendAttrProxy, Data: []byte{0}}}},
	{"SetBackendDown", func(ctx context.Context, c *Client) error { return c.SetBackendDown(ctx, "b", true) },
		cmdBackendSet, flagsSet, []netlink.Attribute{text(backendAttrName, "b"), {Type: backendAttrDown, Data: []byte{1}}}},
	{"SetBackendDown not", func(ctx context.Context, c *Client) error { return c.SetBackendDown(ctx, "b", false) },
		cmdBackendSet, flagsSet, []netlink.Attribute{text(backendAttrName, "b"), {Type: backendAttrDown, Data: []byte{0}}}},
	{"DeleteBackend", func(ctx context.Context, c *Client) error { return c.DeleteBackend(ctx, "b") },
		cmdBackendDel, flagsSet, []netlink.Attribute{text(backendAttrName, "b")}},
	{"SetPeer", func(ctx context.Context, c *Client) error { return c.SetPeer(ctx, PeerUpdate{Address: addr2}) },
		cmdPeerSet, flagsSet, []netlink.Attribute{ip(peerAttrAddress, 192, 0, 2, 2)}},
	{"SetPeer report", func(ctx context.Context, c *Client) error {
		return c.SetPeer(ctx, PeerUpdate{Address: addr2, Metrics: &Metrics{1, 2, 3, 4}, State: ptr(StateLeaving), Weight: ptr(uint32(9))})
	}, cmdPeerSet, flagsSet, []netlink.Attribute{
		ip(peerAttrAddress, 192, 0, 2, 2), u32(peerAttrConnections, 1), u32(peerAttrCPU, 2), u32(peerAttrRedirected, 3),
		u32(peerAttrSockets, 4), u32(peerAttrState, 2), u32(peerAttrWeight, 9)}},
	{"SetPeer health", func(ctx context.Context, c *Client) error {
		return c.SetPeer(ctx, PeerUpdate{Address: addr2, Metrics: &Metrics{1, 2, 3, 4}, Down: []uint16{80, 443}, Barred: BarredSettings, Protocol: 3,
			Others: []netip.Addr{six2, addr1, netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:192.0.2.9"), six1}})
	}, cmdPeerSet, flagsSet, []netlink.Attribute{
		ip(peerAttrAddress, 192, 0, 2, 2), u32(peerAttrConnections, 1), u32(peerAttrCPU, 2), u32(peerAttrRedirected, 3),
		u32(peerAttrSockets, 4), ports(peerAttrDown, 80, 443), u32(peerAttrBarred, 2), u32(peerAttrProtocol, 3), ip(peerAttrAddresses, 192, 0, 2, 1, 192, 0, 2, 9),
		ip(peerAttrAddresses6, append(six2.AsSlice(), six1.AsSlice()...)...)}},
	{"SetPeer counts", func(ctx context.Context, c *Client) error {
		return c.SetPeer(ctx, PeerUpdate{Address: addr2, Metrics: &Metrics{1, 2, 3, 4}, Counts: []PortCount{{443, 1 << 31}, {80, 0}}})
	}, cmdPeerSet, flagsSet, []netlink.Attribute{
		ip(peerAttrAddress, 192, 0, 2, 2), u32(peerAttrConnections, 1), u32(peerAttrCPU, 2), u32(peerAttrRedirected, 3),
		u32(peerAttrSockets, 4), numbers(peerAttrServiceConnections, 80, 0, 443, 1<<31)}},
	{"ServiceStates", func(ctx context.Context, c *Client) error { _, err := c.ServiceStates(ctx); return err },
		cmdServiceGet, flagsDump, nil},
	{"DeletePeer", func(ctx context.Context, c *Client) error { return c.DeletePeer(ctx, addr2, false) },
		cmdPeerDel, flagsSet, []netlink.Attribute{ip(peerAttrAddress, 192, 0, 2, 2)}},
	{"DeletePeer dead", func(ctx context.Context, c *Client) error { return c.DeletePeer(ctx, addr2, true) },
		cmdPeerDel, flagsSet, []netlink.Attribute{ip(peerAttrAddress, 192, 0, 2, 2), flag(peerAttrDead)}},
	{"Peer", func(ctx context.Context, c *Client) error { _, err := c.Peer(ctx, addr2); return err },
		cmdPeerGet, flagsGet, []netlink.Attribute{ip(peerAttrAddress, 192, 0, 2, 2)}},
	{"Peers", func(ctx context.Context, c *Client) error { _, err := c.Peers(ctx); return err },
		cmdPeerGet, flagsDump, nil},
	{"AskPeer", func(ctx context.Context, c *Client) error { return c.AskPeer(ctx, addr2) },
		cmdPeerAsk, flagsSet, []netlink.Attribute{ip(peerAttrAddress, 192, 0, 2, 2)}},
	{"AskPeer IPv6", func(ctx context.Context, c *Client) error { return c.AskPeer(ctx, six2) },
		cmdPeerAsk, flagsSet, []netlink.Attribute{ip(peerAttrAddress, six2.AsSlice()...)}},
	{"DeleteFlow", func(ctx context.Context, c *Client) error {
		return c.DeleteFlow(ctx, FlowKey{netip.AddrPortFrom(addr2, 1234), netip.AddrPortFrom(addr1, 80)})
	}, cmdFlowDel, flagsSet, []netlink.Attribute{ip(flowAttrClient, 192, 0, 2, 2), u16(flowAttrClientPort, 1234),
		ip(flowAttrAddress, 192, 0, 2, 1), u16(flowAttrPort, 80)}},
	{"SetConfig IPv6", func(ctx context.Context, c *Client) error {
		return c.SetConfig(ctx, ConfigUpdate{Address: &six1})
	}, cmdConfigSet, flagsSet, []netlink.Attribute{ip(configAttrAddress, six1.AsSlice()...)}},
	{"AddService IPv6", func(ctx context.Context, c *Client) error {
		return c.AddService(ctx, Service{Port: 80, Address: six1})
	}, cmdServiceAdd, flagsSet, []netlink.Attribute{u16(serviceAttrPort, 80), ip(serviceAttrAddress, six1.AsSlice()...)}},
	{"DeleteService IPv6 unspecified", func(ctx context.Context, c *Client) error {
		return c.DeleteService(ctx, Service{Port: 80, Address: netip.IPv6Unspecified()})
	}, cmdServiceDel, flagsSet, []netlink.Attribute{u16(serviceAttrPort, 80)}},
	{"SetPeer IPv6", func(ctx context.Context, c *Client) error { return c.SetPeer(ctx, PeerUpdate{Address: six2}) },
		cmdPeerSet, flagsSet, []netlink.Attribute{ip(peerAttrAddress, six2.AsSlice()...)}},
	{"DeletePeer IPv6", func(ctx context.Context, c *Client) error { return c.DeletePeer(ctx, six2, false) },
		cmdPeerDel, flagsSet, []netlink.Attribute{ip(peerAttrAddress, six2.AsSlice()...)}},
	{"DeletePeer IPv4-mapped", func(ctx context.Context, c *Client) error {
		return c.DeletePeer(ctx, netip.AddrFrom16(addr2.As16()), false)
	}, cmdPeerDel, flagsSet, []netlink.Attribute{ip(peerAttrAddress, 192, 0, 2, 2)}},
	{"DeleteFlow IPv6", func(ctx context.Context, c *Client) error {
		return c.DeleteFlow(ctx, FlowKey{netip.AddrPortFrom(six2, 1234), netip.AddrPortFrom(six1, 80)})
	}, cmdFlowDel, flagsSet, []netlink.Attribute{ip(flowAttrClient, six2.AsSlice()...), u16(flowAttrClientPort, 1234),
		ip(flowAttrAddress, six1.AsSlice()...), u16(flowAttrPort, 80)}},
	{"Expire", func(ctx context.Context, c *Client) error { _, err := c.Expire(ctx, 0); return err },
		cmdExpire, flagsGet, nil},
	{"Expire budget", func(ctx context.Context, c *Client) error { _, err := c.Expire(ctx, 10); return err },
		cmdExpire, flagsGet, []netlink.Attribute{u32(expireAttrBudget, 10)}},
	{"Load", func(ctx context.Context, c *Client) error { _, err := c.Load(ctx); return err },
		cmdLoadGet, flagsGet, nil},
	{"Stats", func(ctx context.Context, c *Client) error { _, err := c.Stats(ctx); return err },
		cmdStatsGet, flagsGet, nil},
}

func TestRequests(t *testing.T) {
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			sent := 0
			check := func(req genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
				sent++
				if req.Header.Version != GenlVersion {
					t.Errorf("version %d", req.Header.Version)
				}
				got, err := netlink.UnmarshalAttributes(req.Data)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != len(m.attrs) {
					t.Fatalf("attributes %v\nwant %v", got, m.attrs)
				}
				for i, a := range got {
					if a.Type != m.attrs[i].Type || string(a.Data) != string(m.attrs[i].Data) {
						t.Errorf("attribute %d: %v, want %v", i, a, m.attrs[i])
					}
				}
				return nil, nil
			}
			c := testClient(t, once(genltest.CheckRequest(familyID, m.cmd, m.flags, check)))
			// A get without an answer is an error; here only the request counts.
			err := m.call(t.Context(), c)
			if err != nil && m.flags != flagsGet {
				t.Error(err)
			}
			if sent != 1 {
				t.Errorf("%d messages were sent", sent)
			}
		})
	}
}

// refusing makes a client whose commands, once it is there, are refused.
func refusing(t *testing.T, errno syscall.Errno) *Client {
	t.Helper()
	c := &Client{conn: genetlink.NewConn(nltest.Dial(func(req []netlink.Message) ([]netlink.Message, error) {
		if req[0].Header.Type != familyID {
			return []netlink.Message{{
				Header: netlink.Header{Sequence: req[0].Header.Sequence, PID: req[0].Header.PID},
				Data:   append([]byte{1, 1, 0, 0}, marshal(u16(unix.CTRL_ATTR_FAMILY_ID, familyID))...),
			}}, nil
		}
		return refuse(errno)(req)
	}))}
	c.family.ID, c.family.Version = familyID, GenlVersion
	t.Cleanup(func() { c.Close() })
	return c
}

// Every method gives every errno the same type.
func TestErrnos(t *testing.T) {
	for _, tt := range []struct {
		errno syscall.Errno
		is    []error
		not   []error
	}{
		{syscall.EPERM, []error{ErrNoRight, fs.ErrPermission}, []error{ErrNotLoaded, fs.ErrExist}},
		{syscall.EACCES, []error{ErrNoRight, fs.ErrPermission}, []error{ErrNotLoaded}},
		{syscall.EEXIST, []error{os.ErrExist}, []error{ErrNoRight, fs.ErrNotExist}},
		{syscall.ENOENT, []error{os.ErrNotExist}, []error{ErrNotLoaded, ErrNoRight}},
		{syscall.EINVAL, []error{syscall.EINVAL}, []error{ErrNoRight, fs.ErrExist}},
		{syscall.EDESTADDRREQ, []error{syscall.EDESTADDRREQ}, []error{fs.ErrNotExist}},
		{syscall.ENOSPC, []error{syscall.ENOSPC}, []error{fs.ErrExist}},
		{syscall.ENOMEM, []error{syscall.ENOMEM}, []error{ErrNotLoaded}},
	} {
		for _, m := range methods {
			t.Run(tt.errno.Error()+"/"+m.name, func(t *testing.T) {
				c := refusing(t, tt.errno)
				err := m.call(t.Context(), c)
				var e *Error
				if !errors.As(err, &e) || e.Errno != tt.errno || e.Op == "" {
					t.Fatalf("error %#v", err)
				}
				for _, target := range tt.is {
					if !errors.Is(err, target) {
						t.Errorf("%v is not %v", err, target)
					}
				}
				for _, target := range tt.not {
					if errors.Is(err, target) {
						t.Errorf("%v is %v", err, target)
					}
				}
			})
		}
	}
}

func TestAnswers(t *testing.T) {
	fromKernel := func(msgs []genetlink.Message) *Client {
		return testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) { return msgs, nil })
	}
	ctx := t.Context()
	equal := func(what string, got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", what, got, err, want)
		}
	}
	config, err := fromKernel(answer(append(fullConfigAttrs(), u32(999, 1))...)).Config(ctx)
	equal("Config", config, err, fullConfig)

	config, err = fromKernel(answer(ip(configAttrAddress, six1.AsSlice()...))).Config(ctx)
	equal("Config of a module without affinity6", config, err, Config{Address: six1, Affinity6: DefaultAffinity6})

	services, err := fromKernel(append(answer(u16(serviceAttrPort, 80), ip(serviceAttrAddress, 0, 0, 0, 0)),
		answer(u16(serviceAttrPort, 81), ip(serviceAttrAddress, 192, 0, 2, 1), u32(serviceAttrHash, 0))...)).Services(ctx)
	equal("Services", services, err, []Service{{Port: 80, Address: netip.IPv4Unspecified()}, {Port: 81, Address: addr1, Rules: Rules{Hash: Own(HashAddressPort)}}})

	states, err := fromKernel(append(answer(u16(serviceAttrPort, 80), ip(serviceAttrAddress, 0, 0, 0, 0), u32(serviceAttrState, 2), u32(serviceAttrConnections, 9),
		u32(serviceAttrPolicy, 3), u64(serviceAttrMaxLoad, 0), u32(serviceAttrAffinity, 8), u32(serviceAttrAffinityTime, 0), u32(serviceAttrAffinity6, 48), u32(serviceAttrLoad, 0), u32(serviceAttrForwarding, 0)),
		answer(u16(serviceAttrPort, 81), ip(serviceAttrAddress, six1.AsSlice()...))...)).ServiceStates(ctx)
	equal("ServiceStates", states, err, []ServiceStatus{
		{Service{80, netip.IPv4Unspecified(), Rules{Policy: Own(PolicyInverse), MaxLoad: Own(uint64(0)), Affinity: Own(uint32(8)), AffinityTime: Own(time.Duration(0)), Affinity6: Own(uint32(48)), Load: Own(LoadOfHost), Forwarding: Own(ForwardingIpip)}}, ServiceFull, 9, true},
		{Service: Service{Port: 81, Address: six1}}})

	peerAnswer := answer(ip(peerAttrAddress, 192, 0, 2, 2), u32(peerAttrConnections, 1), u32(peerAttrCPU, 2),
		u32(peerAttrRedirected, 3), u32(peerAttrSockets, 4), u32(peerAttrState, 1), u32(peerAttrWeight, 5),
		u64(peerAttrLoad, 6), u64(peerAttrEstimate, 7), u32(peerAttrAge, 8), flag(peerAttrUsable), flag(peerAttrListed),
		u32(peerAttrFlows, 9), u32(peerAttrLive, 10), u64(peerAttrRedirects, 11), ports(peerAttrDown, 80, 443), u32(peerAttrBarred, 3),
		numbers(peerAttrServiceLoads, 80, 5, 2, 65535, 0xffffffff, 1), u32(peerAttrForwarding, 2), u32(peerAttrAnswers, AnswerTunnel|AnswerOwn))
	wantPeer := Peer{Address: addr2, Metrics: Metrics{1, 2, 3, 4}, State: StateDraining, Weight: 5, Load: 6, Estimate: 7,
		Reported: true, Age: 8 * time.Millisecond, Usable: true, Listed: true, Flows: 9, Live: 10, Redirects: 11,
		Down: []uint16{80, 443}, Barred: BarredLost, Loads: []PortLoad{{80, true, 5, 2}, {Port: 65535, Live: 1}}, Forwarding: ForwardingDirect,
		Asked: true, Answers: AnswerTunnel | AnswerOwn}
	peer, err := fromKernel(peerAnswer).Peer(ctx, addr2)
	equal("Peer", peer, err, wantPeer)
	peers, err := fromKernel(append(peerAnswer, answer(ip(peerAttrAddress, six2.AsSlice()...), u32(peerAttrBarred, 4))...)).Peers(ctx)
	equal("Peers", peers, err, []Peer{wantPeer, {Address: six2, Barred: BarredFamily}})

	expiry, err := fromKernel(answer(u32(expireAttrScanned, 1), u32(expireAttrExpired, 2), u32(expireAttrReset, 3),
		u32(expireAttrFlows, 4), flag(expireAttrDone))).Expire(ctx, 0)
	equal("Expire", expiry, err, Expiry{1, 2, 3, 4, true})

	load, err := fromKernel(answer(u32(loadAttrConnections, 1), u32(loadAttrCPU, 2), u32(loadAttrRedirected, 3),
		u32(loadAttrSockets, 4), u64(loadAttrLoad, 1<<33))).Load(ctx)
	equal("Load", load, err, Load{Metrics{1, 2, 3, 4}, 1 << 33})

	stats, err := fromKernel(answer(u64(uint16(StatRedirected), 5), u64(uint16(StatFlowsLive), 6), u64(999, 7))).Stats(ctx)
	if err != nil || stats.Get(StatRedirected) != 5 || stats.Get(StatFlowsLive) != 6 || stats.Get(StatServedOff) != 0 {
		t.Errorf("Stats: %+v, %v", stats, err)
	}
}

func TestMalformedAnswers(t *testing.T) {
	for name, msgs := range map[string][]genetlink.Message{
		"none":               nil,
		"two":                append(answer(fullConfigAttrs()...), answer(fullConfigAttrs()...)...),
		"no address":         answer(u32(configAttrPolicy, 1)),
		"short address":      answer(ip(configAttrAddress, 1, 2, 3)),
		"long address":       answer(ip(configAttrAddress, 1, 2, 3, 4, 5)),
		"u32 of two bytes":   answer(ip(configAttrAddress, 1, 2, 3, 4), u16(configAttrPolicy, 1)),
		"truncated":          {{Data: marshal(fullConfigAttrs()...)[:6]}},
		"attribute too long": {{Data: []byte{255, 0, 1, 0, 1, 2, 3, 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := false
			c := testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
				if sent {
					return nil, nil
				}
				sent = true
				return msgs, nil
			})
			if config, err := c.Config(t.Context()); err == nil {
				t.Errorf("no error, but %+v", config)
			}
		})
	}
}

// A dump of which one row does not decode yields no rows.
func TestMalformedRows(t *testing.T) {
	c := testClient(t, once(func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return append(answer(u32(peerAttrState, 1)), answer(u16(peerAttrAddress, 1))...), nil
	}))
	for name, dump := range map[string]func() (int, error){
		"peers":    func() (int, error) { rows, err := c.Peers(t.Context()); return len(rows), err },
		"services": func() (int, error) { rows, err := c.Services(t.Context()); return len(rows), err },
	} {
		var refused *Error
		if n, err := dump(); err == nil || errors.As(err, &refused) || n != 0 {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
}

// What cannot be said in the protocol is refused before anything is sent.
func TestNothingIsSent(t *testing.T) {
	zoned := netip.MustParseAddr("fe80::1%eth0")
	for name, call := range map[string]func(context.Context, *Client) error{
		"config empty":   func(ctx context.Context, c *Client) error { return c.SetConfig(ctx, ConfigUpdate{}) },
		"config address": func(ctx context.Context, c *Client) error { return c.SetConfig(ctx, ConfigUpdate{Address: &zoned}) },
		"config no address": func(ctx context.Context, c *Client) error {
			return c.SetConfig(ctx, ConfigUpdate{Address: &netip.Addr{}})
		},
		"timeout negative": func(ctx context.Context, c *Client) error {
			return c.SetConfig(ctx, ConfigUpdate{TimeoutSyn: ptr(-time.Second)})
		},
		"timeout too long": func(ctx context.Context, c *Client) error {
			return c.SetConfig(ctx, ConfigUpdate{TimeoutFin: ptr(2000 * time.Hour)})
		},
		"timeout too fine": func(ctx context.Context, c *Client) error {
			return c.SetConfig(ctx, ConfigUpdate{ReportMaxAge: ptr(time.Microsecond)})
		},
		"service port": func(ctx context.Context, c *Client) error { return c.AddService(ctx, Service{}) },
		"service address": func(ctx context.Context, c *Client) error {
			return c.DeleteService(ctx, Service{Port: 1, Address: zoned})
		},
		"peer address":      func(ctx context.Context, c *Client) error { return c.SetPeer(ctx, PeerUpdate{}) },
		"ask peer":          func(ctx context.Context, c *Client) error { return c.AskPeer(ctx, zoned) },
		"delete peer":       func(ctx context.Context, c *Client) error { return c.DeletePeer(ctx, zoned, true) },
		"get peer":          func(ctx context.Context, c *Client) error { _, err := c.Peer(ctx, zoned); return err },
		"delete flow":       func(ctx context.Context, c *Client) error { return c.DeleteFlow(ctx, FlowKey{}) },
		"flows of a client": func(ctx context.Context, c *Client) error { return drain(ctx, c, FlowFilter{Client: zoned}) },
		"context done": func(ctx context.Context, c *Client) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return c.AddService(ctx, Service{Port: 80})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
				t.Error("a message was sent")
				return nil, nil
			})
			if err := call(t.Context(), c); err == nil {
				t.Error("no error")
			}
		})
	}
}

func drain(ctx context.Context, c *Client, f FlowFilter) error {
	for _, err := range c.Flows(ctx, f) {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestNotLoaded(t *testing.T) {
	_, err := initClient(genltest.Dial(func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return nil, genltest.Error(int(syscall.ENOENT))
	}), nil)
	if !errors.Is(err, ErrNotLoaded) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// A module of an older release refuses what it does not know: it does not get it.
func TestOlderModule(t *testing.T) {
	c := testClient(t, once(func(req genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		got, err := netlink.UnmarshalAttributes(req.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range got {
			if req.Header.Command == cmdConfigSet && a.Type == configAttrSlowStart || req.Header.Command == cmdPeerSet && a.Type > peerAttrWeight {
				t.Errorf("command %d has attribute %d", req.Header.Command, a.Type)
			}
		}
		if len(got) < 2 {
			t.Errorf("attributes %v", got)
		}
		return nil, nil
	}))
	c.family.Version = 1
	if err := c.SetConfig(t.Context(), fullConfig.Update()); err == nil || !strings.Contains(err.Error(), "affinity") {
		t.Errorf("affinity: %v", err)
	}
	without := fullConfig
	without.Affinity, without.Affinity6, without.Forwarding, without.Answers = 0, DefaultAffinity6, ForwardingIpip, AnswersDirect
	if err := c.SetConfig(t.Context(), without.Update()); err != nil {
		t.Error(err)
	}
	u := PeerUpdate{Address: addr2, Metrics: &Metrics{}, Down: []uint16{80}, Barred: BarredUnheard, Protocol: 2}
	if err := c.SetPeer(t.Context(), u); err != nil {
		t.Error(err)
	}
	// Rules of services are no detail: without them, others would hold.
	for _, change := range []func(context.Context, Service) error{c.AddService, c.SetService} {
		if err := change(t.Context(), Service{Port: 80, Rules: Rules{Hash: Own(HashAddressPort)}}); err == nil || !strings.Contains(err.Error(), "older") {
			t.Errorf("rules: %v", err)
		}
	}
	// More than there are services cannot be down.
	c.family.Version = GenlVersion
	for _, list := range [][]PortCount{make([]PortCount, MaxServices+1), {{0, 1}}, {{80, 1}, {81, 1}, {80, 1}}} {
		if err := c.SetPeer(t.Context(), PeerUpdate{Address: addr2, Metrics: &Metrics{}, Counts: list}); err == nil || !strings.Contains(err.Error(), "connections of") {
			t.Errorf("%v", err)
		}
	}
	u.Down = make([]uint16, MaxServices+1)
	if err := c.SetPeer(t.Context(), u); err == nil || !strings.Contains(err.Error(), "257 ports are down") {
		t.Errorf("%v", err)
	}
}
