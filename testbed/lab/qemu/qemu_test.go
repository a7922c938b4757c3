// SPDX-License-Identifier: MIT

package qemu

import (
	"slices"
	"strings"
	"testing"
)

// Only a guest without KVM, and with time that passes, is told the rate of its
// counter.
func TestMachineTSC(t *testing.T) {
	for accel, want := range map[string]bool{TCG: true, KVM: false, Count: false} {
		args := (Machine{Kernel: "/k", Params: "x=y"}).Accelerated(accel).Args("g", "p")
		cmdline := args[slices.Index(args, "-append")+1]
		if got := strings.Contains(cmdline, " x=y tsc_early_khz="); got != want {
			t.Errorf("%s: %q", accel, cmdline)
		}
	}
}
