// SPDX-License-Identifier: MIT

// Package deps knows the Debian packages that building and the lab need. The
// file "packages" in its directory is the list; install.sh reads the same one.
package deps

import (
	_ "embed"
	"strings"
)

//go:embed packages
var list string

// Package is a Debian package.
type Package struct {
	Name string
	Why  string // what it is needed for
}

// Packages returns the list, in its order.
func Packages() []Package {
	return parse(list)
}

// parse reads lines of "package  # why"; empty ones and comments are left out.
func parse(text string) []Package {
	var packages []Package
	for line := range strings.Lines(text) {
		name, why, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name != "" {
			packages = append(packages, Package{Name: name, Why: strings.TrimSpace(why)})
		}
	}
	return packages
}
