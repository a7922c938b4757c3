// SPDX-License-Identifier: MIT

// Package daemon holds what the daemons have in common: flags, signals,
// notifications to the service manager, logging and the connection to the kernel.
package daemon
