// SPDX-License-Identifier: MIT

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CaptureOptions says what to capture.
type CaptureOptions struct {
	File    string // gets the packets, format pcap
	Filter  string // as in pcap-filter(7); "" = all packets
	Snaplen int    // bytes kept of each packet; 0 = all
}

// Capture is a running capture.
type Capture struct {
	cmd   *exec.Cmd
	lines <-chan string // what tcpdump says
}

// CaptureStats is what came of a capture.
type CaptureStats struct {
	Captured int64 // packets in the file
	Dropped  int64 // packets missed
}

// Capture begins to capture all packets that a host sends and receives, as they
// are on its link: a server's at its tap device, a client's at its eth0. It
// returns once packets are being captured. If ctx ends the capture ends as by
// Stop.
func (l *Lab) Capture(ctx context.Context, host string, o CaptureOptions) (*Capture, error) {
	h, err := l.Host(host)
	if err != nil {
		return nil, err
	}
	ns, dev := namespaceOf(l.state.Name, ""), h.Name
	if h.Kind == Client {
		ns, dev = namespaceOf(l.state.Name, h.Name), "eth0"
	}
	// Immediate mode and -U: what was captured is in the file when it stops.
	args := []string{"netns", "exec", ns, "tcpdump", "-n", "-i", dev, "-w", o.File, "-U", "--immediate-mode",
		"-B", "16384", "-s", strconv.Itoa(o.Snaplen), "-Z", "root"}
	if o.Filter != "" {
		args = append(args, o.Filter)
	}
	c := &Capture{cmd: exec.CommandContext(ctx, "ip", args...)}
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGINT) }
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for Stop's caller
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("capturing on %s: %w", host, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("capturing on %s: %w", host, err)
	}
	c.lines = readLines(stderr)
	var said []string
	for line := range c.lines {
		if strings.Contains(line, "listening on ") {
			return c, nil
		}
		said = append(said, line)
	}
	return nil, fmt.Errorf("capturing on %s: tcpdump: %w: %s", host, c.cmd.Wait(), strings.Join(said, "; "))
}

func readLines(r io.Reader) <-chan string {
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(r)
		for s.Scan() {
			lines <- s.Text()
		}
	}()
	return lines
}

// captureGrace is the time that packets get from the wire into the file.
const captureGrace = 200 * time.Millisecond

var captureCount = regexp.MustCompile(`^(\d+) packets? (captured|dropped by kernel|dropped by interface)`)

// Stop ends the capture and waits until the file is complete.
func (c *Capture) Stop() (CaptureStats, error) {
	time.Sleep(captureGrace)
	err := c.cmd.Process.Signal(syscall.SIGINT)
	if errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	return c.wait(err)
}

// Wait waits until the capture's context has ended it.
func (c *Capture) Wait() (CaptureStats, error) { return c.wait(nil) }

func (c *Capture) wait(err error) (CaptureStats, error) {
	var st CaptureStats
	var said []string
	for line := range c.lines {
		said = append(said, line)
		if m := captureCount.FindStringSubmatch(line); m != nil {
			n, perr := strconv.ParseInt(m[1], 10, 64)
			err = errors.Join(err, perr)
			if m[2] == "captured" {
				st.Captured = n
			} else {
				st.Dropped += n
			}
		}
	}
	werr := c.cmd.Wait()
	if errors.Is(werr, context.Canceled) || errors.Is(werr, context.DeadlineExceeded) {
		werr = nil // it was asked to end, and did
	}
	if err = errors.Join(err, werr); err != nil {
		return st, fmt.Errorf("capturing: %w: %s", err, strings.Join(said, "; "))
	}
	return st, nil
}
