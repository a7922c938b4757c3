// SPDX-License-Identifier: MIT

package sockets

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// serveIn is set when the test runs itself in a network namespace of its own.
const serveIn = "DPR_TEST_SOCKETS_NAMESPACE"

// Connections to the ports count while they are open, not those of other
// ports, of loopback, or that are only listened for.
func TestCount(t *testing.T) {
	if os.Getenv(serveIn) == "" {
		inNamespace(t)
		return
	}
	for _, args := range []string{"link set lo up", "addr add 192.0.2.1/32 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	want := func(n int) {
		t.Helper()
		if got, err := Count(t.Context(), []uint16{80, 443}); err != nil || got != n {
			t.Errorf("%d connections, %v; want %d", got, err, n)
		}
	}
	v4, dual := listen(t, "tcp4", "192.0.2.1:80"), listen(t, "tcp", "[::]:443")
	other, loop := listen(t, "tcp4", "192.0.2.1:81"), listen(t, "tcp4", "127.0.0.1:80")
	want(0)
	a := connect(t, v4, "192.0.2.1:80")
	connect(t, dual, "192.0.2.1:443")
	connect(t, other, "192.0.2.1:81")
	connect(t, loop, "127.0.0.1:80")
	want(2)
	a.Close() // the server's end is left in CLOSE_WAIT
	want(2)
}

// inNamespace runs the test again where no other connections are.
func inNamespace(t *testing.T) {
	cmd := exec.Command("unshare", "--net", os.Args[0], "-test.run", "^TestCount$", "-test.v")
	cmd.Env = append(os.Environ(), serveIn+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestCount") {
		t.Fatalf("%v (are we root?)\n%s", err, out)
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// connect opens a connection whose server's end stays open, and returns the
// client's.
func connect(t *testing.T, l net.Listener, to string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c
}

func TestShortAnswer(t *testing.T) {
	if _, _, err := parse(make([]byte, messageLen-1)); err == nil {
		t.Error("no error")
	}
}
