// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import "testing"

// TestTable shows what all clients got in the tests above: files of tests run in the order
// of their names.
func TestTable(t *testing.T) {
	start(t)
	writeMatrix(t)
}
