// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
)

// The load of whole connections: a closed system whose users never idle, so that
// the hosts are as busy as they can be.
const (
	httpUsers        = 8     // of each client
	httpDocument     = 15000 // bytes
	httpDocumentPath = "/15k"
	httpTimeout      = 20 * time.Second
	httpStart        = time.Second     // the clients' processes have this long to come up
	httpDuration     = 5 * time.Second // of one path in a round

	// httpLink is the rate of each server's link. As in the demo it is what
	// limits a server: processors are emulated, and share this machine's.
	httpLink        = "8mbit"
	httpRounds      = 4
	unlimitedRounds = 3 // with links as fast as they are
)

// HTTP is what whole connections did on one path.
type HTTP struct {
	Family        family.Family `json:"family"`
	Path          string        `json:"path"`
	ConnectionsPS float64       `json:"connections_per_s"` // mean of the rounds
	DelayMeanMS   float64       `json:"delay_mean_ms"`     // mean of the rounds
	Requests      uint64        `json:"requests"`
	Failed        uint64        `json:"failed"`
	RoundsPS      []float64     `json:"rounds_per_s"` // connections per second of each round
}

// The paths of connections.
const (
	PathDirect  = "direct"
	PathDPR     = "dpr"
	PathThrough = "dpr-through" // answers go through the first host
	PathIPVS    = "ipvs-tun"
	PathNAT     = "ipvs-nat"
	PathHAProxy = "haproxy"
)

// httpOptions says how whole connections are measured.
type httpOptions struct {
	family      family.Family
	kernel      string
	name        string // of the lab
	loadCommand []string
	progress    io.Writer
}

// measureHTTP brings a lab up and measures whole connections on all paths, in
// turn, so that what disturbs the machine disturbs all alike. s1 is what stands
// before the other servers; it serves nothing itself.
func measureHTTP(ctx context.Context, r *Report, o httpOptions) error {
	c := lab.Config{
		Name: o.name, Kernel: o.kernel, Servers: httpServers, Clients: httpClients, Family: o.family,
		Programs: []string{"/usr/sbin/haproxy", "/usr/sbin/ipvsadm"},
		DPR:      lab.DPRConfig{Policy: "off"}, Link: httpLink, Progress: o.progress,
	}
	return lab.With(ctx, c, func(l *lab.Lab) error { return r.measureHTTP(ctx, &httpLab{Lab: l, o: o}) })
}

func (r *Report) measureHTTP(ctx context.Context, h *httpLab) error {
	l := h.Lab
	err := h.prepare(ctx)
	if err == nil {
		err = r.measurePaths(ctx, h, httpPaths)
	}
	if err == nil {
		err = h.bare(ctx)
	}
	if err == nil {
		err = r.measurePaths(ctx, h, barePaths)
	}
	if err != nil {
		return errors.Join(l.Check(), err)
	}
	r.Lab = l.Accel()
	if r.Kernel == "" {
		r.Kernel = l.Kernel().Release
	}
	return nil
}

// measurePaths measures with the limits of links, and without.
func (r *Report) measurePaths(ctx context.Context, h *httpLab, paths []httpPath) error {
	if err := h.links(ctx, "replace dev eth0 root tbf rate "+httpLink+" burst 32kb latency 100ms"); err != nil {
		return err
	}
	limited, err := h.rounds(ctx, paths, httpRounds)
	if err != nil {
		return err
	}
	if err := h.links(ctx, "delete dev eth0 root"); err != nil {
		return err
	}
	unlimited, err := h.rounds(ctx, paths, unlimitedRounds)
	if err != nil {
		return err
	}
	r.HTTP, r.HTTPUnlimited = append(r.HTTP, limited...), append(r.HTTPUnlimited, unlimited...)
	return nil
}

// rounds measures paths in turn, so often.
func (h *httpLab) rounds(ctx context.Context, paths []httpPath, n int) ([]HTTP, error) {
	h.results = map[string]*HTTP{}
	for round := range n {
		for _, p := range paths {
			if err := h.measure(ctx, p, round); err != nil {
				return nil, fmt.Errorf("connections, %s: %w", p.name, err)
			}
		}
	}
	return h.all(paths), nil
}

