// SPDX-License-Identifier: MIT

// Package rtnl reads lists of the kernel's interfaces, addresses and rules.
package rtnl

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// maxDumps is how often the kernel is asked for the same list.
const maxDumps = 5

// Whole asks again for a list that changed while the kernel said what is in it.
func Whole[T any](dump func() ([]T, error)) (list []T, err error) {
	for range maxDumps {
		if list, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return list, err
}
