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
	ExitFailure = 1 // fatal error
	ExitUsage   = 2 // wrong arguments
	ExitNoRight = 4 // the kernel refused for lack of CAP_NET_ADMIN
	// ExitConfig is that of a wrong configuration, which starting again does not mend;
	// sysexits.h calls it EX_CONFIG. A Go program that panics exits with 2.
	ExitConfig = 78
)

// A Service does the work of one process.
type Service interface {
	// Run works until ctx is done and then returns nil. It calls ready once,
	// when it is in operation, and from then on alive at least once a second.
	Run(ctx context.Context, ready, alive func()) error
	// Reload replaces the configuration. It is called from another goroutine.
	Reload(*config.Config)
}

// A Program describes one process.
type Program struct {
	Name  string // of the command
	About string // one line for -help
	// Flags adds the program's own flags, which are parsed before New is called.
	Flags func(*flag.FlagSet)
	// Load reads the configuration; nil: config.Load.
	Load func(path string) (*config.Config, error)
	// New returns the service. An error means that the configuration is wrong.
	New func(c *config.Config, log *slog.Logger) (Service, error)
}

// Main runs a program with the arguments after its name and returns its exit
// status. SIGTERM and SIGINT stop it; SIGHUP reloads the configuration.
func Main(p Program, args []string, stdout, stderr io.Writer) int {
	o, done, status := parse(p, args, stdout, stderr)
	if done {
		return status
	}
	log := newLog(stderr, o.level)
	if p.Load == nil {
		p.Load = config.Load
	}
	read := func() (*config.Config, error) { return p.Load(o.config) }
	c, err := read()
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return ExitConfig
	}
	s, err := p.New(c, log)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s: %v\n", p.Name, o.config, err)
		return ExitConfig
	}
	err = run(s, read, log)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, dprnl.ErrNoRight):
		log.Error("exiting", "error", err)
		return ExitNoRight
	}
	log.Error("exiting", "error", err)
	return ExitFailure
}

type options struct {
	config string
	level  slog.Level
}

// parse reads the arguments; done means that there is nothing to run.
func parse(p Program, args []string, stdout, stderr io.Writer) (o options, done bool, status int) {
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "%s: %s\n\nUsage: %s [flags]\n", p.Name, p.About, p.Name)
		fs.PrintDefaults()
	}
	fs.StringVar(&o.config, "config", config.Path, "configuration `file`")
	fs.TextVar(&o.level, "log-level", slog.LevelInfo, "minimum log `level`: debug, info, warn or error")
	if p.Flags != nil {
		p.Flags(fs)
	}
	showVersion := fs.Bool("version", false, "print the version and exit")
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

// version is set by the build: -ldflags "-X dpr/userland/daemon.version=…".
var version string

// Version returns the version that this program was built from, as set by the
// Makefile or the package's rules, or else as recorded by the go command.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// run runs a service until a signal stops it.
func run(s Service, read func() (*config.Config, error), log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	n := newNotifier(log)
	go n.watchdog(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				reload(s, read, log, n)
			}
		}
	}()
	err := s.Run(ctx, n.ready, n.alive)
	n.stopping()
	return err
}

// reload reads the configuration again. A file with a mistake changes nothing.
func reload(s Service, read func() (*config.Config, error), log *slog.Logger, n *notifier) {
	n.reloading()
	defer n.ready()
	c, err := read()
	var mistakes *config.Error
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes.Mistakes {
			log.Error("configuration refused; keeping the old one", "file", m.File, "line", m.Line, "key", m.Key, "error", m.Message)
		}
	case err != nil:
		log.Error("configuration refused; keeping the old one", "error", err)
	default:
		s.Reload(c)
		log.Info("configuration reloaded", "files", c.Files)
	}
}
