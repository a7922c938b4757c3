// SPDX-License-Identifier: MIT

package lab

import (
	"slices"
	"strings"
	"testing"
)

// Only a guest without KVM, and with time that passes, is told the rate of its
// counter.
func TestMachineTSC(t *testing.T) {
	for accel, want := range map[string]bool{accelTCG: true, accelKVM: false, AccelCount: false} {
		args := (machine{kernel: "/k", params: "x=y"}).accelerated(accel).args("g", "p")
		cmdline := args[slices.Index(args, "-append")+1]
		if got := strings.Contains(cmdline, " x=y tsc_early_khz="); got != want {
			t.Errorf("%s: %q", accel, cmdline)
		}
	}
}
