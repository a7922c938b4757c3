// SPDX-License-Identifier: MIT

// Package host runs the tests of the packet path (dpr/testbed/check/datapath) in guests: it
// builds them, boots two guests of package lab, runs half of the tests in each, and shows
// each as a test of its own. The environment variable DPR_KERNEL names the
// kernel, as dprlab's --kernel does; default 6.1.
//
// A test that a kernel cannot run is skipped in the guest. Which those are is
// known here, by kernel: one skipped that should run, and one run that should be
// skipped, fails.
package host
