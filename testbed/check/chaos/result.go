// SPDX-License-Identifier: MIT

package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
	"dpr/userland/dprnl"
)

// Tally counts connections.
type Tally struct {
	All        int   `json:"all"`
	Redirected int   `json:"redirected"`
	Requests   int   `json:"requests"`
	Bytes      int64 `json:"bytes"`
	Failed     int   `json:"failed"` // allowed or not
}

// add counts a connection.
func (t *Tally) add(c *Conn) {
	t.All++
	t.Requests += c.Requests
	t.Bytes += c.Bytes
	if c.Redirected() {
		t.Redirected++
	}
	if c.Failed() {
		t.Failed++
	}
}

// Happened is an event that took place.
type Happened struct {
	Event
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// Result is what a run found.
type Result struct {
	Seed    uint64        `json:"-"`
	Kernel  string        `json:"-"`
	Began   time.Time     `json:"-"`
	Took    time.Duration `json:"-"`
	Planned int           `json:"planned_events"`
	// Shared says that clients used one address that all hosts have, and Counted is by how
	// much dpr's counters grew on all hosts.
	Shared  bool              `json:"shared_address"`
	Counted map[string]uint64 `json:"counted"`

	Hosts int `json:"hosts"`
	// Rounds are those after which the cluster was well, and RoundConnections how
	// many connections ended in each.
	Rounds           int   `json:"rounds"`
	RoundConnections []int `json:"round_connections"`

	Events      int               `json:"events"`
	EventKinds  map[EventKind]int `json:"event_kinds"`
	Connections map[Kind]*Tally   `json:"connections"`
	// Families are the same connections, by their family's name.
	Families map[string]*Tally `json:"families"`
	// Allowed are the failures that had a reason, by it.
	Allowed map[Cause]int `json:"allowed"`
	// Unexpected are those that had none. There must be none.
	Unexpected []Conn `json:"unexpected"`
	// Trouble is what else went wrong.
	Trouble []string `json:"trouble,omitempty"`
	// Healed is how long the cluster took to be well after a round, at most and in
	// the mean.
	HealedMost time.Duration `json:"healingmost_ns"`
	HealedMean time.Duration `json:"healingmean_ns"`
	// Readings is how often a host's packets were counted, and Slack how many packets
	// could have been missing unnoticed on a host at the most.
	Readings int   `json:"readings"`
	Slack    int64 `json:"slack"`
	// Killed and Restarts are how often each process, by "HOST NAME", was killed and
	// was started again.
	Killed   map[string]int `json:"killed"`
	Restarts map[string]int `json:"restarts"`
	// History is what happened; Harms is what hosts suffered of it.
	History []Happened `json:"history"`
	Harms   []Harm     `json:"harms"`

	mu      sync.Mutex
	healing time.Duration
	before  map[string]int // restarts when the run began
	older   string         // the host of another version, "" if there is none
	asks    bool           // hosts ask for connections that they do not know
}

func newResult(l *lab.Lab, o Options) *Result {
	r := &Result{
		Seed: o.Seed, Kernel: l.Kernel().Release, Began: time.Now(), Planned: o.Events, Shared: o.Shared, Hosts: len(l.Servers()),
		EventKinds: map[EventKind]int{}, Unexpected: []Conn{}, Connections: map[Kind]*Tally{}, Families: map[string]*Tally{}, Allowed: map[Cause]int{},
		older: older(o), asks: o.orphans() == dprnl.OrphansAsk.String(),
	}
	for _, f := range family.All {
		r.Families[f.Name()] = &Tally{}
	}
	for _, k := range Kinds {
		r.Connections[k] = &Tally{}
	}
	return r
}

// happened notes an event that was done and undone.
func (r *Result) happened(e Event, begin, end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Events++
	r.EventKinds[e.Kind]++
	r.History = append(r.History, Happened{e, begin, end})
}

// healed notes a round after which the cluster was well.
func (r *Result) healed(took time.Duration, connections int) {
	r.Rounds++
	r.RoundConnections = append(r.RoundConnections, connections)
	r.healing += took
	r.HealedMost = max(r.HealedMost, took)
	r.HealedMean = r.healing / time.Duration(r.Rounds)
}

// add counts a connection; it returns one that failed without a reason.
func (r *Result) add(c *Conn, harms []Harm, hosts []string) *Conn {
	r.Connections[c.Kind].add(c)
	r.Families[c.Family.Name()].add(c)
	if !c.Failed() {
		return nil
	}
	why := Judge(c, harms, hosts)
	if why == "" && twoAnswered(c, r.History, r.older, r.asks) {
		why = TwoAnswers
	}
	if why != "" {
		r.Allowed[why]++
		return nil
	}
	r.Unexpected = append(r.Unexpected, *c)
	return c
}

// end takes what the cluster knows; restarts are those since the lab came up.
func (r *Result) end(c *cluster, restarts map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for host := range c.ledgers {
		c.close(host)
	}
	r.Harms, r.Readings, r.Slack, r.Killed, r.Counted = c.harms, c.readings, c.slack, c.killed, c.counted
	r.Restarts = make(map[string]int)
	for name, n := range restarts {
		if n -= r.before[name]; n > 0 {
			r.Restarts[name] = n
		}
	}
	r.Took = time.Since(r.Began)
}

func (r *Result) sum() Tally {
	var all Tally
	for _, t := range r.Connections {
		all.All += t.All
		all.Redirected += t.Redirected
		all.Requests += t.Requests
		all.Bytes += t.Bytes
		all.Failed += t.Failed
	}
	return all
}

func (r *Result) total() int { return r.sum().All }

func (r *Result) allowed() int {
	n := 0
	for _, k := range r.Allowed {
		n += k
	}
	return n
}

// Print writes the result for people, without the verdict.
func (r *Result) Print(w io.Writer) error {
	sum := r.sum()
	fmt.Fprintf(w, "\nseed %d: %d of %d events in %.0f s on kernel %s\n\n", r.Seed, r.Events, r.Planned, r.Took.Seconds(), r.Kernel)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "event\ttimes")
	for _, k := range EventKinds() {
		fmt.Fprintf(t, "%s\t%d\n", k, r.EventKinds[k])
	}
	fmt.Fprintln(t, "\nconnections\tall\tredirected\trequests\tMB\tfailed")
	for _, k := range Kinds {
		c := r.Connections[k]
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%.0f\t%d\n", k, c.All, share(c.Redirected, c.All), c.Requests, float64(c.Bytes)/1e6, c.Failed)
	}
	for _, f := range family.All {
		c := r.Families[f.Name()]
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%.0f\t%d\n", f.Name(), c.All, share(c.Redirected, c.All), c.Requests, float64(c.Bytes)/1e6, c.Failed)
	}
	fmt.Fprintf(t, "all\t%d\t%s\t%d\t%.0f\t%d\n", sum.All, share(sum.Redirected, sum.All), sum.Requests, float64(sum.Bytes)/1e6, sum.Failed)
	fmt.Fprintln(t, "\nallowed to fail, because the connection\ttimes")
	for _, cause := range slices.Sorted(maps.Keys(r.Allowed)) {
		fmt.Fprintf(t, "%s\t%d\n", cause, r.Allowed[cause])
	}
	fmt.Fprintf(t, "\nunexpected failures\t%d\n", len(r.Unexpected))
	if r.Shared {
		fmt.Fprintln(t, "\ncounters of all hosts")
		for _, name := range slices.Sorted(maps.Keys(r.Counted)) {
			fmt.Fprintf(t, "%s\t%d\n", name, r.Counted[name])
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nwell again after %.1f s in the mean, %.1f s at most; packets counted %d times, at most %d packets could be missing unnoticed\n",
		r.HealedMean.Seconds(), r.HealedMost.Seconds(), r.Readings, r.Slack)
	return err
}

func share(part, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(all))
}
