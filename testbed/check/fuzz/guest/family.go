// SPDX-License-Identifier: MIT

package main

import "dpr/userland/dprnl"

// kind is what an attribute's value is.
type kind int

const (
	kindU16 kind = iota
	kindU32
	kindU64
	kindAddress
	kindFlag
	kindPorts
	kindAddresses  // of IPv4
	kindAddresses6 // of IPv6
	kindCounts     // of connections, by port
	kindRecords    // of rules by what is asked for
	kindBytes      // of a client
	kindU8
	kindName  // of a backend
	kindGroup // a multicast group of IPv4
	kindKeys  // of handovers
	kinds     // how many there are
)

// attribute is one of the family's, as include/dpr.h has it.
type attribute struct {
	number uint16
	kind   kind
	most   uint64 // largest valid value; values around it are tried most
}

// command is one of the family's.
type command struct {
	number  uint8
	dump    bool // can be asked for as a dump
	changes bool // is there to change something
	takes   []attribute
}

const (
	week       = dprnl.MaxTimeout
	most16     = 1<<16 - 1
	most32     = 1<<32 - 1
	attributes = 34 // numbers of attributes that some command has, and a few more
)

// The family, spelled out by number: what is sent here no client of ours would
// send. The numbers are those of include/dpr.h, which are kept for ever.
var (
	serviceAttributes = []attribute{
		{1, kindU16, 65535}, {2, kindAddress, 0},
		{5, kindU32, 5}, {6, kindU32, 1}, {7, kindU64, 0}, {9, kindU32, dprnl.AffinityBits}, {10, kindU32, week},
		{11, kindU32, dprnl.Affinity6Bits}, {12, kindU32, 1}, {13, kindU32, 2}, {14, kindU32, 2},
	}
	peerAttributes = []attribute{
		{1, kindAddress, 0}, {2, kindU32, most32}, {3, kindU32, dprnl.MaxCPU}, {4, kindU32, most32}, {5, kindU32, most32},
		{6, kindU32, 2}, {7, kindU32, dprnl.MaxWeight},
		{18, kindPorts, dprnl.MaxServices}, {19, kindU32, 2}, {20, kindU32, 255}, {21, kindAddresses, dprnl.MaxAddresses},
		{22, kindAddresses6, dprnl.MaxAddresses}, {23, kindCounts, dprnl.MaxServices},
	}
	flowAttributes = []attribute{
		{1, kindAddress, 0}, {2, kindU16, 65535}, {3, kindAddress, 0}, {4, kindU16, 65535}, {5, kindAddress, 0}, {6, kindU32, 3},
	}
	backendAttributes = []attribute{
		{1, kindName, 0}, {2, kindAddress, 0}, {7, kindPorts, dprnl.MaxBackendServices}, {3, kindU16, 65535}, {4, kindU32, dprnl.MaxWeight},
		{5, kindU32, most32}, {6, kindU8, 1}, {11, kindU8, 2},
	}
	rulesAttributes = []attribute{{1, kindU16, 65535}, {2, kindAddress, 0}, {3, kindRecords, 0}}
	family          = []command{
		{number: 1},
		{number: 2, changes: true, takes: []attribute{
			{1, kindAddress, 0}, {2, kindU32, 5}, {3, kindU32, 1}, {4, kindU32, 1}, {5, kindU32, 1}, {6, kindU32, 2}, {7, kindU64, 0},
			{8, kindU32, dprnl.MaxWeight}, {9, kindU32, dprnl.MaxWeight}, {10, kindU32, dprnl.MaxWeight}, {11, kindU32, dprnl.MaxWeight},
			{12, kindU32, dprnl.MaxFlows}, {13, kindU32, week}, {14, kindU32, week}, {15, kindU32, week}, {16, kindU32, week},
			{17, kindU32, week}, {18, kindU32, dprnl.MaxWeight}, {19, kindU32, 1},
			{21, kindU32, week}, {22, kindU32, dprnl.AffinityBits}, {23, kindU32, week}, {24, kindU32, dprnl.Affinity6Bits},
			{25, kindU32, 2}, {26, kindU32, 1}, {27, kindGroup, 0}, {28, kindKeys, dprnl.MaxHandoverKeys},
			{30, kindU32, most16}, {31, kindU32, most16}, {32, kindU32, dprnl.MaxSplices},
		}},
		{number: 3, changes: true, takes: serviceAttributes},
		{number: 4, changes: true, takes: serviceAttributes[:2]},
		{number: 5, dump: true},
		{number: 6, changes: true, takes: peerAttributes},
		{number: 7, changes: true, takes: []attribute{{1, kindAddress, 0}, {8, kindFlag, 0}}},
		{number: 8, dump: true, takes: []attribute{{1, kindAddress, 0}}},
		{number: 9, dump: true, takes: flowAttributes},
		{number: 10, changes: true, takes: flowAttributes[:4]},
		{number: 11, changes: true, takes: []attribute{{1, kindU32, dprnl.MaxExpireBudget}}},
		{number: 12},
		{number: 13},
		{number: 15, changes: true, takes: serviceAttributes},
		{number: 16, changes: true, takes: []attribute{{1, kindAddress, 0}}},
		{number: 17, changes: true, takes: rulesAttributes[:3]},
		{number: 18, takes: rulesAttributes[:2]},
		{number: 19, takes: []attribute{rulesAttributes[0], rulesAttributes[1], {4, kindBytes, 0}, {5, kindFlag, 0}, {6, kindAddress, 0}, {7, kindU16, 65535}}},
		{number: 20, changes: true, takes: backendAttributes},
		{number: 21, changes: true, takes: backendAttributes[:1]},
		{number: 22, dump: true},
	}
)
