// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// guestOfUser tells the tests' program to be the process that configures dpr in a
// user namespace, and what for.
const guestOfUser = "DPR_PATH_GUEST"

// keepsOfUser is for packets that wait; else it is how many flows.
const keepsOfUser = "keeps"

// Root of a user namespace, which anybody can be, configures dpr in network
// namespaces of its own: together they get no more flows than the initial namespace
// may have, none may keep them for longer, and their memory is that of the control
// group of its processes.
//
//	initial namespace (1,000 flows)
//	user namespace: R ── A, R ── A (a million flows each?)
func TestUserNamespace(t *testing.T) {
	watchKernel(t)
	const most = 1000
	initial, err := dprnl.New()
	check(t, err)
	defer initial.Close()
	before, err := initial.Config(t.Context())
	check(t, err)
	check(t, initial.SetConfig(t.Context(), dprnl.ConfigUpdate{MaxFlows: ptr(uint32(most))}))
	defer func() { check(t, initial.SetConfig(t.Context(), dprnl.ConfigUpdate{MaxFlows: &before.MaxFlows})) }()
	group := newGroup(t)
	memory := group.slab(t)
	line := asUser(t, strconv.Itoa(most), group.fd)
	var flows, refusals int
	if _, err := fmt.Sscanf(line, "%d flows, %d refusals", &flows, &refusals); err != nil {
		t.Fatalf("the user's program says %q", line)
	}
	if flows != most || refusals != 2 {
		t.Errorf("the user got %d flows, and was refused %d times; want %d and 2", flows, refusals, most)
	}
	if group.fd >= 0 {
		if got := group.slab(t) - memory; got < most*64 {
			t.Errorf("the user's group pays for %d bytes of %d flows", got, flows)
		}
	}
}

// The packets of connections that wait for their host, which no control group pays for, have
// 32 MiB of all namespaces of such users together (kmod/handover_table.h).
//
//	user namespace: R ── A, R ── A (hand all over to a host that is not there)
func TestUserNamespaceHandover(t *testing.T) {
	watchKernel(t)
	line := asUser(t, keepsOfUser, -1)
	var first, second int
	if _, err := fmt.Sscanf(line, "%d and %d kept", &first, &second); err != nil {
		t.Fatalf("the user's program says %q", line)
	}
	const page = 4096 // that each of them has, and more
	if first < 4000 || second == 0 || (first+second)*page > 32<<20 {
		t.Errorf("%d and %d packets are kept, of a page each, want 32 MiB at most", first, second)
	}
}

// asUser runs the tests' program as root of a user namespace, in a control group if there is
// one, until the test ends. It returns what the program says.
func asUser(t *testing.T, what string, group int) string {
	t.Helper()
	program, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), guestOfUser+"="+what)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: true},
		UseCgroupFD: group >= 0, CgroupFD: group,
	}
	stop, err := cmd.StdinPipe()
	check(t, err)
	var said strings.Builder
	out, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = &said
	check(t, cmd.Start())
	t.Cleanup(func() { stop.Close(); _ = cmd.Wait() })
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		stop.Close()
		_ = cmd.Wait()
		t.Fatalf("the user's program: %v: %s", err, &said)
	}
	return string(line[:n])
}

// A group is a control group.
type group struct {
	path string
	fd   int // -1 if the kernel has none
}

// newGroup makes a control group whose memory is counted.
func newGroup(t *testing.T) group {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("none", root, "cgroup2", 0, ""); err != nil {
		if errors.Is(err, unix.ENODEV) {
			return group{fd: -1}
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, unix.Unmount(root, unix.MNT_DETACH)) })
	controllers, err := os.ReadFile(root + "/cgroup.controllers")
	check(t, err)
	if !strings.Contains(string(controllers), "memory") {
		return group{fd: -1}
	}
	check(t, os.WriteFile(root+"/cgroup.subtree_control", []byte("+memory"), 0))
	g := group{path: root + "/user"}
	check(t, os.MkdirAll(g.path, 0o755))
	g.fd, err = unix.Open(g.path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	check(t, err)
	t.Cleanup(func() { unix.Close(g.fd) })
	return g
}

// slab is how much memory of slab caches the group pays for.
func (g group) slab(t *testing.T) int {
	t.Helper()
	if g.fd < 0 {
		return 0
	}
	b, err := os.ReadFile(g.path + "/memory.stat")
	check(t, err)
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "slab "); ok {
			v, err := strconv.Atoi(strings.TrimSpace(n))
			check(t, err)
			return v
		}
	}
	t.Fatal("memory.stat has no slab")
	return 0
}

// userProcess is the process in the user namespace. It makes as many flows as it
// can, says how many, and keeps them until its standard input ends.
func userProcess(most int) error {
	var flows, refusals int
	for range 2 {
		a, r, err := userPair()
		if err != nil {
			return err
		}
		n, refused, err := fillTable(a, r, most)
		if err != nil {
			return err
		}
		flows, refusals = flows+n, refusals+refused
	}
	fmt.Printf("%d flows, %d refusals\n", flows, refusals)
	_, err := os.Stdin.Read(make([]byte, 1))
	return err
}