// httpLab is the lab while it is measured.
type httpLab struct {
	*lab.Lab
	o       httpOptions
	isBare  bool // the servers behind s1 run nothing of dpr
	results map[string]*HTTP
}

// measure drives the load on one path and adds up what it saw.
func (h *httpLab) measure(ctx context.Context, p httpPath, round int) error {
	if err := h.do(ctx, p.on, p.behindOn); err != nil {
		return err
	}
	before, err := h.counters(ctx)
	if err != nil {
		return err
	}
	clients, err := h.clients(p, uint64(round))
	if err != nil {
		return err
	}
	r, err := drive.Of(h.Lab).Load(ctx, h.o.loadCommand, clients)
	if err != nil {
		return err
	}
	after, err := h.counters(ctx)
	if err != nil {
		return err
	}
	if err := h.do(ctx, p.off, p.behindOff); err != nil {
		return err
	}
	if err := checkWay(p, before, after, r); err != nil {
		return err
	}
	fmt.Fprintf(h.o.progress, "          %s, round %d, %-14s %6.1f connections/s, %5.1f ms\n", h.o.family.Name(), round+1, p.name, r.Throughput(), milliseconds(r.DelayMean()))
	h.add(p.name, r)
	return nil
}

// checkWay makes sure that connections took the way that is measured.
func checkWay(p httpPath, before, after []drive.Counters, r *httpload.Result) error {
	if r.Failed > 0 {
		return fmt.Errorf("%d of %d requests failed: %q", r.Failed, r.Requests, r.Examples)
	}
	if n := after[0].Served - before[0].Served; n != 0 {
		return fmt.Errorf("s1 served %d connections itself", n)
	}
	var served uint64
	for i := range after {
		served += after[i].Served - before[i].Served
	}
	if served != r.Requests {
		return fmt.Errorf("%d connections were served for %d requests", served, r.Requests)
	}
	var redirected, spliced uint64
	switch p.name {
	case PathDPR, PathThrough:
		redirected = r.Requests
	case PathSplice:
		spliced = r.Requests
	}
	if n := after[0].Redirected - before[0].Redirected; n != redirected {
		return fmt.Errorf("s1 redirected %d connections of %d", n, r.Requests)
	}
	if n := after[0].Spliced - before[0].Spliced; n != spliced {
		return fmt.Errorf("s1 passed %d connections of %d on to backends", n, r.Requests)
	}
	return nil
}

// clients returns the load of one round.
func (h *httpLab) clients(p httpPath, round uint64) ([]drive.Client, error) {
	sum, err := data.Sum(httpDocument)
	if err != nil {
		return nil, err
	}
	start := time.Now().Add(httpStart)
	var all []drive.Client
	for i, host := range h.Clients() {
		all = append(all, drive.Client{Host: host.Name, Plan: httpload.Plan{
			Target:    "http://" + p.target(h, i),
			Documents: []httpload.Document{{Path: httpDocumentPath, Size: httpDocument, SHA256: sum}},
			Users:     httpUsers, Start: start, Duration: httpDuration, Timeout: httpTimeout,
			Seed: 100*round + uint64(i),
		}})
	}
	return all, nil
}

// add adds a round's result.
func (h *httpLab) add(path string, r *httpload.Result) {
	sum := h.results[path]
	if sum == nil {
		sum = &HTTP{Family: h.o.family, Path: path}
		h.results[path] = sum
	}
	n := float64(len(sum.RoundsPS))
	sum.RoundsPS = append(sum.RoundsPS, r.Throughput())
	sum.ConnectionsPS = (sum.ConnectionsPS*n + r.Throughput()) / (n + 1)
	sum.DelayMeanMS = (sum.DelayMeanMS*n + milliseconds(r.DelayMean())) / (n + 1)
	sum.Requests += r.Requests
	sum.Failed += r.Failed
}

// all returns the results in the order of the paths.
func (h *httpLab) all(paths []httpPath) []HTTP {
	var all []HTTP
	for _, p := range paths {
		if r := h.results[p.name]; r != nil {
			all = append(all, *r)
		}
	}
	return all
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
