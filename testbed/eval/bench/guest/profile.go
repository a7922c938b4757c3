// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dpr/testbed/eval/bench/wire"
)

// kernelLog reads what the kernel logs from its opening on.
type kernelLog struct{ fd int }

func openKernelLog() (*kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the kernel's log: %w", err)
	}
	l := &kernelLog{fd}
	if _, err := unix.Seek(fd, 0, io.SeekEnd); err != nil {
		return nil, errors.Join(fmt.Errorf("going to the end of the kernel's log: %w", err), l.Close())
	}
	return l, nil
}

// rest returns what was logged, a line a message.
func (l *kernelLog) rest() (string, error) {
	var text strings.Builder
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(l.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return text.String(), nil
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue // overwritten meanwhile
		case err != nil:
			return "", fmt.Errorf("reading the kernel's log: %w", err)
		}
		// "LEVEL,NUMBER,TIME,FLAGS;MESSAGE"
		_, message, _ := strings.Cut(string(buf[:n]), ";")
		text.WriteString(message)
	}
}

func (l *kernelLog) Close() error { return unix.Close(l.fd) }

// profilePrefix begins the lines of the module's profile: the number of samples and
// the function, with its module, or "all" for the sum.
const profilePrefix = "dprinject-profile:"

// profileOf returns where the time of a packet goes that costs so much. What is run has the
// module print it, and returns what building a packet takes besides.
func profileOf(cost float64, run func() (base float64, err error)) (p wire.Profile, err error) {
	log, err := openKernelLog()
	if err != nil {
		return p, err
	}
	defer log.Close()
	base, err := run()
	if err != nil {
		return p, err
	}
	text, err := log.rest()
	if err != nil {
		return p, err
	}
	p.Packet = cost + base
	p.Functions, err = parseProfile(text)
	return p, err
}

// parseProfile finds a profile in the kernel's log.
func parseProfile(log string) ([]wire.Function, error) {
	var functions []wire.Function
	var total float64
	for line := range strings.Lines(log) {
		_, rest, ok := strings.Cut(line, profilePrefix)
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		if len(f) < 2 {
			return nil, fmt.Errorf("profile: unexpected line %q", line)
		}
		samples, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			return nil, fmt.Errorf("profile: unexpected line %q: %w", line, err)
		}
		if f[1] == "all" {
			total = samples
			continue
		}
		if module := f[len(f)-1]; module == "["+injectModule+"]" || module == "["+nicModule+"]" {
			continue // it is not what is asked for
		}
		functions = append(functions, wire.Function{Name: strings.Join(f[1:], " "), Share: samples})
	}
	if len(functions) == 0 || total <= 0 {
		return nil, errors.New("profile: the kernel's log has none")
	}
	for i := range functions {
		functions[i].Share /= total
	}
	return functions, nil
}
