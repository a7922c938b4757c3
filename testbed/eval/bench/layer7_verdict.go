// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"

	"dpr/testbed/lab/family"
)

// The targets of connections that are placed by what they ask for.
const (
	l7AddedAtMost  = 0.35 // time to the first byte, of a direct request's
	l7SlopeAtMost  = 0.10 // how the largest reply changes what is added, of a direct request's
	l7RateOfProxy  = 2.5
	l7OverRedirect = 1.0
)

// layer7Of returns a figure, where links do not limit.
func (r *Report) layer7Of(system string, bytes int64, mode string) (Layer7, bool) {
	i := slices.IndexFunc(r.Layer7, func(l Layer7) bool {
		return l.System == system && l.ReplyBytes == bytes && l.Mode == mode && l.Limit == l7Processors
	})
	if i < 0 {
		return Layer7{}, false
	}
	return r.Layer7[i], true
}

// layer7 judges handovers, where they were measured.
func (j *judgement) layer7() {
	if j.family != family.V4 || len(j.Layer7) == 0 {
		return
	}
	smallest, largest := l7Replies[0].bytes, l7Replies[len(l7Replies)-1].bytes
	direct, ok1 := j.layer7Of(L7Direct, smallest, l7Close)
	handed, ok2 := j.layer7Of(L7Handover, smallest, l7Close)
	redirected, ok3 := j.layer7Of(L7Redirect, smallest, l7Close)
	ok := ok1 && ok2
	j.add("time to the first byte that a handover adds, of a direct request's", orNaN(handed.TTFBP50MS/direct.TTFBP50MS-1, ok), l7AddedAtMost, false,
		fmt.Sprintf("%.2f and %.2f ms", handed.TTFBP50MS, direct.TTFBP50MS))
	j.add("time to the first byte of a handover, of a redirected request's", orNaN(handed.TTFBP50MS/redirected.TTFBP50MS, ok2 && ok3), l7OverRedirect, false,
		fmt.Sprintf("%.2f and %.2f ms", handed.TTFBP50MS, redirected.TTFBP50MS))
	directLarge, ok4 := j.layer7Of(L7Direct, largest, l7Close)
	handedLarge, ok5 := j.layer7Of(L7Handover, largest, l7Close)
	j.add(fmt.Sprintf("what a reply of %s bytes changes in that, of a direct request's", count(int(largest))),
		orNaN((handedLarge.TTFBP50MS-directLarge.TTFBP50MS-handed.TTFBP50MS+direct.TTFBP50MS)/direct.TTFBP50MS, ok && ok4 && ok5), l7SlopeAtMost, false,
		fmt.Sprintf("%.2f and %.2f ms", handedLarge.TTFBP50MS, directLarge.TTFBP50MS))
	for _, proxy := range []string{L7HAProxy, L7Nginx} {
		j.rateOf(proxy, l7Close)
		j.rateOf(proxy, l7KeepAlive)
	}
}

// rateOf compares requests per second with a proxy's, where links do not limit.
func (j *judgement) rateOf(proxy, mode string) {
	handed, ok1 := j.layer7Of(L7Handover, l7Largest, mode)
	other, ok2 := j.layer7Of(proxy, l7Largest, mode)
	j.add(fmt.Sprintf("requests per second by handovers, of %s's, %s", proxy, mode), orNaN(handed.ConnectionsPS/other.ConnectionsPS, ok1 && ok2), l7RateOfProxy, true,
		fmt.Sprintf("%.1f and %.1f", handed.ConnectionsPS, other.ConnectionsPS))
}
