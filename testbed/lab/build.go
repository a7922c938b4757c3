// SPDX-License-Identifier: MIT

package lab

// The programs of dpr that servers run.
var dprPrograms = []string{"dprctl", "dpr-broadcast", "dpr-receive", "dpr-cleanup"}

// labPackages returns the packages of the lab's own programs, and of dpr's if
// there is dpr.
func labPackages(withDPR bool) []string {
	packages := []string{"./testbed/lab/guest/init", "./testbed/lab/" + brokerProgram}
	if withDPR {
		for _, p := range dprPrograms {
			packages = append(packages, "./cmd/"+p)
		}
	}
	return packages
}