// userPair makes two hosts with a link, of which A has an address.
func userPair() (a, r *vnet.Host, err error) {
	if a, err = vnet.NewHost("A"); err != nil {
		return nil, nil, err
	}
	if r, err = vnet.NewHost("R"); err != nil {
		return nil, nil, err
	}
	err = errors.Join(vnet.Connect(a, eth, r, eth, mtu), a.Address(eth, netip.PrefixFrom(addrA, network.Bits())))
	return a, r, err
}

// userKeeps is the process in the user namespace that has as many packets kept as it can.
func userKeeps() error {
	var kept []uint64
	for range 2 {
		a, r, err := userPair()
		if err != nil {
			return err
		}
		n, err := fillKept(a, r)
		if err != nil {
			return err
		}
		kept = append(kept, n)
	}
	fmt.Printf("%d and %d kept\n", kept[0], kept[1])
	_, err := os.Stdin.Read(make([]byte, 1))
	return err
}

// fillKept has a host keep requests of 28,000 bytes each for a peer that is not there, and
// returns how many packets it keeps.
func fillKept(a, r *vnet.Host) (uint64, error) {
	var c *dprnl.Client
	if err := a.Do(func() (err error) { c, err = dprnl.New(); return err }); err != nil {
		return 0, err
	}
	ctx := context.Background()
	policy, state, own, age := dprnl.PolicyLowest, dprnl.StateDraining, addrA, time.Minute
	e, err := wire.Open(r, eth)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	e.Own(addrR)
	mac, err := a.MAC(eth)
	err = errors.Join(err,
		c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &own, Policy: &policy, State: &state, ReportMaxAge: &age,
			HandoverKeys: &[]dprnl.HandoverKey{handoverKey}}),
		c.SetPeer(ctx, fragbit4.reportOf(addrB, 5)),
		c.AddService(ctx, dprnl.Service{Port: port, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchConnection)}}))
	if err != nil {
		return 0, err
	}
	data := make([]byte, 1400)
	for i := range 250 {
		s := wire.Segment{Src: fragbit4.addrPort(addrR, uint16(1000+i)), Dst: fragbit4.addrPort(own, port), Flags: "S", Seq: 1}
		if err := e.Send(mac, s.Bytes()); err != nil {
			return 0, err
		}
		limit, cancel := context.WithTimeout(ctx, step)
		answer, err := e.Wait(limit, func(p *wire.Packet) bool { return p.Has("SA") && uint16(p.TCP.DstPort) == s.Src.Port() })
		cancel()
		if err != nil {
			return 0, err
		}
		s.Flags, s.Ack, s.Payload = "A", answer.TCP.Seq+1, data
		for n := range 20 {
			s.Seq = 2 + uint32(n*len(data))
			if err := e.Send(mac, s.Bytes()); err != nil {
				return 0, err
			}
		}
	}
	time.Sleep(settle)
	st, err := c.Stats(ctx)
	return st.Get(dprnl.StatHandoverKept), err
}

// fillTable has a host redirect more connections than it may, and returns how many
// flows it has then, and how often it was refused more than it may have.
func fillTable(a, r *vnet.Host, most int) (flows, refusals int, err error) {
	var c *dprnl.Client
	if err := a.Do(func() (err error) { c, err = dprnl.New(); return err }); err != nil {
		return 0, 0, err
	}
	ctx := context.Background()
	policy, state, limit := dprnl.PolicyLowest, dprnl.StateDraining, uint32(most+1)
	own, age := addrA, time.Minute
	if err := c.SetConfig(ctx, dprnl.ConfigUpdate{MaxFlows: &limit}); errors.Is(err, unix.EDQUOT) {
		refusals++
	}
	limit = uint32(most)
	err = errors.Join(
		c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &own, Policy: &policy, State: &state, MaxFlows: &limit, ReportMaxAge: &age}),
		c.SetPeer(ctx, fragbit4.report(addrB, 0)),
		c.AddService(ctx, dprnl.Service{Port: port}))
	if err != nil {
		return 0, 0, err
	}
	e, err := wire.Open(r, eth)
	if err != nil {
		return 0, 0, err
	}
	defer e.Close()
	mac, err := a.MAC(eth)
	if err != nil {
		return 0, 0, err
	}
	// A slow kernel loses some, so they are repeated until there are no more flows.
	for {
		for i := range most + most/2 {
			syn := wire.Segment{Src: fragbit4.addrPort(addrC, uint16(1000+i)), Dst: fragbit4.addrPort(own, port), Flags: "S", Seq: 1}
			if err := e.Send(mac, syn.Bytes()); err != nil {
				return 0, 0, err
			}
		}
		time.Sleep(settle)
		st, err := c.Stats(ctx)
		n := int(st.Get(dprnl.StatFlows))
		if err != nil || n == flows {
			return n, refusals, err
		}
		flows = n
	}
}
