// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client that takes a port again while a host still has the last connection
// of that port in TIME_WAIT, or a closing flow of it, gets a new, working
// connection, whatever the policy was then and is now. Clients do so all the
// time: the kernel picks among 28,000 ports at random.
func TestReusedPorts(t *testing.T) {
	l := start(t)
	const first, ports = 42000, 20
	for i, policy := range []string{"off", "stateless", "lowest", "stateless", "off", "inverse", "stateless"} {
		policyEverywhere(t, l, policy)
		served := make(map[string]int)
		for port := first; port < first+ports; port++ {
			err := l.InNamespace("c1", func() error {
				host, err := fetchFrom(t.Context(), port, address(t, "s1")+":80")
				served[host]++
				return err
			})
			if err != nil {
				t.Errorf("%d. %s: %v", i+1, policy, err)
			}
		}
		t.Logf("%d. %s: %v", i+1, policy, served)
		if t.Failed() {
			return // connections that hang keep their ports from the next round
		}
		if n := served["s1"] + served["s2"] + served["s3"]; n != ports {
			t.Errorf("%d. %s: %d of %d connections served", i+1, policy, n, ports)
		}
		if policy == "stateless" && served["s2"]+served["s3"] == 0 {
			t.Errorf("%d. %s: nothing was redirected", i+1, policy)
		}
	}
}

// fetchFrom asks a server, from a port of the client, for the name of the host
// that serves. It reads until the server closes, so that the TIME_WAIT is there
// and the port is free here.
func fetchFrom(ctx context.Context, port int, server string) (string, error) {
	dialer := net.Dialer{
		LocalAddr: &net.TCPAddr{Port: port},
		Timeout:   5 * time.Second,
		Control: func(_, _ string, conn syscall.RawConn) error {
			var err error
			controlErr := conn.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
			})
			return errors.Join(controlErr, err)
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp4", server)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", fmt.Errorf("from port %d: %w", port, err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("from port %d: %w", port, err)
	}
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	return strings.TrimSpace(body), nil
}
