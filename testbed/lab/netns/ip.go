// SPDX-License-Identifier: MIT

package netns

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Batch runs commands of ip in a namespace, all or up to the first that fails.
func Batch(ctx context.Context, ns, commands string) error {
	cmd := exec.CommandContext(ctx, "ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("setting up namespace %s: %w: %s", ns, err, bytes.TrimSpace(out))
	}
	return nil
}
