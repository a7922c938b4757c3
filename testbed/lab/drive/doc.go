// SPDX-License-Identifier: MIT

// Package drive works a lab's cluster the way its operator and its users do:
// through dprctl on the servers, and with load from the clients. The demo and
// the integration tests share it.
package drive
