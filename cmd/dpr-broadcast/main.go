// SPDX-License-Identifier: MIT

// Command dpr-broadcast sends this host's load to the other hosts of the
// cluster, once a period.
package main

import (
	"log/slog"
	"os"
	"time"

	"dpr/userland/broadcast"
	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
)

func main() {
	os.Exit(daemon.Main(daemon.Program{
		Name:  "dpr-broadcast",
		About: "sends this host's load to the other hosts of the cluster",
		New:   service,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func service(c *config.Config, log *slog.Logger) (daemon.Service, error) {
	boot, err := broadcast.BootID()
	if err != nil {
		return nil, err
	}
	return broadcast.New(broadcast.Options{
		Config:    c,
		Dial:      func() (broadcast.Kernel, error) { return dprnl.New() },
		Events:    func() (broadcast.EventSource, error) { return dprnl.NewEvents() },
		Open:      broadcast.Open,
		Lookup:    broadcast.LookupHost,
		Boot:      boot,
		Sequence:  broadcast.BootClock,
		Addresses: broadcast.Addresses,
		Software:  daemon.Version(),
		Now:       time.Now,
		Log:       log,
	})
}
