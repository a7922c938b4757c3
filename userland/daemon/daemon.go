// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// Exit statuses of the processes.
const (
	ExitOK      = 0
	ExitFailure = 1 // it could not go on
	ExitUsage   = 2 // wrong arguments or configuration
	ExitNoRight = 4 // the kernel refused for lack of CAP_NET_ADMIN
)

// A Service is the work of one process.
type Service interface {
	// Run works until ctx is done and then returns nil. It calls ready once
	// when it works, and alive at least once a second from then on.
	Run(ctx context.Context, ready, alive func()) error
	// Reload gives it another configuration, from another goroutine.
	Reload(*config.Config)
}

// A Program is one process.
type Program struct {
	Name  string // of the command
	About string // one line for -help
	// Flags adds flags of the program's own, which are set when New is called.
	Flags func(*flag.FlagSet)
	// New makes the service; an error is one of the configuration.
	New func(c *config.Config, log *slog.Logger) (Service, error)
}

// Main runs a program with the arguments after its name and returns its exit
// status. It ends on SIGTERM and SIGINT and reads its configuration anew on
// SIGHUP.
func Main(p Program, args []string, stdout, stderr io.Writer) int {
	o, done, status := parse(p, args, stdout, stderr)
	if done {
		return status
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.level, ReplaceAttr: dropTime()}))
	c, err := config.Load(o.config)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return ExitUsage
	}
	s, err := p.New(c, log)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s: %v\n", p.Name, o.config, err)
		return ExitUsage
	}
	err = run(s, o.config, log)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, dprnl.ErrNoRight):
		log.Error("ending", "error", err)
		return ExitNoRight
	}
	log.Error("ending", "error", err)
	return ExitFailure
}

type options struct {
	config string
	level  slog.Level
}

// parse reads the arguments; done says that there is nothing to run.
func parse(p Program, args []string, stdout, stderr io.Writer) (o options, done bool, status int) {
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "%s: %s\n\nUsage: %s [flags]\n", p.Name, p.About, p.Name)
		fs.PrintDefaults()
	}
	fs.StringVar(&o.config, "config", config.Path, "configuration `file`")
	fs.TextVar(&o.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn or error")
	if p.Flags != nil {
		p.Flags(fs)
	}
	showVersion := fs.Bool("version", false, "print the version and end")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, true, ExitOK
		}
		return o, true, ExitUsage
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "%s: unexpected argument %q\n", p.Name, fs.Arg(0))
		return o, true, ExitUsage
	}
	if *showVersion {
		fmt.Fprintf(stdout, "%s %s\n", p.Name, Version())
		return o, true, ExitOK
	}
	return o, false, ExitOK
}

// version is what the build says of itself: -ldflags "-X dpr/userland/daemon.version=…".
var version string

// Version returns the version that this program was built from: what the Makefile
// or the package's rules said, else what the go command knows by itself.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// dropTime leaves the time out when the journal adds its own.
func dropTime() func([]string, slog.Attr) slog.Attr {
	if os.Getenv("JOURNAL_STREAM") == "" {
		return nil
	}
	return func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
}

// run runs a service until a signal ends it.
func run(s Service, path string, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	n := &notifier{log: log}
	n.alive()
	go n.watchdog(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				reload(s, path, log, n)
			}
		}
	}()
	err := s.Run(ctx, n.ready, n.alive)
	n.stopping()
	return err
}

// reload reads the configuration anew; a file with a mistake changes nothing.
func reload(s Service, path string, log *slog.Logger, n *notifier) {
	n.reloading()
	defer n.ready()
	c, err := config.Load(path)
	var mistakes *config.Error
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes.Mistakes {
			log.Error("configuration refused, the old one stays", "file", path, "line", m.Line, "key", m.Key, "error", m.Message)
		}
	case err != nil:
		log.Error("configuration refused, the old one stays", "file", path, "error", err)
	default:
		s.Reload(c)
		log.Info("configuration reloaded", "file", path)
	}
}
