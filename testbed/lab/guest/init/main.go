// SPDX-License-Identifier: MIT

// Command init is a guest's first process, and the small programs that go with
// it, by the name that it is called by: svc and labdata.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/boot"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/guest/service"
)

func main() {
	var err error
	switch name := filepath.Base(os.Args[0]); {
	case name == "svc":
		err = service.Command(service.Socket, os.Args[1:], os.Stdout)
	case name == "labdata":
		err = labdata(os.Args[1:])
	case os.Getpid() == 1:
		// If this process ended the kernel would panic, and the lab would
		// blame the kernel.
		fmt.Fprintln(os.Stderr, "dprlab: powering off:", first())
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case len(os.Args) == 3 && os.Args[1] == "agent":
		err = boot.Agent(context.Background(), os.Args[2])
	default:
		err = fmt.Errorf("%s: bad arguments %q", name, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// first is the guest's first process. It starts the agent, which does all the
// work, and reaps what others leave behind. It returns why the guest must end.
func first() error {
	for key, value := range map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "TERM": "linux"} {
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	if err := boot.Mount(); err != nil {
		return err
	}
	if _, probe, err := boot.Param(guest.ProbeParam); err != nil || probe {
		return errors.Join(err, errors.New(guest.Alive))
	}
	name, ok, err := boot.Param(guest.HostParam)
	if err != nil {
		return fmt.Errorf("kernel parameter %s: %w", guest.HostParam, err)
	}
	if !ok {
		return fmt.Errorf("no kernel parameter %s", guest.HostParam)
	}
	agent := exec.Command("/proc/self/exe", "agent", name)
	agent.Stdout, agent.Stderr, agent.Dir = os.Stderr, os.Stderr, "/root"
	if err := agent.Start(); err != nil {
		return fmt.Errorf("starting the agent: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if pid == agent.Process.Pid {
			return fmt.Errorf("the agent ended, wait status %#x", status)
		}
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("waiting for processes: %w", err)
		}
	}
}

// labdata writes the file SIZE of package data for nginx to serve, and prints its
// SHA-256: "labdata 100m" makes http://ADDRESS/100m.
func labdata(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("labdata: bad arguments %q\nusage: labdata SIZE", args)
	}
	size, err := data.ParseSize(args[0])
	if err != nil {
		return fmt.Errorf("labdata: %w", err)
	}
	if err := boot.WriteData(filepath.Join(guest.WebRoot, args[0]), size); err != nil {
		return fmt.Errorf("labdata: %w", err)
	}
	sum, err := data.Sum(size)
	if err != nil {
		return fmt.Errorf("labdata: %w", err)
	}
	fmt.Println(sum)
	return nil
}
