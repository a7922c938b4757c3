// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The client on which servers without dpr run, and their ports.
const (
	backendHost = "c2"
	nginxPort   = 9001
	haproxyPort = 9002
)

// The services of s1 that have backends: by the SYN, and by the request.
const (
	synPort     = 8101
	requestPort = 8102
)

// Each of them takes the PROXY protocol alone, and says at /who what client that names.
const backendNginxText = `daemon off;
user root;
pid DIR/nginx.pid;
error_log DIR/nginx.log warn;
events { worker_connections 1024; }
http {
	access_log off;
	default_type text/plain;
	client_max_body_size 0;
	client_body_temp_path DIR/temp;
	server {
		listen 9001 proxy_protocol;
		listen [::]:9001 proxy_protocol;
		root DIR;
		dav_methods PUT;
		location = /who { return 200 "$proxy_protocol_addr $proxy_protocol_port\n"; }
	}
}
`

const backendHAProxyText = `defaults
	mode http
	timeout connect 20s
	timeout client 100s
	timeout server 100s
frontend web
	bind :::9002 v4v6 accept-proxy
	http-request return status 200 content-type text/plain lf-string "%ci %cp\n" if { path /who }
	default_backend files
backend files
	server local 127.0.0.1:9001 send-proxy-v2
`

// serveBackends starts nginx and HAProxy on a client, where there is no dpr. The directory has
// the files of data.
func serveBackends(t *testing.T) string {
	t.Helper()
	at := t.TempDir()
	for size := range sizes {
		if err := os.Rename(fileOf(t, size), filepath.Join(at, size)); err != nil {
			t.Fatal(err)
		}
	}
	background := func(args ...string) {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cmd, err := shared.Command(ctx, backendHost, args...)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 10 * time.Second
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	}
	for name, text := range map[string]string{"nginx.conf": backendNginxText, "haproxy.cfg": backendHAProxyText} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(strings.ReplaceAll(text, "DIR", at)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	background("nginx", "-e", at+"/nginx.log", "-c", at+"/nginx.conf")
	background("haproxy", "-f", at+"/haproxy.cfg")
	return at
}

// nginx and HAProxy as backends of s1, of services that place connections by their SYN and by
// their requests: they learn the client's address and port, and every byte of downloads and
// uploads is right, also on a network that loses, doubles and reorders packets.
func TestBackends(t *testing.T) {
	at := serveBackends(t)
	t.Cleanup(func() {
		if err := shared.Check(); err != nil {
			t.Error(err)
		}
	})
	s1, c2 := shared.Servers()[0], shared.Clients()[1]
	sh(t, "s1", fmt.Sprintf("dprctl service add %d --policy lowest && dprctl service add %d --policy lowest --dispatch connection", synPort, requestPort))
	t.Cleanup(func() {
		sh(t, "s1", fmt.Sprintf("dprctl service del %d && dprctl service del %d", synPort, requestPort))
	})
	for name, port := range map[string]int{"nginx": nginxPort, "haproxy": haproxyPort} {
		for _, address := range []string{c2.Address, c2.Address6} {
			url := "http://" + s1.Address
			if strings.Contains(address, ":") {
				url = "http://[" + s1.Address6 + "]"
			}
			sh(t, "s1", fmt.Sprintf("dprctl backends set x %s --port %d --services %d,%d --proxy", address, port, synPort, requestPort))
			for _, service := range []int{synPort, requestPort} {
				t.Run(fmt.Sprintf("%s %s %d", name, address, service), func(t *testing.T) {
					useBackend(t, fmt.Sprintf("%s:%d", url, service), at)
					everywhere(t, spoil)
					t.Cleanup(func() { everywhere(t, mend) })
					useBackend(t, fmt.Sprintf("%s:%d", url, service), at)
				})
			}
			sh(t, "s1", "dprctl backends del x")
		}
	}
}

// useBackend asks the server behind a URL for things.
func useBackend(t *testing.T, url, at string) {
	t.Helper()
	curl := []string{"curl", "-sS", "--fail", "--max-time", "100"}
	var out string
	for tries := 0; ; tries++ {
		var err error
		// The first one may be too early for the servers.
		if out, err = ask(t, append(curl, "-w", "%{local_ip} %{local_port}\n", url+"/who")...); err == nil {
			break
		}
		if tries == 20 {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if told, is, _ := strings.Cut(out, "\n"); told == "" || told+"\n" != is {
		t.Errorf("the server names the client %q, it is %q", told, is)
	}
	for size := range sizes {
		if err := download(t, size, append(curl, url+"/"+size, "-o")...); err != nil {
			t.Error(err)
		}
	}
	if _, err := ask(t, append(curl, "-T", fileOf(t, "1m"), url+"/up")...); err != nil {
		t.Error(err)
	}
	if err := errors.Join(wantFile(filepath.Join(at, "up"), "1m"), os.Remove(filepath.Join(at, "up"))); err != nil {
		t.Error(err)
	}
}
