// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// shell runs a command with sh. If ctx has a deadline, all that the command waits for ends with it:
// the shell is in most cases not what hangs. Without one somebody may be at the terminal, which only
// the group of this process can read: Ctrl-C ends the command, too.
func shell(ctx context.Context, command string, out, errs io.Writer) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = out, errs
	if _, limited := ctx.Deadline(); limited {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error {
			err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			if errors.Is(err, syscall.ESRCH) {
				return os.ErrProcessDone
			}
			return err
		}
	}
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %q: %w", command, err)
	}
	return nil
}
