// SPDX-License-Identifier: MIT

// Package daemon is what the three processes have in common: flags, signals,
// the service manager's notifications, the log and the connection to the
// kernel.
package daemon
