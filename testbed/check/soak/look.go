// SPDX-License-Identifier: MIT

package soak

import (
	"context"
	"fmt"

	"dpr/testbed/lab"
)

// look prints what sample reads: lines of a name and a number.
const look = `
awk '/^(SUnreclaim|KernelStack|PageTables|Percpu|VmallocUsed):/ { print "kernel", $2 }' /proc/meminfo
for name; do
	for pid in $(pgrep -x $name); do awk -v name=$name '/^VmRSS:/ { print name, $2 }' /proc/$pid/status; done
done`

// sample reads the memory of a server.
func sample(ctx context.Context, l *lab.Lab, server string) (map[string]float64, error) {
	out, err := l.Output(ctx, server, append([]string{"sh", "-ec", look, "look"}, processes...)...)
	if err != nil {
		return nil, fmt.Errorf("memory of %s: %w", server, err)
	}
	values, err := parseSample(out)
	if err != nil {
		return nil, fmt.Errorf("memory of %s: %w", server, err)
	}
	return values, nil
}
