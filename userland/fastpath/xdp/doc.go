// SPDX-License-Identifier: MIT

// Package xdp attaches the fast path to devices: a program of XDP, eight
// instructions that call the function dpr_xdp of the module (kmod/xdp.h).
//
// It needs neither a compiler nor a library at run time: it finds the function's number in
// the type information (BTF) that the module brings with it, writes the instructions, and
// has the kernel check and attach them. A link holds the program on the device for as long
// as this process lives, and the program holds the module: it cannot be removed before
// the links are closed.
package xdp
