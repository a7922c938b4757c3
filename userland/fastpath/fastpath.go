// SPDX-License-Identifier: MIT

// Package fastpath implements dpr-fastpath, which keeps the fast path attached to the devices
// that are configured; the package xdp below attaches it. The process serves the state of each
// device on a socket; see ReadStatus and States.
package fastpath

import "dpr/userland/config"

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

// WantOf is what a configuration wants.
func WantOf(c *config.Config) Want {
	if c.FastPath.Mode == config.FastPathOff {
		return Want{}
	}
	return Want{Devices: c.FastPath.Devices, Force: c.FastPath.Mode == config.FastPathForced}
}
