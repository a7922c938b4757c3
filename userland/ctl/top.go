// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

// clearScreen moves the cursor home and clears what is below it.
const clearScreen = "\x1b[H\x1b[2J"

func (p *program) topCommand() *cli.Command {
	interval := &durationValue{value: time.Second, max: time.Hour}
	return &cli.Command{
		Name: "top", Usage: "show the load of each host, and connections and redirects per second, until interrupted",
		Flags: []cli.Flag{
			jsonFlag(),
			&cli.BoolFlag{Name: "once", Usage: "show one interval, then exit"},
			&cli.GenericFlag{Name: "interval", Usage: "`TIME` between refreshes (default: 1s)", Value: interval},
		},
		Action: func(c *cli.Context) error {
			if _, err := positional(c); err != nil {
				return err
			}
			return p.kernel(c, func(ctx context.Context, k Kernel) error {
				err := p.top(ctx, k, interval.value, c.Bool("once"), c.Bool("json"))
				if errors.Is(err, context.Canceled) {
					return nil // the user interrupted it
				}
				return err
			})
		},
	}
}

// top shows the change from one sample to the next.
func (p *program) top(ctx context.Context, k Kernel, interval time.Duration, once, asJSON bool) error {
	before, err := readSample(ctx, k)
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, err := readSample(ctx, k)
		if err != nil {
			return err
		}
		if err := p.writeTop(viewTop(before, now, p.Now()), asJSON); err != nil || once {
			return err
		}
		before = now
	}
}

// A sample is the kernel's state at a time.
type sample struct {
	at     time.Time
	config dprnl.Config
	load   dprnl.Load
	peers  []dprnl.Peer
	stats  dprnl.Stats
}

func readSample(ctx context.Context, k Kernel) (sample, error) {
	s := sample{at: time.Now()}
	var err error
	if s.config, err = k.Config(ctx); err != nil {
		return s, err
	}
	if s.load, err = k.Load(ctx); err != nil {
		return s, err
	}
	if s.peers, err = k.Peers(ctx); err != nil {
		return s, err
	}
	s.stats, err = k.Stats(ctx)
	return s, err
}

type topView struct {
	Time      time.Time    `json:"time"`
	Interval  int64        `json:"interval_ms"`
	Policy    dprnl.Policy `json:"policy"`
	MaxLoad   maxLoadView  `json:"max_load"`
	Flows     uint64       `json:"flows"`
	FlowsLive uint64       `json:"flows_live"`
	Rates     ratesView    `json:"rates"`
	Hosts     []topHost    `json:"hosts"` // this one first
}

// ratesView holds rates per second.
type ratesView struct {
	Connections float64 `json:"connections"` // that arrived from clients
	Served      float64 `json:"served"`      // of these, served here
	Redirected  float64 `json:"redirected"`  // of these, handed to peers
	Accepted    float64 `json:"accepted"`    // handed to this host by peers
	TxPackets   float64 `json:"tx_packets"`
	TxBytes     float64 `json:"tx_bytes"`
	RxPackets   float64 `json:"rx_packets"`
	RxBytes     float64 `json:"rx_bytes"`
}

type topHost struct {
	Address     netip.Addr  `json:"address"`
	Self        bool        `json:"self"`
	State       dprnl.State `json:"state"`
	Usable      bool        `json:"usable"` // of a peer: it can be chosen; of this host: it is active
	Load        uint64      `json:"load"`
	Estimate    uint64      `json:"estimate"`
	Weight      uint32      `json:"weight"`
	Connections uint32      `json:"connections"`
	CPU         uint32      `json:"cpu"`
	Live        uint64      `json:"live"`      // flows of this host to it
	Redirects   float64     `json:"redirects"` // of this host to it, per second
	Age         *int64      `json:"age_ms"`    // null: this host, or it never reported
}

// served are the outcomes of the SYN decision in which this host serves.
func served() []dprnl.Stat {
	return []dprnl.Stat{dprnl.StatServedOff, dprnl.StatServedBelowMaxLoad, dprnl.StatServedLowest, dprnl.StatServedNoPeer,
		dprnl.StatServedHash, dprnl.StatServedLocal, dprnl.StatServedTableFull, dprnl.StatServedNoMemory,
		dprnl.StatServedNoRoute, dprnl.StatServedBehind, dprnl.StatServedAffinity, dprnl.StatServedOffLink, dprnl.StatServedGroup}
}

