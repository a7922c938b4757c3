// SPDX-License-Identifier: MIT

// Package demo shows what redirecting is for, as the paper's section 4 does:
// three servers, six clients split 4:1:1 over them, first without balancing
// (policy off), then with (lowest). It counts where the connections went, times
// them, looks at the packets on the way, and says whether all is as it should
// be.
package demo
