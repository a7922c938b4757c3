// SPDX-License-Identifier: MIT

// Command dpr-exporter exports this host's metrics to Prometheus.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/metrics"
	"dpr/userland/receive"
)

// flowsLimit is the size of a table that takes a few milliseconds to read.
const flowsLimit = 10_000

func main() {
	var listen, web string
	var limit uint64
	var brief bool
	os.Exit(daemon.Main(daemon.Program{
		Name:  "dpr-exporter",
		About: "exports this host's metrics to Prometheus",
		Load:  config.LoadWithoutKeys,
		Flags: func(fs *flag.FlagSet) {
			fs.StringVar(&listen, "listen", metrics.DefaultListen, "`address` and port to serve /metrics on")
			fs.StringVar(&web, "web-config", "", "`file` with TLS and users, in the form that Prometheus's exporters share")
			fs.Uint64Var(&limit, "flows-limit", flowsLimit, "count flows by state only if the table has at most this `number`")
			fs.BoolVar(&brief, "brief-peers", false, "of each peer, export only what the alerts ask for")
		},
		New: func(c *config.Config, log *slog.Logger) (daemon.Service, error) {
			return metrics.NewServer(listen, web, metrics.Options{
				Dial:       func() (metrics.Kernel, error) { return dprnl.New() },
				Reports:    func(ctx context.Context) (receive.Status, error) { return receive.ReadStatus(ctx, c.CountsPath()) },
				Config:     c,
				FastPath:   fastPath,
				FlowsLimit: limit,
				BriefPeers: brief,
				Log:        log,
			})
		},
	}, os.Args[1:], os.Stdout, os.Stderr))
}

// fastPath returns the states of the devices that a configuration wants to have the fast path.
func fastPath(ctx context.Context, c *config.Config) []fastpath.State {
	s, err := fastpath.ReadStatus(ctx, c.FastPathSocket())
	return fastpath.States(c, s, err)
}
