// SPDX-License-Identifier: MIT

// Command dpr-cleanup expires flows and removes silent hosts from the cluster.
package main

import (
	"log/slog"
	"os"

	"dpr/userland/cleanup"
	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/health"
)

func main() {
	os.Exit(daemon.Main(daemon.Program{
		Name:  "dpr-cleanup",
		About: "expires flows and removes silent hosts from the cluster",
		New:   service,
	}, os.Args[1:], os.Stdout, os.Stderr))
}

func service(c *config.Config, log *slog.Logger) (daemon.Service, error) {
	return cleanup.New(cleanup.Options{
		Config: c,
		Dial:   func() (cleanup.Kernel, error) { return dprnl.New() },
		Probe:  cleanup.NewProber().Probe,
		Log:    log,
		Health: health.New(health.Options{
			Config: c,
			Dial:   func() (health.Kernel, error) { return dprnl.New() },
			Ask:    health.Ask,
			Log:    log,
		}),
	}), nil
}
