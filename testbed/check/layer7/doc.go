// SPDX-License-Identifier: MIT

// Package layer7 holds the tests of connections that are placed by what their
// clients ask for, with servers and clients that people have: nginx, Apache, HAProxy,
// mini_httpd and a Go server; curl, wget, h2load and a browser. All are unmodified.
// Three hosts have the same services with the same rules; whichever host a client
// reaches, the one that the rules name must answer, and every byte must be right.
//
// They are built with the tag "lab" and need root and the packages of
// scripts/deps/packages-layer7.
//
//	go test -tags lab ./testbed/check/layer7
//
// DPR_KERNEL is the servers' kernel. The last test writes what each client got of each
// server into out/layer7.md.
package layer7
