// SPDX-License-Identifier: MIT

package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"

	"dpr/userland/config"
)

// DefaultListen is the default listen address. It is reachable from this host
// only, because the metrics are not meant for everybody.
const DefaultListen = "127.0.0.1:9743"

const (
	headerTimeout = 5 * time.Second  // to read a request's header
	answerTimeout = 30 * time.Second // to write a response
	endTimeout    = 2 * time.Second  // to finish responses at shutdown
	maxRequests   = 4                // concurrent requests
)

// A Server serves a collector's metrics over HTTP, at /metrics. It implements
// daemon.Service.
type Server struct {
	listen    string
	web       string
	collector *Collector
	log       *slog.Logger
	started   func(net.Addr) // for tests
}

// NewServer returns a server for the address listen, such as "192.0.2.1:9743". The file
// webConfig says how it uses TLS and whom it answers, as for other exporters of Prometheus;
// empty: anybody who can reach it, without TLS.
func NewServer(listen, webConfig string, o Options) (*Server, error) {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return nil, fmt.Errorf("listen address %q: %w", listen, err)
	}
	if err := web.Validate(webConfig); err != nil {
		return nil, fmt.Errorf("web configuration %s: %w", webConfig, err)
	}
	return &Server{listen: listen, web: webConfig, collector: NewCollector(o), log: o.Log, started: func(net.Addr) {}}, nil
}

// Reload takes from the file which devices are to have the fast path, and nothing else: the
// exporter takes its settings from flags, and the configuration from the kernel.
func (s *Server) Reload(c *config.Config) { s.collector.reload(c) }

// Run serves until ctx is done. It returns an error if it cannot use the address.
func (s *Server) Run(ctx context.Context, ready, alive func()) error {
	defer s.collector.Close()
	handler, err := s.handler()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, WriteTimeout: answerTimeout,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- s.serve(srv, l) }()
	s.started(l.Addr())
	ready()
	heart := time.NewTicker(time.Second)
	defer heart.Stop()
	for {
		alive()
		select {
		case err := <-failed:
			return fmt.Errorf("serving metrics: %w", err)
		case <-heart.C:
		case <-ctx.Done():
			return s.end(srv)
		}
	}
}

// serve answers, by TLS if the web configuration says so. The certificate and the users are
// read from their files again for each connection.
func (s *Server) serve(srv *http.Server, l net.Listener) error {
	if s.web == "" {
		return srv.Serve(l)
	}
	return web.Serve(l, srv, &web.FlagConfig{WebConfigFile: &s.web}, s.log)
}

// end shuts the server down. It waits a limited time for responses to finish.
func (s *Server) end(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	} else if err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

func (s *Server) handler() (http.Handler, error) {
	r := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{s.collector, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector()} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: maxRequests,
	}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><title>dpr-exporter</title><a href="/metrics">Metrics</a> of Distributed Packet Rewriting`)
	})
	return mux, nil
}
