// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"os"
	"strings"
)

// zombie says whether a killed process only waits for its parent to notice.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}
