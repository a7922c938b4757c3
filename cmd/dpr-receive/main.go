// SPDX-License-Identifier: MIT

// Command dpr-receive receives the load reports of the other hosts of the cluster
// and updates the kernel's load table.
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
		About: "receives the other hosts' load reports and updates the kernel's load table",
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
	// The process that owns the memory also owns the socket, and the note.
	if o.Memory, err = report.OpenMemory(c.MemoryPath()); err != nil {
		log.Warn("cannot store accepted reports: after a restart, only reports sent since then are accepted", "error", err)
	} else {
		o.Socket, o.Applying = c.CountsPath(), c.ApplyingPath()
	}
	return receive.New(o)
}
