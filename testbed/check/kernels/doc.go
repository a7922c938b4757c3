// SPDX-License-Identifier: MIT

// Package kernels holds tests that every kernel must pass that dpr claims to run
// on: dpr.ko builds without a warning, a cluster of that kernel redirects, and the
// module comes and goes. The environment variable DPR_KERNEL names the kernel, as
// dprlab's --kernel does.
package kernels
