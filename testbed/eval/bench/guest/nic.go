// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"dpr/testbed/eval/bench/wire"
)

// The ideal network card, and where its driver says what became of packets.
const (
	nicDev        = "nic0"
	nicModule     = "dprnic"
	nicFile       = "/lib/modules/dprnic.ko"
	nicParameters = "/sys/module/dprnic/parameters/"
	nicFrames     = "/dev/dprnic"
)

// buildNIC inserts the card, which is the only device but lo: peers and clients are behind it.
func (n *network) buildNIC(peers int) error {
	if err := ownIPv6(n.family); err != nil {
		return err
	}
	if err := linkUp("lo"); err != nil {
		return err
	}
	if err := insertFile(nicFile, fmt.Sprintf("to=%s from=%s", n.address, n.clients.Addr())); err != nil {
		return err
	}
	for _, p := range []netip.Prefix{netip.PrefixFrom(n.address, n.address.BitLen()), n.outside} {
		if err := addAddress(nicDev, p); err != nil {
			return err
		}
	}
	if err := linkUp(nicDev); err != nil {
		return err
	}
	if err := addRoute(nicDev, n.clients); err != nil {
		return err
	}
	return n.addPeers(nicDev, peers)
}

// arrivals are packets that come by the card; see the driver for what the fields mean.
type arrivals struct {
	syn     bool
	port    int
	first   int // number of the first connection
	flows   int // connections that are gone through
	stride  int // 0: 1
	packets int
	payload int
	quiet   bool // nothing is measured
	keep    bool // the first frames that are sent are kept
	profile bool
}

// A fate is how many frames the stack sent, a program of XDP sent back or left to the stack,
// and how many were dropped.
type fate struct {
	tx, xdpTx, pass, drop uint64
}

// times is the fate of so many packets that have the same one each.
func (f fate) times(n int) fate {
	return fate{f.tx * uint64(n), f.xdpTx * uint64(n), f.pass * uint64(n), f.drop * uint64(n)}
}

// parameters are the driver's, of packets that come.
func (a arrivals) parameters() map[string]any {
	return map[string]any{
		"syn": a.syn, "port": a.port, "first": a.first, "flows": a.flows, "stride": max(1, a.stride),
		"packets": a.packets, "payload": a.payload, "quiet": a.quiet, "keep": a.keep, "profile": a.profile,
	}
}

// run has the packets come, and returns the mean cost of one. It fails unless each had the
// fate that it must have: else they did not take the way that is measured.
func (a arrivals) run(each fate) (float64, error) {
	time.Sleep(deferred)
	for name, value := range a.parameters() {
		if err := os.WriteFile(nicParameters+name, []byte(fmt.Sprint(value)), 0); err != nil {
			return 0, fmt.Errorf("saying which packets come: %w", err)
		}
	}
	if err := os.WriteFile(nicParameters+"run", []byte("1"), 0); err != nil {
		return 0, fmt.Errorf("having packets come: %+v: %w", a, err)
	}
	time.Sleep(deferred)
	var got fate
	for name, value := range map[string]*uint64{"tx": &got.tx, "xdp_tx": &got.xdpTx, "pass": &got.pass, "drop": &got.drop} {
		var err error
		if *value, err = readCounter(nicParameters + name); err != nil {
			return 0, err
		}
	}
	if want := each.times(a.packets); got != want {
		return 0, fmt.Errorf("the fate of %+v is %+v, want %+v", a, got, want)
	}
	return readCost(nicParameters + "cost")
}

// profiled runs the packets once more, and returns where the time of one goes that was
// measured to cost so much.
func (a arrivals) profiled(each fate, cost float64) (wire.Profile, error) {
	a.profile = true
	return profileOf(cost, func() (float64, error) {
		if _, err := a.run(each); err != nil {
			return 0, err
		}
		return readCost(nicParameters + "base")
	})
}

// sent has the packets come, and returns the frames that are sent, up to keptFrames.
func (a arrivals) sent(each fate) ([][]byte, error) {
	a.keep, a.quiet = true, true
	if _, err := a.run(each); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(nicFrames)
	if err != nil {
		return nil, fmt.Errorf("reading the frames that were sent: %w", err)
	}
	return parseFrames(b)
}

// setGRO has the kernel merge what the card receives, or not (ethtool -K nic0 gro on).
func setGRO(on bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("setting GRO: %w", err)
	}
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_SGRO}
	if on {
		value.data = 1
	}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:], nicDev)
	req.data = unsafe.Pointer(&value)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(&value)
	err = unix.Close(fd)
	if errno != 0 {
		err = errors.Join(errno, err)
	}
	if err != nil {
		return fmt.Errorf("setting GRO of %s to %t: %w", nicDev, on, err)
	}
	return nil
}
