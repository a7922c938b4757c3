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
	program, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), guestOfUser+"="+strconv.Itoa(most))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: true},
		UseCgroupFD: group.fd >= 0, CgroupFD: group.fd,
	}
	stop, err := cmd.StdinPipe()
	check(t, err)
	var said strings.Builder
	out, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = &said
	check(t, cmd.Start())
	defer func() { stop.Close(); _ = cmd.Wait() }()
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		stop.Close()
		_ = cmd.Wait()
		t.Fatalf("the user's program: %v: %s", err, &said)
	}
	var flows, refusals int
	if _, err := fmt.Sscanf(string(line[:n]), "%d flows, %d refusals", &flows, &refusals); err != nil {
		t.Fatalf("the user's program says %q", line[:n])
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
		a, err := vnet.NewHost("A")
		if err != nil {
			return err
		}
		r, err := vnet.NewHost("R")
		if err != nil {
			return err
		}
		if err := errors.Join(vnet.Connect(a, eth, r, eth, mtu), a.Address(eth, netip.PrefixFrom(addrA, network.Bits()))); err != nil {
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
