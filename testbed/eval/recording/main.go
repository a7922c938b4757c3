// SPDX-License-Identifier: MIT

// Command recording runs a command and draws what it prints, line by line and at
// about its pace, as an animated SVG:
//
//	recording -out demo.svg -- make demo
//
// Pauses are cut short, so that the whole takes 20 s. Without animation the picture
// shows the end. Nothing is written if the command fails.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("recording", flag.ContinueOnError)
	out := f.String("out", "", "`FILE` that takes the SVG")
	rows := f.Int("rows", 30, "`N` lines of the terminal")
	columns := f.Int("columns", 110, "`N` characters in a line; longer ones are cut")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *out == "" || f.NArg() == 0 || *rows < 1 || *columns < 2 {
		return errors.New("usage: recording -out FILE [-rows N] [-columns N] -- COMMAND [ARGUMENT]")
	}
	lines, err := record(ctx, f.Args(), os.Stdout)
	if err != nil {
		return err
	}
	picture := draw("$ "+strings.Join(f.Args(), " "), pace(lines), *rows, *columns)
	return os.WriteFile(*out, picture, 0o644)
}

// line is one that a command printed.
type line struct {
	at   time.Duration // since the command began
	text string
}

// record runs a command and returns what it printed, which goes to w as well.
func record(ctx context.Context, args []string, w io.Writer) ([]line, error) {
	r, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	begin := time.Now()
	err = cmd.Start()
	out.Close()
	if err != nil {
		return nil, err
	}
	var lines []line
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		lines = append(lines, line{time.Since(begin), s.Text()})
		fmt.Fprintln(w, s.Text())
	}
	if err := errors.Join(s.Err(), cmd.Wait()); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return lines, nil
}
