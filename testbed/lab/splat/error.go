// SPDX-License-Identifier: MIT

package splat

import "fmt"

// Error holds what a guest's kernel printed when it found itself wrong.
type Error struct{ Host, Text string }

func (e *Error) Error() string {
	return fmt.Sprintf("the kernel of %s is in trouble:\n%s", e.Host, e.Text)
}
