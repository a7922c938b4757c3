// SPDX-License-Identifier: MIT

package qemu

// MinMemory is the least memory of a guest in MiB: Debian's kernel boots on it.
const MinMemory = 192
