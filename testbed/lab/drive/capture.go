// SPDX-License-Identifier: MIT

package drive

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

// CountPackets counts the packets of a capture file that match a tcpdump
// filter.
func CountPackets(ctx context.Context, file, filter string) (int, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "tcpdump", "-n", "-q", "-t", "-r", file, filter)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("read capture %s with filter %q: %w: %s", file, filter, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return bytes.Count(out, []byte("\n")), nil
}
