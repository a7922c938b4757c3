// SPDX-License-Identifier: MIT

package lard

import (
	"fmt"

	"gonum.org/v1/plot/plotter"

	"dpr/testbed/eval/chart"
)

// draw writes a picture: what each host serves, against the size of the documents, in
// the smallest and in the largest cluster of the paper's machine.
func (r *Report) draw(dir, name string) error {
	p := chart.New("Requests per second of a host whose memory is too small", "documents / memory of a host", "requests/s of each host")
	p.Y.Min = 0
	least, most := 0, 0
	for _, x := range r.Results {
		if least == 0 || x.Config.Hosts < least {
			least = x.Config.Hosts
		}
		most = max(most, x.Config.Hosts)
	}
	sizes := []int{least}
	if most > least {
		sizes = append(sizes, most)
	}
	for k, hosts := range sizes {
		for i, policy := range Policies {
			var points plotter.XYs
			for _, x := range r.Results {
				if c := &x.Config; c.Machine.Name == judgedAmong && c.Hosts == hosts && c.Policy == policy {
					points = append(points, plotter.XY{X: c.Set, Y: x.Throughput / float64(hosts)})
				}
			}
			if err := chart.AddLine(p, fmt.Sprintf("%s, %d hosts", policy, hosts), points, chart.Style{Colour: i, Dots: true, Dashed: k > 0}); err != nil {
				return err
			}
		}
	}
	return chart.Save(p, dir, name)
}
