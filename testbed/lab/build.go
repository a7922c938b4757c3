// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"os"
	"path"
	"path/filepath"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/kernel"
)

// The programs of dpr that servers run.
var dprPrograms = []string{"dprctl", "dpr-broadcast", "dpr-receive", "dpr-cleanup"}

// debugModule is dpr.ko with what gdb reads.
const debugModule = "dpr.debug.ko"

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

// buildModule builds dpr.ko into a directory and returns the file that it was built as. With what
// gdb reads it is there twice: as it was built, and stripped for guests.
func buildModule(ctx context.Context, source string, k kernel.Kernel, dir string, debugInfo bool) (string, error) {
	m := kernel.DPR(source)
	if debugInfo {
		m.Vars = append(m.Vars, kernel.DebugInfo)
	}
	module, err := kernel.Build(ctx, m, k)
	if err != nil {
		return "", err
	}
	// The programs' build, beside this one, may not have made it yet.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	forGuests := filepath.Join(dir, path.Base(guest.ModulePath))
	if !debugInfo {
		return module, disk.Copy(module, forGuests)
	}
	if err := disk.Copy(module, filepath.Join(dir, debugModule)); err != nil {
		return "", err
	}
	return module, kernel.Strip(ctx, module, forGuests)
}
