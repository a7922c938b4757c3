// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A talker is a TCP connection of the client.
type talker struct {
	net.Conn
	in *bufio.Reader
}

func dial(e entry, port int) (*talker, error) {
	var conn net.Conn
	err := shared.InNamespace(client, func() (err error) {
		conn, err = net.DialTimeout("tcp", fmt.Sprintf("%s:%d", e.at, port), 30*time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &talker{conn, bufio.NewReader(conn)}, conn.SetDeadline(time.Now().Add(time.Minute))
}

// converse sends texts and expects lines: those that begin with "> " are sent.
func (k *talker) converse(lines ...string) error {
	for _, line := range lines {
		if text, send := strings.CutPrefix(line, "> "); send {
			if _, err := io.WriteString(k, text); err != nil {
				return err
			}
			continue
		}
		got, err := k.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w, want %q", err, line)
		}
		if got = strings.TrimRight(got, "\r\n"); got != line {
			return fmt.Errorf("%q, want %q", got, line)
		}
	}
	return nil
}

// talk is a whole connection.
func talk(e entry, port int, lines ...string) error {
	k, err := dial(e, port)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.converse(lines...)
}

func serverOf(name string) server {
	for _, s := range servers {
		if s.name == name {
			return s
		}
	}
	return server{}
}

// Connections that leave HTTP once they are placed.
func TestUpgradeAndConnect(t *testing.T) {
	start(t)
	s := serverOf("go")
	for _, e := range entries() {
		judge(t, s, "upgrade", talk(e, s.port,
			"> GET /api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols", "Upgrade: echo", "Connection: Upgrade", "", "s3", "> one\n", "one", "> two\n", "two"))
		judge(t, s, "connect", talk(e, s.port,
			"> CONNECT www.two.test:443 HTTP/1.1\r\nHost: www.two.test:443\r\n\r\n", "HTTP/1.1 200 OK", "", "s2", "> one\n", "one"))
	}
}

// A request whose body, or whose second request, comes in the same segment.
func TestBodies(t *testing.T) {
	start(t)
	s := serverOf("go")
	for _, e := range entries() {
		out, err := ask(t, curlCommand(s, "--data-binary", "@"+fileOf(t, "1m"), e.url(s, "/api/post"))...)
		if err == nil && !strings.HasPrefix(out, "s3 ") {
			err = fmt.Errorf("served by %q", out)
		}
		judge(t, s, "post", err)
		k, err := dial(e, s.port)
		if err == nil {
			_, err = io.WriteString(k, "GET /images/who HTTP/1.1\r\nHost: x\r\n\r\nGET /api/who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			var all []byte
			if err == nil {
				all, err = io.ReadAll(k.in)
			}
			if n := strings.Count(string(all), "s2\n"); err == nil && n != 2 {
				err = fmt.Errorf("two requests in one segment: %q", all)
			}
			k.Close()
		}
		judge(t, s, "pipelined", err)
	}
}

// A server that speaks first gets its connections by the default group, after a second of
// silence.
func TestSpeaksFirst(t *testing.T) {
	start(t)
	for _, e := range entries() {
		judge(t, server{name: "go, speaks first"}, "silent", talk(e, speakerPort, "220 s1", "> a\n", "s1 a"))
		judge(t, server{name: "go, speaks first"}, "not silent", talk(e, speakerPort, "> a\n", "220 s1", "s1 a"))
	}
}

// Half a request for ever: the default group gets it after a second, and what follows.
func TestHalf(t *testing.T) {
	start(t)
	for _, s := range servers {
		if s.tls || s.only {
			continue
		}
		for _, e := range few() {
			k, err := dial(e, s.port)
			if err == nil {
				_, err = io.WriteString(k, "GET /imag")
				time.Sleep(1500 * time.Millisecond)
				if err == nil {
					_, err = io.WriteString(k, "es/who HTTP/1.0\r\nHost: x\r\n\r\n")
				}
				var all []byte
				if err == nil {
					all, err = io.ReadAll(k.in)
				}
				if err == nil && !strings.HasSuffix(string(all), "\ns1\n") {
					err = fmt.Errorf("half a request, and the rest: %q", all)
				}
				k.Close()
			}
			judge(t, s, "half", err)
		}
	}
}

// While many clients have sent half a request, others are served.
func TestManyHalves(t *testing.T) {
	start(t)
	const halves = 300
	s := serverOf("nginx")
	e := entries()[0]
	slowest := func() (worst time.Duration) {
		for range 20 {
			begun := time.Now()
			judge(t, s, "curl beside halves", wantWho(t, "s2", curlCommand(s, e.url(s, "/images/who"))))
			worst = max(worst, time.Since(begun))
		}
		return worst
	}
	before := slowest()
	var open []*talker
	defer func() {
		for _, k := range open {
			k.Close()
		}
	}()
	for range halves {
		k, err := dial(e, s.port)
		if err == nil {
			open = append(open, k)
			_, err = io.WriteString(k, "GET /api/who HTTP/1.1\r\nHost: ")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	during := slowest()
	t.Logf("the slowest of 20 requests: %v before, %v with %d halves", before.Round(time.Millisecond), during.Round(time.Millisecond), len(open))
	// The halves can still be finished; they are the default group's by now.
	time.Sleep(1500 * time.Millisecond)
	for _, k := range open[:10] {
		_, err := io.WriteString(k, "x\r\nConnection: close\r\n\r\n")
		all, e := io.ReadAll(k.in)
		if err = errors.Join(err, e); err == nil && !strings.HasSuffix(string(all), "\ns1\n") {
			err = fmt.Errorf("%q", all)
		}
		judge(t, s, "half", err)
	}
}
