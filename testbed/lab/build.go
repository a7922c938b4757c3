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

// debugModule is dpr.ko as it was built, with what debuggers read.
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

// buildModule builds dpr.ko, and puts it into a directory twice: stripped for guests, and as it
// was built for debuggers. It returns the file that was built.
func buildModule(ctx context.Context, source string, k kernel.Kernel, dir string) (string, error) {
	module, err := kernel.Build(ctx, kernel.DPR(source), k)
	if err != nil {
		return "", err
	}
	// The programs' build, beside this one, may not have made it yet.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := disk.Copy(module, filepath.Join(dir, debugModule)); err != nil {
		return "", err
	}
	return module, kernel.Strip(ctx, module, filepath.Join(dir, path.Base(guest.ModulePath)))
}
