// SPDX-License-Identifier: MIT

package reproduce

import "fmt"

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

// judge compares with the paper.
func (r *Report) judge() []Target {
	var all []Target
	atLeast := func(what string, limit, figure float64) {
		all = append(all, Target{What: what, Limit: limit, Figure: figure, Met: figure >= limit})
	}
	ratio := func(a, b string, f func(*PolicyResult) float64) (float64, bool) {
		pa, pb := r.Policies[a], r.Policies[b]
		if pa == nil || pb == nil || f(pb) == 0 {
			return 0, false
		}
		return f(pa) / f(pb), true
	}
	delay := func(p *PolicyResult) float64 { return p.DelayMean }
	rate := func(p *PolicyResult) float64 { return p.Rate }
	for _, better := range []string{TCP, Corrected} {
		if x, ok := ratio(None, better, delay); ok {
			atLeast("none → "+better+": delay ÷", 3.49, x)
		}
		if x, ok := ratio(better, None, rate); ok {
			atLeast("none → "+better+": throughput ×", 1.337, x)
		}
		if x, ok := ratio(Random, better, delay); ok {
			atLeast("random → "+better+": delay ÷", 1.41, x)
		}
		if x, ok := ratio(better, Random, rate); ok {
			atLeast("random → "+better+": throughput ×", 1.044, x)
		}
		if p := r.Policies[better]; p != nil {
			all = append(all, Target{What: better + ": index at most", Limit: 1.08, Figure: p.Index, Met: p.Index <= 1.08})
		}
	}
	return all
}
