// SPDX-License-Identifier: MIT

// Command dpr-receive takes the reports of the other hosts of the cluster and
// keeps the kernel's load table.
package main

import (
	"log/slog"
	"os"
	"time"

	"dpr/userland/broadcast"
	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/receive"
	"dpr/userland/report"
)

func main() {
	os.Exit(daemon.Main(daemon.Program{
		Name:  "dpr-receive",
		About: "takes the other hosts' load reports and keeps the kernel's load table",
		New:   service,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func service(c *config.Config, log *slog.Logger) (daemon.Service, error) {
	boot, err := broadcast.BootID()
	if err != nil {
		return nil, err
	}
	o := receive.Options{
		Config: c,
		Dial:   func() (receive.Kernel, error) { return dprnl.New() },
		Open:   receive.Open,
		Boot:   boot,
		Now:    time.Now,
		Log:    log,
	}
	// The socket belongs to the process that has the memory.
	if o.Memory, err = report.OpenMemory(c.MemoryPath()); err != nil {
		log.Warn("reports are not remembered: after a start only those count that were sent since", "error", err)
	} else {
		o.Socket = c.CountsPath()
	}
	return receive.New(o)
}