func viewTop(before, now sample, at time.Time) topView {
	elapsed := now.at.Sub(before.at)
	rate := func(list ...dprnl.Stat) float64 {
		var grown uint64
		for _, s := range list {
			grown += growth(before.stats.Get(s), now.stats.Get(s))
		}
		return perSecond(grown, elapsed)
	}
	v := topView{
		Time: at, Interval: elapsed.Milliseconds(), Policy: now.config.Policy, MaxLoad: maxLoadView(now.config.MaxLoad),
		Flows: now.stats.Get(dprnl.StatFlows), FlowsLive: now.stats.Get(dprnl.StatFlowsLive),
		Rates: ratesView{
			Served:     rate(served()...),
			Redirected: rate(dprnl.StatRedirected, dprnl.StatRedirectedHash),
			Accepted:   rate(dprnl.StatRxSyn),
			TxPackets:  rate(dprnl.StatTxPackets), TxBytes: rate(dprnl.StatTxBytes),
			RxPackets: rate(dprnl.StatRxPackets), RxBytes: rate(dprnl.StatRxBytes),
		},
	}
	v.Rates.Connections = v.Rates.Served + v.Rates.Redirected
	v.Hosts = topHosts(before, now, elapsed)
	return v
}

// topHosts lists this host and then its peers by load.
func topHosts(before, now sample, elapsed time.Duration) []topHost {
	redirects := make(map[netip.Addr]uint64)
	for _, p := range before.peers {
		redirects[p.Address] = p.Redirects
	}
	hosts := []topHost{{
		Address: now.config.Address, Self: true, State: now.config.State, Usable: now.config.State == dprnl.StateActive,
		Load: now.load.Load, Estimate: now.load.Load, Weight: now.config.Weight,
		Connections: now.load.Connections, CPU: now.load.CPU,
	}}
	views := viewPeers(now.peers)
	for i, p := range now.peers {
		hosts = append(hosts, topHost{
			Address: p.Address, State: p.State, Usable: p.Usable, Load: p.Load, Estimate: p.Estimate, Weight: p.Weight,
			Connections: p.Metrics.Connections, CPU: p.Metrics.CPU, Live: uint64(p.Live),
			Redirects: perSecond(growth(redirects[p.Address], p.Redirects), elapsed), Age: views[i].Age,
		})
	}
	return hosts
}

// growth returns by how much a counter grew. A counter that fell was reset, and
// grew by its whole value.
func growth(before, now uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// writeTop writes a refresh in one piece. It clears a terminal's screen first;
// elsewhere it ends the refresh with an empty line.
func (p *program) writeTop(v topView, asJSON bool) error {
	var b bytes.Buffer
	if asJSON {
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
	} else {
		if p.Terminal {
			b.WriteString(clearScreen)
		}
		formatTop(&b, v)
		if !p.Terminal {
			b.WriteByte('\n')
		}
	}
	if _, err := p.Out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

func formatTop(b io.Writer, v topView) {
	r := v.Rates
	fmt.Fprintf(b, "%s  policy %v, serves below load %s; flows %d, %d live\n", v.Time.Format("15:04:05"), v.Policy, dprnl.FormatMaxLoad(uint64(v.MaxLoad)), v.Flows, v.FlowsLive)
	fmt.Fprintf(b, "connections/s: %.1f arrived, %.1f served here, %.1f redirected, %.1f accepted from peers\n",
		r.Connections, r.Served, r.Redirected, r.Accepted)
	fmt.Fprintf(b, "to peers/s: %.0f packets, %.1f kB; from peers/s: %.0f packets, %.1f kB\n\n",
		r.TxPackets, r.TxBytes/1000, r.RxPackets, r.RxBytes/1000)
	w := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tSTATE\tUSABLE\tESTIMATE\tLOAD\tWEIGHT\tCONNS\tCPU\tREDIRECTS/S\tLIVE\tAGE")
	for _, h := range v.Hosts {
		name, age := h.Address.String(), "never"
		if h.Self {
			name, age = name+" (self)", "-"
		} else if h.Age != nil {
			age = millis(*h.Age).String()
		}
		usable := "no"
		if h.Usable {
			usable = "yes"
		}
		fmt.Fprintf(w, "%s\t%v\t%s\t%d\t%d\t%d\t%d\t%s\t%.1f\t%d\t%s\n", name, h.State, usable, h.Estimate, h.Load,
			h.Weight, h.Connections, percent(h.CPU), h.Redirects, h.Live, age)
	}
	w.Flush() // into memory
}
