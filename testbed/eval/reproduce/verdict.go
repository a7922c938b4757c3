// SPDX-License-Identifier: MIT

package reproduce

import (
	"fmt"
	"math"
	"strings"
)

// Target is something that the evaluation is to show.
type Target struct {
	What   string  `json:"what"`
	Limit  float64 `json:"limit"`
	Figure float64 `json:"figure"`
	Met    bool    `json:"met"`
	Why    string  `json:"why,omitempty"`
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// judge compares with the paper's ratios, and our policies with the paper's.
func (r *Report) judge() []Target {
	j := judge{Report: r}
	for _, better := range []string{TCP, Corrected, Offer} {
		j.ratios(better)
	}
	for _, better := range []string{TCP, Corrected, Offer} {
		p := r.Policies[better]
		switch {
		case p == nil:
			j.absent(better+": index at most", 1.08, better)
		case len(p.Repeats) == 0 || len(p.Repeats[0].PerInterval) < leastIntervals:
			j.add(Target{What: better + ": index at most", Limit: 1.08, Why: "not measured: a run is shorter than some intervals"})
		default:
			j.atMost(better+": index", 1.08, p.Index, "")
		}
	}
	j.order()
	j.best(TCP, Corrected, Two, Offer)
	j.best(TCPSlow, OfferSlow)
	j.direct()
	failed, runs := 0, 0
	for _, p := range r.Policies {
		for _, run := range p.Repeats {
			failed += run.Failed
			runs++
		}
	}
	if runs == 0 {
		j.add(Target{What: "requests that failed at most", Why: "not measured: nothing ran"})
	} else {
		j.atMost("requests that failed", 0, float64(failed), "")
	}
	return j.all
}

// absent adds a target of policies of which some did not run.
func (j *judge) absent(what string, limit float64, policies ...string) {
	var missing []string
	for _, p := range policies {
		if j.Policies[p] == nil {
			missing = append(missing, p)
		}
	}
	j.add(Target{What: what, Limit: limit, Why: "not measured: no run of " + strings.Join(missing, ", ")})
}

// leastIntervals are as many observations as an index takes.
const leastIntervals = 10

type judge struct {
	*Report
	all []Target
}

func (j *judge) atLeast(what string, limit, figure float64, why string) {
	j.add(Target{What: what + " at least", Limit: limit, Figure: figure, Met: figure >= limit, Why: why})
}

func (j *judge) atMost(what string, limit, figure float64, why string) {
	j.add(Target{What: what + " at most", Limit: limit, Figure: figure, Met: figure <= limit, Why: why})
}

func (j *judge) add(t Target) {
	// What is no number cannot be written, and was not measured.
	if math.IsNaN(t.Figure) || math.IsInf(t.Figure, 0) {
		t.Figure, t.Met, t.Why = 0, false, "not measured: the figure is no number"
	}
	if t.Met {
		t.Why = ""
	}
	j.all = append(j.all, t)
}

// ofBound is the part of what join-shortest-queue reaches that counts as well as
// the paper's ratio.
const ofBound = 0.95

// ratios compares what a policy gains over None and Random with what the paper's
// TCP did.
func (j *judge) ratios(better string) {
	b := j.Policies[better]
	for _, c := range []struct {
		worse       string
		delay, rate float64
	}{{None, 3.49, 1.337}, {Random, 1.41, 1.044}} {
		w := j.Policies[c.worse]
		name := c.worse + " → " + better
		if w == nil || b == nil {
			j.absent(name+": delay ÷ at least", c.delay, c.worse, better)
			j.absent(name+": rate × at least", c.rate, c.worse, better)
			continue
		}
		j.atLeast(name+": delay ÷", c.delay, w.DelayMean/b.DelayMean, j.whyDelay(c.worse))
		j.atLeast(name+": rate ×", c.rate, b.Rate/w.Rate, j.whyRate(c.rate, w, b))
		bound, worse := j.simulatedAs(FreshLowest, 0), j.simulatedAs(c.worse, 0)
		if bound != nil && worse != nil && c.worse == Random {
			why := fmt.Sprintf("join-shortest-queue itself: %.2f", worse.DelayMean/bound.DelayMean)
			j.atLeast(fmt.Sprintf("%s: delay ÷, of 95 %% of join-shortest-queue's,", name), ofBound*worse.DelayMean/bound.DelayMean, w.DelayMean/b.DelayMean, why)
			why = fmt.Sprintf("join-shortest-queue itself: %.3f", bound.Rate/worse.Rate)
			j.atLeast(fmt.Sprintf("%s: rate ×, of 95 %% of join-shortest-queue's,", name), 1+ofBound*(bound.Rate/worse.Rate-1), b.Rate/w.Rate, why)
		}
	}
}

// whyDelay says what the bound is.
func (j *judge) whyDelay(worse string) string {
	bound, w := j.simulatedAs(FreshLowest, 0), j.simulatedAs(worse, 0)
	if bound == nil || w == nil {
		return ""
	}
	return fmt.Sprintf("in the simulator, %s to join-shortest-queue with perfect knowledge has %.2f", worse, w.DelayMean/bound.DelayMean)
}

// whyRate says what delay the ratio would take: by Little's law the rate is users
// by OFF time and delay.
func (j *judge) whyRate(ratio float64, worse, better *PolicyResult) string {
	off := j.Config.OffPerTransfer
	return fmt.Sprintf("a closed system's rate is users ÷ (OFF time + delay): at %.3f s of delay the ratio needs a mean delay of %.3f s of the other, which has %.3f s",
		better.DelayMean, ratio*(off+better.DelayMean)-off, worse.DelayMean)
}

// leastDirect is the part of packets to peers that a direct variant sends without a tunnel:
// all but messages between hosts.
const leastDirect = 0.95

// direct wants variants without tunnels to have none, and the others nothing else.
func (j *judge) direct() {
	for _, v := range []struct{ tunnel, direct string }{{Random, RandomDirect}, {TCP, TCPDirect}} {
		what := v.direct + ": part of packets to peers that went without a tunnel"
		t, d := j.Policies[v.tunnel], j.Policies[v.direct]
		if t == nil || d == nil {
			j.absent(what+" at least", leastDirect, v.tunnel, v.direct)
			continue
		}
		why := ""
		figure := d.Direct
		if t.Direct > 0 {
			figure, why = 0, fmt.Sprintf("%s sent %.0f %% without one", v.tunnel, 100*t.Direct)
		}
		j.atLeast(what, leastDirect, figure, why)
	}
}

// order wants each of the paper's policies to be better than the one before.
func (j *judge) order() {
	a, b, c := j.Policies[None], j.Policies[Random], j.Policies[TCP]
	const what = "order none > random > tcp: the lesser ratio of delays"
	if a == nil || b == nil || c == nil {
		j.absent(what+" at least", 1, None, Random, TCP)
		return
	}
	j.atLeast(what, 1, min(a.DelayMean/b.DelayMean, b.DelayMean/c.DelayMean), "")
}

// best compares the best of ours with the paper's at its best MaxLoad: with reports
// every second, and with reports as stale as the paper's.
func (j *judge) best(theirs string, ours ...string) {
	const limit = 25
	tcp := j.Policies[theirs]
	name, least := "", 0.0
	for _, n := range ours {
		if p := j.Policies[n]; p != nil && (name == "" || p.DelayMean < least) {
			name, least = n, p.DelayMean
		}
	}
	if tcp == nil || name == "" {
		j.absent(fmt.Sprintf("best of ours: mean delay below %s's, %%, at least", theirs), limit, append([]string{theirs}, ours...)...)
		return
	}
	why := ""
	if bound, s := j.simulatedAs(FreshLowest, 0), j.simulatedAs(theirs, j.maxLoad(theirs)); bound != nil && s != nil {
		why = fmt.Sprintf("in the simulator join-shortest-queue with perfect knowledge is %.0f %% below %s here", 100*(1-bound.DelayMean/s.DelayMean), theirs)
	}
	j.atLeast(fmt.Sprintf("best of ours (%s): mean delay below %s's at MaxLoad %d, %%,", name, theirs, j.maxLoad(theirs)), limit, 100*(1-least/tcp.DelayMean), why)
}
