// SPDX-License-Identifier: MIT

//go:build !cgo

package sim

import "errors"

// errNoModule: the module's code is C.
var errNoModule = errors.New("this program was built without C (CGO_ENABLED=0): it has none of the module's code to simulate")

func newModule(*cluster) (dispatcher, error) { return nil, errNoModule }

// ModulePolicies returns the names of the module's policies that are simulated: none.
func ModulePolicies() []string { return nil }
