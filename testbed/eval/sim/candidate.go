// SPDX-License-Identifier: MIT

package sim

import "sort"

// Policies that were studied, and not built: they lost.
const (
	// Interpretation is Dahlin's Basic LI ("Interpreting stale load
	// information", 2000), as far as that leaves connections where they come:
	// P is the share of new connections that would fill the hosts to one level
	// in the time of a period, by the loads of their last reports, A the share
	// that comes to each straight from clients. A host with P >= A serves; else
	// it serves with probability P/A, or redirects by weights max(0, P - A).
	Interpretation = "interpretation"
	// Acceptance is the dynamic rule of SRLB (Desmouceaux et al., 2018): a
	// first host refuses above a threshold of its own, raised or lowered when
	// of its last 50 connections it took less than 40 or more than 60 in 100;
	// the second host, drawn at random, must take it.
	Acceptance = "acceptance"
)

// Candidates are the names of these policies.
var Candidates = []string{Interpretation, Acceptance}

func newCandidate(c *cluster) dispatcher {
	switch c.cfg.Policy {
	case Interpretation:
		n := c.cfg.Hosts
		return &interpretation{c: c, made: -1, p: make([]float64, n), a: make([]float64, n), excess: make(picker, n)}
	case Acceptance:
		return &acceptance{c: c, host: make([]acceptanceHost, c.cfg.Hosts)}
	}
	return nil
}

type interpretation struct {
	deaf
	c      *cluster
	made   float64   // when the shares were computed
	p, a   []float64 // shares
	excess picker    // of the hosts with P above A
}

// interpretationPeriod is how long computed shares are used.
const interpretationPeriod = 0.02

// level returns to which load per weight the hosts are filled by so many new
// connections.
func (d *interpretation) level(arrivals float64) float64 {
	type host struct{ load, weight float64 }
	var hosts []host
	for h, r := range d.c.heard {
		if r.at != never {
			hosts = append(hosts, host{float64(r.load), float64(d.c.weight[h])})
		}
	}
	sort.Slice(hosts, func(i, j int) bool { return hosts[i].load/hosts[i].weight < hosts[j].load/hosts[j].weight })
	var load, weight, level float64
	for _, x := range hosts {
		if weight > 0 && level <= x.load/x.weight {
			break
		}
		load, weight = load+x.load, weight+x.weight
		level = (arrivals + load) / weight
	}
	return level
}

// interpret computes the shares anew if they are old.
func (d *interpretation) interpret() {
	if d.made >= 0 && d.c.now-d.made < interpretationPeriod {
		return
	}
	d.made = d.c.now
	rate := 0.0
	for _, r := range d.c.heard {
		if r.at != never {
			rate += r.rate
		}
	}
	if rate == 0 {
		return
	}
	arrivals := rate * d.c.cfg.Period
	level, sum := d.level(arrivals), 0.0
	for h, r := range d.c.heard {
		d.p[h], d.a[h] = 0, 0
		if r.at != never {
			d.p[h] = max(0, level*float64(d.c.weight[h])-float64(r.load)) / arrivals
			d.a[h] = r.rate / rate
		}
		sum += max(0, d.p[h]-d.a[h])
		d.excess[h] = sum
	}
}

func (d *interpretation) place(host int) (to, refusals int) {
	d.interpret()
	if d.p[host] >= d.a[host] || d.c.rng.Float64() < d.p[host]/d.a[host] || d.excess[len(d.excess)-1] == 0 {
		return host, 0
	}
	return d.excess.pick(d.c.rng), 0
}

// The rule's constants, as its authors have them.
const (
	acceptanceWindow = 50
	acceptanceLeast  = 0.4
	acceptanceMost   = 0.6
)

type acceptanceHost struct {
	threshold   int
	seen, taken int
}

type acceptance struct {
	deaf
	c    *cluster
	host []acceptanceHost
}

func (d *acceptance) place(host int) (to, refusals int) {
	x := &d.host[host]
	take := d.c.servers[host].load() < x.threshold*int(d.c.weight[host])
	x.seen++
	if take {
		x.taken++
	}
	if x.seen == acceptanceWindow {
		switch share := float64(x.taken) / acceptanceWindow; {
		case share < acceptanceLeast:
			x.threshold++
		case share > acceptanceMost && x.threshold > 0:
			x.threshold--
		}
		x.seen, x.taken = 0, 0
	}
	if take {
		return host, 0
	}
	return d.c.rng.IntN(d.c.cfg.Hosts), 0
}
