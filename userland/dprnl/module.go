// SPDX-License-Identifier: MIT

package dprnl

import (
	"os"
	"strings"
)

// modulePath is what the kernel says of the module's version.
const modulePath = "/sys/module/dpr/version"

// ModuleVersion returns the version of the loaded module; empty if none is, or it cannot be
// found out. After an upgrade it may be older than this program until the module is
// loaded anew: programs and modules of adjacent versions work together.
func ModuleVersion() string { return moduleVersion(modulePath) }

func moduleVersion(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
