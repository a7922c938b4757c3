// SPDX-License-Identifier: MIT

package demo

import "fmt"

// What the paper's set-up leads one to expect of the busiest host's share.
const (
	offAtLeast   = 0.60
	lowestAtMost = 0.40
)

// verdicts judges the runs.
func verdicts(runs []PolicyRun) []Check {
	var checks []Check
	for i := range runs {
		run := &runs[i]
		checks = append(checks, checkFailed(run), checkServed(run))
		name, share := run.busiest()
		detail := fmt.Sprintf("%s served %.1f %%", name, 100*share)
		switch run.Policy {
		case "off":
			checks = append(checks,
				Check{fmt.Sprintf("off: the busiest host serves at least %.0f %%", 100*offAtLeast), share >= offAtLeast, detail},
				checkRedirected(run, false))
		case "lowest":
			checks = append(checks,
				Check{fmt.Sprintf("lowest: no host serves more than %.0f %%", 100*lowestAtMost), share > 0 && share <= lowestAtMost, detail},
				checkRedirected(run, true))
		}
	}
	return checks
}

// checkFailed wants no request to have failed, of at least one.
func checkFailed(run *PolicyRun) Check {
	c := Check{
		Name:   run.Policy + ": no request failed",
		Passed: run.Failed == 0 && run.Requests > 0,
		Detail: fmt.Sprintf("%d of %d failed", run.Failed, run.Requests),
	}
	for class, n := range run.Failures {
		c.Detail += fmt.Sprintf(", %d %s", n, class)
	}
	return c
}

// checkServed wants the servers to have counted the connections that the
// clients made: none lost, none twice.
func checkServed(run *PolicyRun) Check {
	return Check{
		Name:   run.Policy + ": every connection was served once",
		Passed: run.served() == run.Requests,
		Detail: fmt.Sprintf("%d connections served for %d requests", run.served(), run.Requests),
	}
}

// checkRedirected wants redirects, or none.
func checkRedirected(run *PolicyRun, want bool) Check {
	var n uint64
	for _, h := range run.Hosts {
		n += h.Redirected
	}
	name := ": nothing was redirected"
	if want {
		name = ": connections were redirected"
	}
	return Check{Name: run.Policy + name, Passed: (n > 0) == want, Detail: fmt.Sprintf("%d redirected", n)}
}
