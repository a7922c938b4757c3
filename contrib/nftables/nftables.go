// SPDX-License-Identifier: MIT

// Package nftables has the files of this directory as text, for the tests that run them.
package nftables

import _ "embed"

// Rules of a router in front of hosts that have private addresses.
var (
	//go:embed stateless.nft
	Stateless string
	//go:embed conntrack.nft
	Conntrack string
)
