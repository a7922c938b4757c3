// SPDX-License-Identifier: MIT

// Package fastpath has what programs say to each other of the fast path; the package xdp
// below attaches it.
package fastpath

// A State is that of one device.
type State struct {
	Device   string `json:"device"`
	Attached bool   `json:"attached"`
	Forced   bool   `json:"forced,omitempty"` // although others see packets there
	Reason   string `json:"reason,omitempty"` // why it is not attached
}

// A Want is what is configured.
type Want struct {
	Devices []string // none: the fast path is off
	Force   bool
}
