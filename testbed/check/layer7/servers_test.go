// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"fmt"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/guest/data"
)

// A server is a program that serves the files of root at a port, on all hosts.
type server struct {
	name string
	port int
	tls  bool
	h2   bool // without TLS: by prior knowledge
	only bool // h2 only
	puts bool // takes uploads, which have a rule without TLS
}

var servers = []server{
	{name: "nginx", port: 8001, puts: true},
	{name: "nginx reuseport", port: 8002, puts: true},
	{name: "nginx deferred", port: 8003, puts: true},
	{name: "apache event", port: 8004, h2: true},
	{name: "haproxy", port: 8005, puts: true},
	{name: "mini_httpd", port: 8006},
	{name: "go", port: 8007, h2: true, puts: true},
	{name: "nginx h2c", port: 8009, h2: true, only: true},
	{name: "nginx tls", port: 8443, tls: true},
	{name: "go tls", port: 8444, tls: true},
}

// The Go server's other port: it speaks first there.
const speakerPort = 8008

// ports are all services.
func ports() []int {
	all := []int{speakerPort}
	for _, s := range servers {
		all = append(all, s.port)
	}
	return all
}

// Where things are on a host. root has the same files in itself and in two directories:
// who, with the host's name, and files of package data by their sizes.
const (
	dir  = "/run/l7"
	root = dir + "/www"
)

// sizes are the files' names.
var sizes = []string{"15k", "200k", "1m"}

// sizeOf is a file's size, bytes.
func sizeOf(name string) int64 {
	n, err := data.ParseSize(name)
	if err != nil {
		panic(err)
	}
	return n
}

// filesCommand makes the files.
const filesCommand = "mkdir -p " + dir + " && for d in " + root + " " + root + "/images " + root + "/api; do " +
	"mkdir -p $d && cp /srv/www/15k /srv/www/1m $d/ && head -c 200000 $d/1m >$d/200k && hostname >$d/who && echo \"<p>served by $(hostname)</p>\" >$d/page.html && chmod -R a+rX $d; done; mkdir -p " + root + "/up; chmod 777 " + root + "/up"

const nginxText = `daemon on;
user root;
worker_processes 2;
pid DIR/nginx.pid;
error_log DIR/nginx.log warn;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
	access_log off;
	types { text/html html; }
	default_type application/octet-stream;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000;
	client_max_body_size 0;
	client_body_temp_path DIR/temp;
	ssl_certificate DIR/cert.pem;
	ssl_certificate_key DIR/cert.pem;
	server {
		listen 8001 backlog=1024;
		listen [::]:8001 backlog=1024;
		listen 8002 reuseport backlog=1024;
		listen [::]:8002 reuseport backlog=1024;
		listen 8003 deferred backlog=1024;
		listen [::]:8003 deferred backlog=1024;
		listen 8009 http2 backlog=1024;
		listen [::]:8009 http2 backlog=1024;
		listen 8443 ssl http2 backlog=1024;
		listen [::]:8443 ssl http2 backlog=1024;
		listen unix:DIR/nginx.sock;
		root DIR/www;
		dav_methods PUT;
	}
}
`

const haproxyText = `global
	maxconn 2000
defaults
	mode http
	timeout connect 20s
	timeout client 100s
	timeout server 100s
frontend web
	bind :::8005 v4v6
	default_backend files
backend files
	server local unix@DIR/nginx.sock
`

// apacheModules are what Debian's Apache does not have built in.
var apacheModules = []string{"mpm_event", "authz_core", "http2"}

func apacheModule(name string) string { return "/usr/lib/apache2/modules/mod_" + name + ".so" }

// loadModules is Apache's configuration that loads some.
func loadModules(names []string) string {
	var b strings.Builder
	for _, m := range names {
		fmt.Fprintf(&b, "LoadModule %s_module %s\n", m, apacheModule(m))
	}
	return b.String()
}

func apacheText() string {
	return loadModules(apacheModules) + `ServerRoot DIR
PidFile DIR/apache.pid
ErrorLog DIR/apache.log
Mutex sem
User www-data
Group www-data
ServerName apache
Listen 8004
Protocols h2c http/1.1
MaxKeepAliveRequests 0
KeepAliveTimeout 100
DocumentRoot DIR/www
<Directory DIR/www>
	Require all granted
</Directory>
`
}

// serverFiles are the servers' configurations, by their paths.
func serverFiles() map[string]string {
	files := map[string]string{"nginx.conf": nginxText, "haproxy.cfg": haproxyText, "apache.conf": apacheText()}
	all := make(map[string]string)
	for name, text := range files {
		all[filepath.Join(dir, name)] = strings.ReplaceAll(text, "DIR", dir)
	}
	return all
}

// serverCommands start them.
var serverCommands = []string{
	"/usr/sbin/nginx -c " + dir + "/nginx.conf",
	"haproxy -D -q -p " + dir + "/haproxy.pid -f " + dir + "/haproxy.cfg",
	"apache2 -f " + dir + "/apache.conf",
	"mini_httpd -p 8006 -d " + root + " -u root -i " + dir + "/mini_httpd.pid -l " + dir + "/mini_httpd.log",
	"(setsid " + dir + "/layer7.test go-server >" + dir + "/go.log 2>&1 </dev/null &)",
}
