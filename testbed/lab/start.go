// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"dpr/testbed/lab/broker"
	"dpr/testbed/lab/netns"
	"dpr/testbed/lab/process"
	"dpr/testbed/lab/qemu"
)

// brokerProgram is the program that is a lab's broker.
const brokerProgram = "brokerd"

// startBroker starts the lab's broker, in the lab's namespace, and with it the
// guests, and waits until it answers.
func (l *Lab) startBroker(ctx context.Context, m qemu.Machine) error {
	conf, err := l.brokerConfig(m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, broker.ConfigName), conf, 0o600); err != nil {
		return err
	}
	log, err := os.Create(l.brokerLog())
	if err != nil {
		return err
	}
	defer log.Close()
	// It outlives ctx: the lab lasts.
	cmd := exec.Command(filepath.Join(l.binDir(), brokerProgram), l.dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := netns.Do(namespaceOf(l.state.Name, ""), cmd.Start); err != nil {
		return fmt.Errorf("starting the lab's broker: %w", err)
	}
	if l.state.Broker, err = process.Find(cmd.Process.Pid); err != nil {
		return fmt.Errorf("starting the lab's broker: %w", errors.Join(err, cmd.Process.Kill(), cmd.Wait()))
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log has the reason
		close(ended)
	}()
	return l.awaitBroker(ctx, ended)
}

func (l *Lab) brokerLog() string { return filepath.Join(l.dir, "broker.log") }

// awaitBroker waits until the broker answers.
func (l *Lab) awaitBroker(ctx context.Context, ended <-chan struct{}) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(l.dir, broker.SocketName))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			text, err := os.ReadFile(l.brokerLog())
			return errors.Join(fmt.Errorf("the lab's broker ended: %s", text), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
