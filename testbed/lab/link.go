// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"

	"dpr/testbed/lab/netns"
)

// SetLink puts a server's cable in or takes it out, also of one that is off. The
// server itself does not notice: its interface stays up, as behind a switch.
func (l *Lab) SetLink(ctx context.Context, server string, up bool) error {
	h, err := l.hostOf(server, Server)
	if err != nil {
		return err
	}
	word := "down"
	if up {
		word = "up"
	}
	return netns.Batch(ctx, namespaceOf(l.state.Name, ""), fmt.Sprintf("link set %s %s\n", h.Name, word))
}
