// SPDX-License-Identifier: MIT

package kernel

// Default is the series of the kernel that guests run by default: Debian
// 12's.
const Default = "6.1"
