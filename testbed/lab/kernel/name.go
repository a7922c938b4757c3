// SPDX-License-Identifier: MIT

package kernel

import (
	"regexp"

	"dpr/testbed/lab/flags"
)

// What the names of kernels look like.
var (
	nameRule = regexp.MustCompile(`^([0-9]+\.[0-9]+([.+~a-z0-9-]*[a-z0-9])?|newest|debug)$`)
	anyRule  = regexp.MustCompile(nameRule.String() + "|^(" + UML + "|" + UMLDebug + ")$")
)

const nameForm = "a series such as 6.1, a release such as 6.1.0-56-cloud-amd64, newest or debug"

// Flag describes a field that is the kernel of a lab's servers.
func Flag(p *string) *flags.Flag {
	return flags.Pattern(p, "kernel", nameRule, nameForm, "`VERSION` of the servers' kernel: a series, such as 6.12, or a release")
}

// AnyFlag describes a field that is any kernel, also one in user mode.
func AnyFlag(p *string, usage string) *flags.Flag {
	return flags.Pattern(p, "kernel", anyRule, nameForm+", or "+UML+" or "+UMLDebug+" in user mode", usage)
}
