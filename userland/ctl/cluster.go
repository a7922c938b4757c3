// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/receive"
	"dpr/userland/report"
)

// A hostView is a row of the cluster, as this host sees it.
type hostView struct {
	Address netip.Addr  `json:"address"`
	Own     bool        `json:"own"`                // it is this host
	State   dprnl.State `json:"state"`              // meaningless if nothing was accepted
	Age     *int64      `json:"age_ms,omitempty"`   // of its last report; absent: none, or this host
	Usable  bool        `json:"usable"`             // for new connections of this host
	Version string      `json:"version,omitempty"`  // of the software; absent: 0.2 or earlier, or unknown
	Clock   *int64      `json:"clock_ms,omitempty"` // how far it is ahead of this host's
	Key     string      `json:"key,omitempty"`      // id of the key that its reports are signed with
	Hears   *int        `json:"hears,omitempty"`    // peers that it hears; absent: unknown
	Flows   uint64      `json:"flows"`              // connections that this host redirects to it
	// Troubles say why it gets no new connections of this host, or not all, and since when.
	Troubles []string `json:"troubles"`
}

type clusterView struct {
	Format int        `json:"format"`
	Hosts  []hostView `json:"hosts"`
}

// readCluster puts together what the kernel and dpr-receive know of the hosts.
func (p *program) readCluster(ctx context.Context, file string) (clusterView, error) {
	k, err := p.Dial()
	if err != nil {
		return clusterView{}, err
	}
	defer k.Close()
	own, err := k.Config(ctx)
	if err != nil {
		return clusterView{}, err
	}
	peers, err := k.Peers(ctx)
	if err != nil {
		return clusterView{}, err
	}
	path, key := defaultCounts(), ""
	if cfg, err := config.Load(file); err == nil {
		path = cfg.CountsPath()
		if len(cfg.Report.Keys) > 0 {
			key = report.FormatID(cfg.Report.Keys[0].ID())
		}
	}
	s, err := p.Reports(ctx, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return clusterView{}, err
	}
	v := clusterView{Format: format, Hosts: []hostView{p.ownRow(own, peers, key, err != nil)}}
	rows := map[netip.Addr]*hostView{}
	row := func(a netip.Addr) *hostView {
		if rows[a] == nil {
			rows[a] = &hostView{Address: a, Troubles: []string{}}
		}
		return rows[a]
	}
	for _, peer := range peers {
		row(peer.Address).addKernel(peer, own.ReportMaxAge)
	}
	for _, h := range s.Hosts {
		row(h.Address).addReports(h, own.ReportMaxAge, p.Now())
	}
	for _, r := range rows {
		v.Hosts = append(v.Hosts, *r)
	}
	slices.SortFunc(v.Hosts[1:], func(a, b hostView) int { return a.Address.Compare(b.Address) })
	return v, nil
}

func defaultCounts() string {
	d := config.Defaults()
	return d.CountsPath()
}

// ownRow is this host's. It hears the peers that report.
func (p *program) ownRow(c dprnl.Config, peers []dprnl.Peer, key string, deaf bool) hostView {
	v := hostView{Address: c.Address, Own: true, State: c.State, Version: daemon.Version(), Key: key, Troubles: []string{}}
	hears := 0
	for _, peer := range peers {
		if peer.Reported && peer.Age <= c.ReportMaxAge {
			hears++
		}
	}
	v.Hears = &hears
	if deaf {
		v.Troubles = append(v.Troubles, "dpr-receive does not answer")
	}
	return v
}

// addKernel adds what the kernel knows.
func (v *hostView) addKernel(p dprnl.Peer, maxAge time.Duration) {
	v.State, v.Usable, v.Flows = p.State, p.Usable, uint64(p.Flows)
	if !p.Reported {
		return
	}
	age := p.Age.Milliseconds()
	v.Age = &age
	if p.Age > maxAge && p.State != dprnl.StateLeaving {
		v.Troubles = append(v.Troubles, "silent for "+seconds(p.Age))
	}
	switch p.Barred { // the others have their time in the reports
	case dprnl.BarredLost:
		v.Troubles = append(v.Troubles, "what is redirected to it does not arrive")
	case dprnl.BarredFamily:
		v.Troubles = append(v.Troubles, "its address is of the other family than this host's: IPv4, IPv6")
	}
	if len(p.Down) > 0 {
		v.Troubles = append(v.Troubles, "cannot serve port "+portList(p.Down))
	}
}

// addReports adds what dpr-receive knows.
func (v *hostView) addReports(h receive.HostStatus, maxAge time.Duration, now time.Time) {
	if !h.Received.IsZero() {
		clock, hears := int64(math.Round(h.Clock*1000)), h.Hears
		v.Version, v.Key, v.Clock = h.Version, h.Key, &clock
		if h.Protocol > 1 {
			v.Hears = &hears
		}
	}
	since := func(t time.Time) string { return seconds(max(now.Sub(t), 0)) }
	if v.Age == nil && !h.Received.IsZero() && h.State != dprnl.StateLeaving {
		v.State = h.State
		v.Troubles = append(v.Troubles, "silent for "+since(h.Received)+", and forgotten")
	}
	switch h.Barred {
	case dprnl.BarredUnheard:
		v.Troubles = append(v.Troubles, "has not heard this host for "+since(h.Since))
	case dprnl.BarredSettings:
		v.Troubles = append(v.Troubles, "has had another marker for "+since(h.Since))
	}
	if period := time.Duration(h.Period * float64(time.Second)); !h.Received.IsZero() && period >= maxAge {
		v.Troubles = append(v.Troubles, fmt.Sprintf("reports every %s only: report_max_age here is %s", seconds(period), seconds(maxAge)))
	}
	// A refusal before the last good report is over.
	if h.Refused != "" && h.RefusedAt.After(h.Received) {
		v.Troubles = append(v.Troubles, fmt.Sprintf("its report was refused %s ago: %s", since(h.RefusedAt), receive.Explain(h.Refused)))
	}
}

func writeCluster(w io.Writer, v clusterView) {
	fmt.Fprintln(w, "HOST\tSTATE\tAGE\tUSABLE\tVERSION\tCLOCK\tKEY\tHEARS\tFLOWS\tTROUBLE")
	for _, h := range v.Hosts {
		state, age, usable, clock, hears := h.State.String(), "-", "no", "-", "-"
		if h.Age != nil {
			age = millis(*h.Age).String()
		}
		switch {
		case h.Own:
			usable = "this host"
		case h.Usable:
			usable = "yes"
		case h.Age == nil && h.Clock == nil:
			state = "-"
		}
		if h.Clock != nil {
			clock = fmt.Sprintf("%+dms", *h.Clock)
		}
		if h.Hears != nil {
			hears = fmt.Sprint(*h.Hears)
		}
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", h.Address, state, age, usable,
			orDash(h.Version), clock, orDash(h.Key), hears, h.Flows, strings.Join(h.Troubles, "; "))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
