// SPDX-License-Identifier: MIT

// Command dpr-fastpath keeps the fast path attached to network devices.
package main

import (
	"log/slog"
	"os"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/fastpath"
	"dpr/userland/fastpath/xdp"
)

func main() {
	os.Exit(daemon.Main(daemon.Program{
		Name:  "dpr-fastpath",
		About: "keeps the fast path attached to network devices",
		Load:  config.LoadWithoutKeys,
		New: func(c *config.Config, log *slog.Logger) (daemon.Service, error) {
			return fastpath.New(fastpath.Options{Config: c, Keeper: xdp.NewKeeper(log), Log: log}), nil
		},
	}, os.Args[1:], os.Stdout, os.Stderr))
}
