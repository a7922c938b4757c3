// SPDX-License-Identifier: MIT

package main

import (
	"errors"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/rawip"
)

// attack sends so many packets to a host, as fast as the attacker can.
func (c *cluster) attack(to *member, f *flood, packet func(*flood, []byte) []byte, n int) (sent int, err error) {
	mac, err := to.MAC(vnet.Link)
	if err != nil {
		return 0, err
	}
	err = c.r.Do(func() (err error) {
		s, err := rawip.Open(vnet.Link, mac)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		sent, err = s.Send(n, func(b []byte) []byte { return packet(f, b) })
		return err
	})
	return sent, err
}
