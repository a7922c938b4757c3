// SPDX-License-Identifier: MIT

//go:build !cgo

package lard

import "errors"

func newChooser(*Config) (chooser, error) {
	return nil, errors.New("this program was built without C (CGO_ENABLED=0): it has none of the module's code to simulate")
}
