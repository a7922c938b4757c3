// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
)

// What tells the tests' program to be a web instead, and on which address.
const (
	webEnv        = "DPR_PATH_WEB"
	webAddressEnv = "DPR_PATH_WEB_ADDRESS"
)

// webProcess is a web that shares its address with others by SO_REUSEPORT, until
// its standard input ends.
func webProcess(name, address string) error {
	lc := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		return errors.Join(rc.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}), err)
	}}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), networkOf(address), address)
	if err != nil {
		return err
	}
	w := &web{name: name, conns: map[net.Conn]bool{}}
	go w.run(ln)
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// serveByProcess starts a process in a host's namespace that is a web, which
// shares its address.
func serveByProcess(t *testing.T, h *vnet.Host, name, address string) {
	t.Helper()
	program, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), webEnv+"="+name, webAddressEnv+"="+address)
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, h.Do(cmd.Start))
	t.Cleanup(func() {
		stop.Close()
		_ = cmd.Wait() // killed at the test's end if it has not heard of it
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("process %s said %q: %v", name, line, err)
	}
}
