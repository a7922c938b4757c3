// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	_ "embed"
)

//go:embed uml.config
var umlConfig string

//go:embed uml-debug.config
var umlDebugConfig string

// umlKernel is a kernel that is a program of the machine it runs on: its code
// runs natively wherever there is Linux, with KVM or without.
var umlKernel = recipe{
	name: "uml", version: 1, config: umlConfig + "CONFIG_LOCALVERSION=\"-dpr-uml\"\n", arch: "um",
	target: "linux", image: "linux",
	objects: 900, takes: "8 minutes of one core",
}

// umlDebugKernel is the same with checkers.
var umlDebugKernel = recipe{
	name: "uml-debug", version: 1, config: umlConfig + umlDebugConfig, arch: "um",
	target: "linux", image: "linux",
	objects: 1000, takes: "15 minutes of one core",
}

// UML returns a user-mode kernel; the rest is as with Debug.
func (b Builder) UML(ctx context.Context) (Tree, error) {
	return b.built(ctx, umlKernel)
}

// UMLDebug returns a user-mode kernel with the checkers that such a kernel can
// have; the rest is as with Debug.
func (b Builder) UMLDebug(ctx context.Context) (Tree, error) {
	return b.built(ctx, umlDebugKernel)
}
