// SPDX-License-Identifier: MIT

// Package ifaddr reads the addresses of this host's interfaces, and which of them do not
// stay.
package ifaddr

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// An Address is one of an interface.
type Address struct {
	Addr netip.Addr
	// Passing addresses are temporary (RFC 8981) or deprecated IPv6 ones: connections
	// from others outlive them.
	Passing bool
}

// flagsPath is where the kernel lists IPv6 addresses with their flags, for the network
// namespace of the thread.
const flagsPath = "/proc/thread-self/net/if_inet6"

// Flags of IPv6 addresses (linux/if_addr.h).
const (
	temporary  = 0x01
	dadFailed  = 0x08
	deprecated = 0x20
	tentative  = 0x40
)

// All returns the addresses of all interfaces.
func All() ([]Address, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	return convert(list)
}

// Of returns the addresses of an interface, in the kernel's order: IPv4 addresses as they
// were added; IPv6 ones by scope, the youngest first.
func Of(name string) ([]Address, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	list, err := ifi.Addrs()
	if err != nil {
		return nil, err
	}
	return convert(list)
}

// convert leaves out IPv6 addresses that cannot be used: those of which the kernel does
// not know yet whether another host has them, and those that another host has.
func convert(list []net.Addr) ([]Address, error) {
	flags, err := readFlags()
	if err != nil {
		return nil, err
	}
	all := make([]Address, 0, len(list))
	for _, n := range list {
		p, err := netip.ParsePrefix(n.String())
		if err != nil {
			continue
		}
		a := p.Addr().Unmap()
		if f := flags[a]; f&(tentative|dadFailed) == 0 {
			all = append(all, Address{a, f&(temporary|deprecated) != 0})
		}
	}
	return all, nil
}

// readFlags returns the flags of IPv6 addresses; none if the kernel has no IPv6.
func readFlags() (map[netip.Addr]uint8, error) {
	text, err := os.ReadFile(flagsPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseFlags(text)
}

// parseFlags parses lines of address, interface, length of the prefix, scope, flags and
// the interface's name.
func parseFlags(text []byte) (map[netip.Addr]uint8, error) {
	flags := make(map[netip.Addr]uint8)
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		words := bytes.Fields(s.Bytes())
		if len(words) < 6 {
			return nil, fmt.Errorf("%s: %q is no address with flags", flagsPath, s.Text())
		}
		var a [16]byte
		if n, err := hex.Decode(a[:], words[0][:min(len(words[0]), 32)]); err != nil || n != 16 {
			return nil, fmt.Errorf("%s: %q is no address", flagsPath, words[0])
		}
		f, err := strconv.ParseUint(string(words[4]), 16, 8)
		if err != nil {
			return nil, fmt.Errorf("%s: %q are no flags", flagsPath, words[4])
		}
		// If several interfaces have it, it can be used as soon as one of them can.
		addr := netip.AddrFrom16(a)
		if before, ok := flags[addr]; ok {
			f &= uint64(before)
		}
		flags[addr] = uint8(f)
	}
	return flags, nil
}
