// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"dpr/testbed/eval/bench/wire"
	"dpr/userland/dprnl"
)

// spliceBalancer is dpr whose peers are backends: it translates both directions of their
// connections. A peer has as many backends, on ports of its own, as its connections need.
type spliceBalancer struct {
	net   *network
	proxy bool // backends get the PROXY protocol
	// client is there while the module is.
	client *dprnl.Client
	each   int // backends of a peer
	// others are how many packets more devices had sent than the module counted.
	others map[string]uint64
}

func (b *spliceBalancer) name() string {
	if b.proxy {
		return wire.SpliceProxy
	}
	return wire.Splice
}

func (*spliceBalancer) modules() []string { return []string{"dpr"} }
func (*spliceBalancer) caches() []string  { return []string{"dpr_splice"} }

// errNoBackends is what a module says that is older than backends.
var errNoBackends = errors.New("this module has no backends")

// The ports of this host towards backends: all that the module takes. The kernel must not
// give them to sockets.
const (
	spliceFirst = 1024
	spliceLast  = 65535
	splicePorts = spliceLast - spliceFirst + 1

	reservedPorts = "/proc/sys/net/ipv4/ip_local_reserved_ports"
)

func reservePorts(ports string) error {
	if err := os.WriteFile(reservedPorts, []byte(ports+"\n"), 0); err != nil {
		return fmt.Errorf("reserving the ports towards backends: %w", err)
	}
	return nil
}

// start has this host drain, so that backends get every connection.
func (b *spliceBalancer) start(ctx context.Context, _, flows int) (err error) {
	if err := reservePorts(fmt.Sprintf("%d-%d", spliceFirst, spliceLast)); err != nil {
		return err
	}
	if err := insertFile(dprFile, ""); err != nil {
		return err
	}
	b.each, b.others = 0, map[string]uint64{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.stop(ctx))
		}
	}()
	if b.client, err = dprnl.New(); err != nil {
		return err
	}
	policy, state, long := dprnl.PolicyLowest, dprnl.StateDraining, longTime
	first, last, most := uint32(spliceFirst), uint32(spliceLast), uint32(min(flows, dprnl.MaxSplices))
	weight := uint32(1)
	if err := b.client.SetConfig(ctx, dprnl.ConfigUpdate{
		Address: &b.net.address, Policy: &policy, State: &state, MaxLoad: new(uint64), WeightConnections: &weight,
		SpliceFirstPort: &first, SpliceLastPort: &last, MaxSplices: &most,
		TimeoutSyn: &long, TimeoutEstablished: &long, TimeoutFin: &long, TimeoutRst: &long,
	}); err != nil {
		return err
	}
	config, err := b.client.Config(ctx)
	if err != nil {
		return err
	}
	if config.MaxSplices == 0 {
		return errNoBackends
	}
	return b.client.AddService(ctx, dprnl.Service{Port: service})
}

func (b *spliceBalancer) stop(context.Context) (err error) {
	if b.client != nil {
		err = b.client.Close()
		b.client = nil
	}
	return errors.Join(err, removeModules(b.modules()), reservePorts(""))
}

// backendsOf returns how many backends each peer needs: connections take half of the ports
// at most, or as many as there are with as many backends as there can be.
func backendsOf(peers, flows int) int {
	half := peers * splicePorts / 2
	return max(1, min((flows+half-1)/half, dprnl.MaxBackends/peers))
}

func (b *spliceBalancer) room(ctx context.Context, peers, flows int) error {
	for ; b.each < backendsOf(peers, flows); b.each++ {
		for i := range peers {
			if err := b.client.SetBackend(ctx, dprnl.Backend{
				Name: fmt.Sprintf("p%d-%d", i, b.each), Address: b.net.peer(i), Port: uint16(service + b.each),
				Services: []uint16{service}, Proxy: b.proxy,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *spliceBalancer) handshake() []string {
	if b.proxy {
		// The header goes in place of the client's ACK; the peer acknowledges it.
		return []string{synAck, wire.Established, wire.Answer}
	}
	return []string{synAck, wire.Established}
}

func (b *spliceBalancer) toPeers(ctx context.Context) (uint64, error) {
	return b.passed(ctx, outDev, dprnl.StatSpliceTxPackets)
}

func (b *spliceBalancer) toClients(ctx context.Context) (uint64, error) {
	return b.passed(ctx, clientDev, dprnl.StatSpliceRxPackets)
}

// passed returns the module's counter, which must grow as that of the device does.
func (b *spliceBalancer) passed(ctx context.Context, device string, stat dprnl.Stat) (uint64, error) {
	sent, err := transmitted(device)
	if err != nil {
		return 0, err
	}
	stats, err := b.client.Stats(ctx)
	if err != nil {
		return 0, err
	}
	n := stats.Get(stat)
	others, known := b.others[device]
	if !known {
		b.others[device] = sent - n
	} else if sent-n != others {
		return 0, fmt.Errorf("%s sent %d packets more than were passed on between clients and backends", device, int64(sent-n-others))
	}
	return n, nil
}
