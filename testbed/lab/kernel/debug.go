// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	_ "embed"
)

//go:embed debug.config
var debugConfig string

// debugKernel is the kernel with the checkers. It is the series of Debian 12's
// own, which "make test" runs in full: what the checkers find there is the code
// that users run.
var debugKernel = recipe{
	name: "debug", version: 1, config: debugConfig,
	target: "bzImage", image: "arch/x86/boot/bzImage",
	objects: 1530, takes: "20 minutes of one core",
}

// Debug returns the debug kernel, and builds it if it is not there for this very
// version of its source and its configuration. What an interrupted build has done
// is not lost. Packages that are missing are installed.
func (b Builder) Debug(ctx context.Context) (Tree, error) {
	return b.built(ctx, debugKernel)
}
