// SPDX-License-Identifier: MIT

// Package dprnl is a typed client of dpr.ko's generic netlink family, whose
// contract is include/dpr.h. It runs on Linux only.
//
// A [Client] sends commands; each is one round trip to the kernel, which
// answers at once, so a context is looked at before a message is sent and
// between the messages of a dump, never during one. [Client.Flows] opens a
// connection of its own: commands may be sent while flows are being read, and
// however many there are, one netlink message of them is held at a time.
// An [Events] receives the kernel's notifications. Each connection
// is in the network namespace of the thread that opens it.
//
// # Errors
//
// [ErrNotLoaded] means that the module is not there, [ErrNoRight] that the
// caller lacks CAP_NET_ADMIN. Every refusal by the kernel is an [*Error] with
// its errno and the kernel's own words; errors.Is(err, fs.ErrExist) and
// errors.Is(err, fs.ErrNotExist) hold where the errno says so.
//
// # Module reload
//
// A client outlives the module: when the family comes back under another
// number the client finds it and sends the command again. The namespace is
// then without configuration, which [Client.Config] shows as an unspecified
// address.
package dprnl

//go:generate go run ./internal/gen -header ../../include/dpr.h -out generated.go
