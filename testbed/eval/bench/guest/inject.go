// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dpr/testbed/eval/bench/wire"
)

// injection is one run of the module dprinject; see there for what its parameters
// mean.
type injection struct {
	op      string     // of package wire, or "udp", "rst", synAck
	from    netip.Addr // of the first client
	to      netip.Addr
	port    int
	outer   *tunnel
	first   int // number of the first connection
	flows   int // connections that are gone through
	stride  int // 0: 1
	packets int
	payload int
	sent    int  // bytes that the sender has sent on each connection before
	follow  bool // each packet of a connection goes on where the last one ended
	quiet   bool // nothing is measured
	median  bool // of the batches, instead of the mean
	profile bool
}

// tunnel is the outer header of injected packets.
type tunnel struct {
	from, to netip.Addr
	marked   bool
}

const (
	injectModule = "dprinject"
	injectFile   = "/lib/modules/dprinject.ko"
	injectResult = "/sys/module/dprinject/parameters/"
)

func (in injection) params() string {
	p := []string{
		"dev=" + inDev, "op=" + in.op, "to=" + in.to.String(), "from=" + in.from.String(),
		fmt.Sprintf("port=%d first=%d flows=%d stride=%d packets=%d payload=%d quiet=%t median=%t profile=%t",
			in.port, in.first, in.flows, max(1, in.stride), in.packets, in.payload, in.quiet, in.median, in.profile),
	}
	if in.sent > 0 || in.follow {
		p = append(p, fmt.Sprintf("sent=%d follow=%t", in.sent, in.follow))
	}
	if in.outer != nil {
		p = append(p, fmt.Sprintf("tunnel_from=%s tunnel_to=%s marked=%t", in.outer.from, in.outer.to, in.outer.marked))
	}
	return strings.Join(p, " ")
}

// run injects the packets and returns the mean cost of one.
func (in injection) run() (float64, error) {
	cost, _, err := in.runBoth()
	return cost, err
}

// runBoth is run, and tells what building and freeing a packet took besides.
func (in injection) runBoth() (cost, base float64, err error) {
	params := in.params()
	if err := insertFile(injectFile, params); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, removeModule(injectModule)) }()
	for name, value := range map[string]*float64{"cost": &cost, "base": &base} {
		if *value, err = readCost(injectResult + name); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", params, err)
		}
	}
	return cost, base, nil
}

// readCost reads a result of a module, in thousandths.
func readCost(path string) (float64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a cost: %w", err)
	}
	milli, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the cost %s: %w", path, err)
	}
	return float64(milli) / 1000, nil
}

// deferred is what the kernel gets to end what it left to ksoftirqd.
const deferred = 20 * time.Millisecond

// checked is run, and fails unless a counter grew by exactly one a packet: else
// the packets did not take the way that is measured.
func (in injection) checked(counter func() (uint64, error)) (float64, error) {
	time.Sleep(deferred)
	before, err := counter()
	if err != nil {
		return 0, err
	}
	cost, err := in.run()
	if err != nil {
		return 0, err
	}
	time.Sleep(deferred)
	after, err := counter()
	if err != nil {
		return 0, err
	}
	// What builds and frees the packets is measured without sending them.
	if after-before != uint64(in.packets) {
		return 0, fmt.Errorf("%d of %d packets arrived where they must: %s", after-before, in.packets, in.params())
	}
	return cost, nil
}

// insertFile inserts a module's file.
func insertFile(path, params string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("inserting a module: %w", err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), params, 0); err != nil {
		return fmt.Errorf("inserting %s with %q: %w", path, params, err)
	}
	return nil
}

// insertModule inserts a module of the kernel's own and those that it needs.
func insertModule(ctx context.Context, args ...string) error {
	return command(ctx, "", append([]string{"modprobe"}, args...)...)
}

func removeModule(name string) error {
	if err := unix.DeleteModule(name, 0); err != nil {
		return fmt.Errorf("removing module %s: %w", name, err)
	}
	return nil
}

// profiled runs the packets once more, and returns where the time of one goes that
// was measured to cost so much.
func (in injection) profiled(cost float64) (p wire.Profile, err error) {
	in.profile = true
	return profileOf(cost, func() (base float64, err error) {
		_, base, err = in.runBoth()
		return base, err
	})
}
