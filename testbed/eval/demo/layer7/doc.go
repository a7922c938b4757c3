// SPDX-License-Identifier: MIT

// Package layer7 is the demo of rules by what is asked for: three servers, of which one
// serves /images, one /api, and one the rest, whichever of them a client reaches.
package layer7
