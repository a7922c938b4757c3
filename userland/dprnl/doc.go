// SPDX-License-Identifier: MIT

// Package dprnl is a typed client of dpr.ko's generic netlink family, whose
// contract is include/dpr.h. It runs on Linux only.
//
// A [Client] sends commands. Each is one round trip to the kernel, which answers
// immediately, so a context is checked before a message is sent and between the
// messages of a dump, but not while waiting for one. [Client.Flows] opens a
// separate connection: commands can be sent while flows are being read, and only
// one netlink message of flows is held in memory at a time. An [Events] receives
// the kernel's unsolicited events. Each connection belongs to the network
// namespace of the thread that opens it.
//
// # Errors
//
// [ErrNotLoaded] means that the module is not loaded, [ErrNoRight] that the caller
// lacks CAP_NET_ADMIN. Every refusal by the kernel is an [*Error] with the errno
// and the kernel's own message; errors.Is(err, fs.ErrExist) and
// errors.Is(err, fs.ErrNotExist) hold where the errno says so.
//
// # Module reload
//
// A client survives a reload of the module: when the family returns under another
// number, the client looks it up and repeats the command. The namespace is then
// unconfigured, which [Client.Config] shows as an unspecified address.
package dprnl

//go:generate go run ./internal/gen -header ../../include/dpr.h -out generated.go
