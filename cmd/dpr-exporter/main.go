// SPDX-License-Identifier: MIT

// Command dpr-exporter tells Prometheus of this host's part in the cluster.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/metrics"
	"dpr/userland/receive"
)

// flowsLimit is a table that is gone through in some milliseconds.
const flowsLimit = 10_000

func main() {
	var listen string
	var limit uint64
	os.Exit(daemon.Main(daemon.Program{
		Name:  "dpr-exporter",
		About: "tells Prometheus of this host's part in the cluster",
		Flags: func(fs *flag.FlagSet) {
			fs.StringVar(&listen, "listen", metrics.DefaultListen, "`address` and port to serve /metrics on")
			fs.Uint64Var(&limit, "flows-limit", flowsLimit, "count flows by state only if there are no more than this `number`")
		},
		New: func(c *config.Config, log *slog.Logger) (daemon.Service, error) {
			return metrics.NewServer(listen, metrics.Options{
				Dial:       func() (metrics.Kernel, error) { return dprnl.New() },
				Reports:    func(ctx context.Context) (receive.Status, error) { return receive.ReadStatus(ctx, c.CountsPath()) },
				FlowsLimit: limit,
				Log:        log,
			})
		},
	}, os.Args[1:], os.Stdout, os.Stderr))
}
