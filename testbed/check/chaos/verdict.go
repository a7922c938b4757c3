// SPDX-License-Identifier: MIT

package chaos

import (
	"maps"
	"slices"

	"dpr/testbed/check/result"
	"dpr/testbed/lab/family"
)

// The bounds of what a verdict relies on: beyond them the run says nothing.
const (
	// mostAllowed is the part of all connections that may fail with a reason. Runs
	// of 300 to 1,000 events had 2 to 3 %.
	mostAllowed = 0.10
	// leastRedirected is the part of all connections that must be redirected; runs
	// had half of them.
	leastRedirected = 0.10
	// mostSlack is how many packets may be missing unnoticed; runs had up to 133.
	mostSlack = 1000
)

// failures say why the run did not pass.
func (r *Result) failures() []string {
	v := result.Verdict{Why: slices.Clone(r.Trouble)}
	for i := range r.Unexpected {
		v.Want(false, "seed %d: unexpected failure: %v", r.Seed, &r.Unexpected[i])
	}
	r.judgeRun(&v)
	r.judgeEvents(&v)
	r.judgeConnections(&v)
	r.judgePackets(&v)
	r.judgeProcesses(&v)
	return v.Why
}

func (r *Result) judgeRun(v *result.Verdict) {
	v.Want(r.Kernel != "", "the kernel is not known")
	v.Want(!r.Began.IsZero() && r.Took > 0, "it is not known when the run was")
	v.Want(r.Rounds > 0, "no round ended well")
	v.Want(r.HealedMean <= r.HealedMost && r.HealedMost <= wellTimeout, "a round took %v to heal, %v in the mean: want %v at most",
		r.HealedMost, r.HealedMean, wellTimeout)
	v.Want(len(r.RoundConnections) == r.Rounds, "connections were counted in %d of %d rounds", len(r.RoundConnections), r.Rounds)
	for i, n := range r.RoundConnections {
		v.Want(n > 0, "no connection ended in round %d: the clients stood still", i+1)
	}
}

func (r *Result) judgeEvents(v *result.Verdict) {
	v.Want(r.Planned > 0 && r.Events == r.Planned, "%d of %d events took place", r.Events, r.Planned)
	v.Want(len(r.History) == r.Events, "the history has %d of %d events", len(r.History), r.Events)
	kinds := make(map[EventKind]int)
	harms := make(map[HarmKind]int)
	for _, h := range r.History {
		kinds[h.Kind]++
		v.Want(!h.End.Before(h.Begin) && !h.Begin.IsZero(), "event %v ended before it began", h.Event)
		if harm := harmOf(h.Kind); harm != "" {
			harms[harm]++
		}
	}
	v.Want(maps.Equal(kinds, r.EventKinds), "the kinds of events are %v, by the history %v", r.EventKinds, kinds)
	for _, h := range r.Harms {
		harms[h.Kind]--
		v.Want(!h.End.IsZero(), "%s is still %s", h.Host, h.Kind)
	}
	for _, kind := range []HarmKind{Off, Reloaded, Isolated} {
		v.Want(harms[kind] == 0, "harms of kind %q: %d fewer than events that do it", kind, harms[kind])
	}
}

// harmOf is what an event of a kind does to its host, "" if it may not end
// connections.
func harmOf(k EventKind) HarmKind {
	switch k {
	case Power:
		return Off
	case Reload:
		return Reloaded
	case Isolate:
		return Isolated
	}
	return ""
}

func (r *Result) judgeConnections(v *result.Verdict) {
	sum := r.sum()
	for _, k := range Kinds {
		t := r.Connections[k]
		if t == nil {
			t = &Tally{}
		}
		v.Want(t.All > t.Failed, "of %d connections of kind %s none succeeded", t.All, k)
		v.Want(t.Requests >= t.All-t.Failed && t.Bytes >= int64(t.Requests), "kind %s: %d requests, %d bytes of %d connections that succeeded",
			k, t.Requests, t.Bytes, t.All-t.Failed)
	}
	all := 0
	for _, f := range family.All {
		t := r.Families[f.Name()]
		if t == nil {
			t = &Tally{}
		}
		all += t.All
		v.Want(t.All > t.Failed, "of %d connections by %s none succeeded", t.All, f.Name())
		v.Want(t.Redirected > 0 || r.Shared, "none of %d connections by %s was redirected", t.All, f.Name())
	}
	v.Want(all == sum.All, "%d connections are of a family: want %d", all, sum.All)
	redirected := uint64(sum.Redirected)
	if r.Shared {
		redirected = r.Counted[countRedirected] + r.Counted[countHashed]
		v.Want(r.Counted[countFound] > 0, "no connection that came to another host was found")
	}
	v.Want(float64(redirected) >= leastRedirected*float64(sum.All), "%d of %d connections were redirected: want %.0f %%",
		redirected, sum.All, 100*leastRedirected)
	v.Want(float64(r.allowed()) <= mostAllowed*float64(sum.All), "%d of %d connections failed with a reason: want %.0f %% at most",
		r.allowed(), sum.All, 100*mostAllowed)
	v.Want(r.allowed()+len(r.Unexpected) == sum.Failed, "of %d failures %d are allowed and %d are not", sum.Failed, r.allowed(), len(r.Unexpected))
}

func (r *Result) judgePackets(v *result.Verdict) {
	// Before the load, after each round, and at the end, when nothing comes any more.
	least := r.Hosts * (r.Rounds + 2)
	v.Want(r.Hosts > 0 && r.Readings >= least, "packets were counted %d times: want %d, %d hosts before the load, after each of %d rounds and at the end",
		r.Readings, least, r.Hosts, r.Rounds)
	v.Want(r.Slack >= 0 && r.Slack <= mostSlack, "%d packets could be missing unnoticed: want %d at most", r.Slack, mostSlack)
}

// judgeProcesses wants each process to end only if it was killed.
func (r *Result) judgeProcesses(v *result.Verdict) {
	killed, restarted := 0, 0
	for _, n := range r.Killed {
		killed += n
	}
	for _, name := range slices.Sorted(maps.Keys(r.Restarts)) {
		n := r.Restarts[name]
		restarted += n
		v.Want(n <= r.Killed[name], "%s was started again %d times, and killed %d times", name, n, r.Killed[name])
	}
	v.Want(restarted > 0 || killed == 0, "%d processes were killed, and none was seen to start again", killed)
	events := r.EventKinds[Kill] + r.EventKinds[KillAll]
	v.Want(killed > 0 || events == 0, "%d events killed no process", events)
}

// Part is what out/reliability.json has of it.
func (r *Result) Part() result.Part {
	return result.Part{
		Seed: r.Seed, Kernel: r.Kernel, Began: r.Began, Seconds: r.Took.Seconds(), Failures: r.failures(), Results: r,
	}
}
