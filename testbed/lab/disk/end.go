// SPDX-License-Identifier: MIT

package disk

import (
	"os"
	"strings"
)

// LastLines returns the last lines of a file.
func LastLines(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(b), "\r", "")), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
