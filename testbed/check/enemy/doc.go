// SPDX-License-Identifier: MIT

// Package enemy attacks dpr as people would, and measures what they achieve:
//
//   - blind: an attacker who knows the addresses and ports of a connection and sees
//     none of its packets sends segments of every kind to connections in every
//     state. How many packets break a redirected connection is compared with how
//     many break one of plain TCP.
//   - local: a program without rights that accepts redirected connections tries to
//     send from addresses that are not its host's, to bind them, and to take
//     connections of another program.
//   - races: two processors send segments of the same connections at once, beside
//     every command of the module, whose build for this has delays where one
//     processor could meet another.
//
// Each part boots a guest by itself; all random choices follow from a seed. The
// results and the verdict are in File.
package enemy
