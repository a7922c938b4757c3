// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	_ "embed"
)

//go:embed uml.config
var umlConfig string

// umlKernel is a kernel that is a program of the machine it runs on: its code
// runs natively wherever there is Linux, with KVM or without.
var umlKernel = recipe{
	name: "uml", version: 1, config: umlConfig, arch: "um",
	target: "linux", image: "linux",
	objects: 900, takes: "8 minutes of one core",
}

// UML returns a user-mode kernel; the rest is as with Debug.
func (b Builder) UML(ctx context.Context) (Tree, error) {
	return b.built(ctx, umlKernel)
}
