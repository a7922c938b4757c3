// SPDX-License-Identifier: MIT

package moved

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// A message takes so many bytes of a link: two IP headers and what Ethernet needs for a
// frame, gap included, and for each connection so many more.
const (
	frameBytes    = 20 + 20 + 38
	questionBytes = 24
)

// linkRate is that of the links which messages are shares of, in bit/s.
const linkRate = 1e9

// A Result is what became of the connections.
type Result struct {
	Config Config `json:"config"`
	Found  int    `json:"found"` // the owner's socket got data
	Reset  int    `json:"reset"` // the client got a RST
	// P50, P90, P99 and Last are how long it took for those found, in seconds since a
	// connection's first segment came.
	P50  float64 `json:"p50_s"`
	P90  float64 `json:"p90_s"`
	P99  float64 `json:"p99_s"`
	Last float64 `json:"last_s"`
	// Burst is how long the clients took to send.
	Burst float64 `json:"burst_s"`
	// Again is how many segments clients sent again.
	Again uint64 `json:"sent_again"`
	// What hosts did with segments, as the module counts them. Expired have waited in vain,
	// and Overflowed are packets that found the ring full.
	Asked      uint64 `json:"asked"`
	Held       uint64 `json:"held"`
	Waited     uint64 `json:"waited"`
	Limited    uint64 `json:"limited"`
	Unknown    uint64 `json:"unknown"`
	Expired    uint64 `json:"expired"`
	Overflowed uint64 `json:"overflowed"`
	Claims     uint64 `json:"claims"`
	Refused    uint64 `json:"refused"`
	// Questions are messages sent that are no claims. One to all counts once.
	Questions uint64 `json:"questions"`
	// SentPeak and HeardPeak are the most messages that a host sent and received in 100 ms,
	// per second; a message of many questions counts once.
	SentPeak  float64 `json:"sent_peak_per_s"`
	HeardPeak float64 `json:"heard_peak_per_s"`
	// Share is the most that messages took of a host's link of 1 Gbit/s in 100 ms, in one
	// direction.
	Share float64 `json:"share_of_1g"`
}

// window is what peaks are counted over.
const window = 0.1

// windows counts messages by time.
type windows []struct{ messages, bytes uint64 }

func (w *windows) add(now float64, p *packet) {
	i := int(now / window)
	for len(*w) <= i {
		*w = append(*w, struct{ messages, bytes uint64 }{})
	}
	(*w)[i].messages++
	(*w)[i].bytes += frameBytes + questionBytes*uint64(max(1, len(p.more)))
}

// peak returns the most messages and bits a second.
func (w windows) peak() (messages, bits float64) {
	for _, v := range w {
		messages, bits = max(messages, float64(v.messages)/window), max(bits, 8*float64(v.bytes)/window)
	}
	return messages, bits
}

func (w windows) sum() (n uint64) {
	for _, v := range w {
		n += v.messages
	}
	return n
}

func (r *Result) judge(s *sim) {
	var times []float64
	for i := range s.conns {
		c := &s.conns[i]
		r.Again += uint64(c.copies)
		if c.reset && math.IsNaN(c.found) {
			r.Reset++
		}
		if !math.IsNaN(c.found) {
			times = append(times, c.found-c.first)
		}
	}
	slices.Sort(times)
	r.Found = len(times)
	r.P50, r.P90, r.P99, r.Last = quantile(times, 0.5), quantile(times, 0.9), quantile(times, 0.99), quantile(times, 1)
	for i := range s.hosts {
		h := &s.hosts[i]
		sent, out := h.sent.peak()
		heard, in := h.heard.peak()
		r.SentPeak, r.HeardPeak = max(r.SentPeak, sent), max(r.HeardPeak, heard)
		r.Share = max(r.Share, out/linkRate, in/linkRate)
		r.Questions += h.sent.sum()
	}
	r.Questions -= r.Claims
}

// quantile returns the value that a part q of sorted values does not exceed; 0 if there
// are none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// WriteTable writes results, a line each.
func WriteTable(w io.Writer, results []*Result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "HOSTS\tASK\tLIKELY\tFROM\tTO\tFOUND\tRESET\tP50 s\tP99 s\tLAST s\tSENT AGAIN\tLIMITED\tOVERFLOWED\tQUESTIONS\tSENT/s\tHEARD/s\tOF 1 Gbit/s")
	for _, r := range results {
		fmt.Fprintf(t, "%d\t%s\t%g\t%s\t%s\t%d\t%d\t%.4f\t%.3f\t%.3f\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t%.1f %%\n",
			r.Config.Hosts, r.Config.Ask, r.Config.Likely, r.Config.Owners, r.Config.Spread, r.Found, r.Reset, r.P50, r.P99, r.Last,
			r.Again, r.Limited, r.Overflowed, r.Questions, r.SentPeak, r.HeardPeak, 100*r.Share)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing results: %w", err)
	}
	return nil
}
