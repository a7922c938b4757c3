// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"context"
	"errors"
	"fmt"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/guest/data"
)

// The client on which servers without dpr run, and their ports.
const (
	backendHost = "c2"
	nginxPort   = 9001
	haproxyPort = 9002
	apachePort  = 9003
	ncPort      = 9004
)

// The services of s1 that have backends: by the SYN, and by the request.
const (
	synPort     = 8101
	requestPort = 8102
)

// Each of these takes the PROXY protocol alone, and says at /who what client that names.
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

// A file with SSI says who asks.
const backendApacheText = `ServerRoot DIR
PidFile DIR/apache.pid
ErrorLog DIR/apache.log
Mutex sem
User www-data
Group www-data
ServerName apache
Listen 9003
RemoteIPProxyProtocol On
DavLockDB DIR/dav
DocumentRoot DIR
<Directory DIR>
	Require all granted
	Options +Includes
	Dav On
</Directory>
<Files who>
	SetOutputFilter INCLUDES
</Files>
`

const backendWho = `<!--#echo var="REMOTE_ADDR" --> <!--#echo var="REMOTE_PORT" -->
`

// backendModules are those of that Apache.
var backendModules = []string{"mpm_event", "authz_core", "remoteip", "include", "dav", "dav_fs"}

// serveBackends starts nginx, HAProxy, Apache and nc on a client, where there is no dpr. The
// directory has the files of data.
func serveBackends(t *testing.T) string {
	t.Helper()
	at := t.TempDir()
	for _, size := range sizes {
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
	// Apache is not root.
	for path, mode := range map[string]os.FileMode{filepath.Dir(at): 0o755, at: 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"nginx.conf": backendNginxText, "haproxy.cfg": backendHAProxyText,
		"apache.conf": loadModules(backendModules) + backendApacheText, "who": backendWho} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(strings.ReplaceAll(text, "DIR", at)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	background("nginx", "-e", at+"/nginx.log", "-c", at+"/nginx.conf")
	background("haproxy", "-f", at+"/haproxy.cfg")
	background("apache2", "-D", "FOREGROUND", "-f", at+"/apache.conf")
	// One connection after the other, to which it sends a file, and of which it tells what came.
	background("sh", "-c", fmt.Sprintf("cd %s; while nc -6 -N -l %d <1m | sha256sum >>came; do :; done", at, ncPort))
	awaitListeners(t)
	return at
}

// awaitListeners returns once all backends listen: nothing later excuses one that does not answer.
func awaitListeners(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		listeners := sh(t, backendHost, "ss -Hltn")
		missing := ""
		for name, port := range backends {
			if !strings.Contains(listeners, fmt.Sprintf(":%d ", port)) {
				missing += " " + name
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("these do not listen:%s", missing)
		}
	}
}

// nginx, HAProxy, Apache and nc as backends of s1, of services that place connections by their SYN
// and by their requests: every byte of downloads and uploads is right, also on a network that loses,
// doubles and reorders packets. All but nc learn the client's address and port.
func TestBackends(t *testing.T) {
	at := serveBackends(t)
	everyBackend(t, backends, func(t *testing.T, port int, url string) {
		use := useBackend
		if port == ncPort {
			use = useNC
		}
		use(t, url, at)
		everywhere(t, spoil)
		t.Cleanup(func() { everywhere(t, mend) })
		use(t, url, at)
	})
}

// backends are the servers' ports.
var backends = map[string]int{"nginx": nginxPort, "haproxy": haproxyPort, "apache": apachePort, "nc": ncPort}

// everyBackend has s1 use one server after the other, of each family, for both services.
func everyBackend(t *testing.T, servers map[string]int, use func(t *testing.T, port int, url string)) {
	t.Helper()
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
	for name, port := range servers {
		for _, address := range []string{c2.Address, c2.Address6} {
			url := "http://" + s1.Address
			if strings.Contains(address, ":") {
				url = "http://[" + s1.Address6 + "]"
			}
			proxy := "--proxy"
			if port == ncPort {
				proxy = ""
			}
			sh(t, "s1", fmt.Sprintf("dprctl backends set x %s --port %d --services %d,%d %s", address, port, synPort, requestPort, proxy))
			for _, service := range []int{synPort, requestPort} {
				t.Run(fmt.Sprintf("%s %s %d", name, address, service), func(t *testing.T) {
					use(t, port, fmt.Sprintf("%s:%d", url, service))
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
	out, err := ask(t, append(curl, "-w", "%{local_ip} %{local_port}\n", url+"/who")...)
	if err != nil {
		t.Fatal(err)
	}
	if told, is, _ := strings.Cut(out, "\n"); told == "" || told+"\n" != is {
		t.Errorf("the server names the client %q, it is %q", told, is)
	}
	for _, size := range sizes {
		if err := download(t, size, append(curl, url+"/"+size, "-o")...); err != nil {
			t.Error(err)
		}
	}
	if err := download(t, "200k", "wget", "-q", "--no-config", "--tries=1", "--timeout=60", url+"/200k", "-O"); err != nil {
		t.Error(err)
	}
	if err := h2load(t, 60, 6, "--h1", url+"/15k"); err != nil {
		t.Error(err)
	}
	if _, err := ask(t, append(curl, "-T", fileOf(t, "1m"), url+"/up")...); err != nil {
		t.Error(err)
	}
	if err := errors.Join(wantFile(filepath.Join(at, "up"), "1m"), os.Remove(filepath.Join(at, "up"))); err != nil {
		t.Error(err)
	}
}

// useNC sends the server behind a URL a file, while it sends the same one.
func useNC(t *testing.T, url, at string) {
	t.Helper()
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	want, err := data.Sum(sizeOf("1m"))
	if err != nil {
		t.Fatal(err)
	}
	came := filepath.Join(at, "came")
	// Between two connections the server does not listen, and dpr-cleanup's probes are some.
	for tries := 0; ; tries++ {
		if err := os.Truncate(came, 0); err != nil {
			t.Fatal(err)
		}
		out, err := ask(t, "sh", "-c", fmt.Sprintf("nc -N %s %s <%s/1m | sha256sum", u.Hostname(), u.Port(), at))
		sums, _ := os.ReadFile(came)
		if err == nil && strings.HasPrefix(out, want) {
			// The server says what came a moment later.
			for i := 0; i < 100 && !strings.Contains(string(sums), want); i++ {
				time.Sleep(100 * time.Millisecond)
				sums, _ = os.ReadFile(came)
			}
			if strings.Contains(string(sums), want) {
				return
			}
		}
		if tries == 20 || err == nil && out != emptySum {
			t.Fatalf("the client got %q, the server %q, want %s: %v", out, sums, want, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// 100 MB each way by nginx as a backend are right on a network that loses 1 % of all packets, in
// both directions.
func TestBackendsLarge(t *testing.T) {
	const large = "100m"
	at := serveBackends(t)
	if err := os.Rename(fileOf(t, large), filepath.Join(at, large)); err != nil {
		t.Fatal(err)
	}
	everyBackend(t, map[string]int{"nginx": nginxPort}, func(t *testing.T, _ int, url string) {
		useBackend(t, url, at)
		everywhere(t, "tc qdisc add dev eth0 root netem delay 4ms 2ms loss 1% limit 10000")
		t.Cleanup(func() { everywhere(t, "tc qdisc del dev eth0 root") })
		curl := []string{"curl", "-sS", "--fail", "-w", "%{time_total} s\n"}
		got := filepath.Join(t.TempDir(), large)
		begun := time.Now()
		if _, err := askFor(t, largeTimeout, append(curl, url+"/"+large, "-o", got)...); err != nil {
			t.Fatal(err)
		}
		down := time.Since(begun)
		up := filepath.Join(at, "up")
		if _, err := askFor(t, largeTimeout, append(curl, "-T", filepath.Join(at, large), url+"/up")...); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s down in %v, and up in %v", large, down, time.Since(begun)-down)
		if err := errors.Join(wantFile(got, large), wantFile(up, large), os.Remove(up), os.Remove(got)); err != nil {
			t.Error(err)
		}
	})
}

// largeTimeout bounds 100 MB by an emulated host, on a network that loses packets.
const largeTimeout = 15 * time.Minute

// emptySum is what sha256sum says of nothing.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -\n"
