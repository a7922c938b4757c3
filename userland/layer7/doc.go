// SPDX-License-Identifier: MIT

// Package layer7 says where a service's rules by what is asked for (dprnl.Ruleset) send a
// connection, and why.
//
// The kernel decides by kmod/core/rule.c. This is a second implementation, written from the
// same RFCs: 9112 and 9110 (HTTP/1), 6265 (cookies), 8446 (TLS), 6066 (server names) and 7301
// (protocols). Tests compare the two.
package layer7
