// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"fmt"
	"slices"
)

// SweepPoint is one MaxLoad of the policy lowest.
type SweepPoint struct {
	Policy     string  `json:"policy"` // TCP, Corrected or TCPSlow
	MaxLoad    uint64  `json:"max_load"`
	DelayMean  float64 `json:"delay_mean_s"`
	Rate       float64 `json:"rate"`
	Redirected float64 `json:"redirected_share"`
	OpenIndex  float64 `json:"open_index"`
}

// sweepLoads are the MaxLoads that are tried, in connections, rising.
var sweepLoads = map[string][]uint64{
	TCP:       {0, 4, 8, 16, 32},
	Corrected: {0, 16},
	TCPSlow:   {0, 4, 8, 16},
}

// swept are these policies, in the order of tables.
var swept = []string{TCP, Corrected, TCPSlow}

// sweep measures lowest at several MaxLoads, all with the same users, and picks
// the best for TCP and TCPSlow: the paper does not say what it ran with.
func (r *Report) sweep(ctx context.Context, e *experiment) error {
	if e.o.MaxLoad >= 0 {
		r.Config.MaxLoad, r.Config.MaxLoadSlow, r.Config.MaxLoadFrom = uint64(e.o.MaxLoad), uint64(e.o.MaxLoad), "given"
	}
	if e.o.SweepSeconds == 0 {
		return nil
	}
	for _, name := range swept {
		if !slices.Contains(e.o.Policies, name) {
			continue
		}
		p, err := byName(name)
		if err != nil {
			return err
		}
		p.MaxLoad = ""
		for _, maxLoad := range sweepLoads[name] {
			run, err := e.run(ctx, p, maxLoad, e.o.Seed, e.o.SweepSeconds)
			if err != nil {
				return fmt.Errorf("sweep, %s, MaxLoad %d: %w", name, maxLoad, err)
			}
			fmt.Fprintf(e.o.Progress, "          MaxLoad %3d, %-14s %s\n", maxLoad, name, run)
			r.Sweep = append(r.Sweep, SweepPoint{name, maxLoad, run.DelayMean, run.Rate, run.Redirected, run.OpenIndex})
		}
	}
	if e.o.MaxLoad < 0 {
		r.Config.MaxLoad, r.Config.MaxLoadSlow, r.Config.MaxLoadFrom = r.best(TCP).MaxLoad, r.best(TCPSlow).MaxLoad, "the best of the sweep"
	}
	return nil
}

// best is the point of least delay of a policy's sweep; that of 0 if it had none.
func (r *Report) best(policy string) SweepPoint {
	points := slices.DeleteFunc(slices.Clone(r.Sweep), func(p SweepPoint) bool { return p.Policy != policy })
	if len(points) == 0 {
		return SweepPoint{}
	}
	return slices.MinFunc(points, func(a, b SweepPoint) int {
		switch {
		case a.DelayMean < b.DelayMean:
			return -1
		case a.DelayMean > b.DelayMean:
			return 1
		}
		return 0
	})
}
