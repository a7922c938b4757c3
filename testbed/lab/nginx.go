// SPDX-License-Identifier: MIT

package lab

import (
	"cmp"
	"strings"

	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/service"
	"dpr/testbed/lab/initramfs"
)

// Where a server's nginx keeps what is its own.
const (
	nginxConf = "/etc/nginx/nginx.conf"
	accessLog = "/var/log/nginx/access.log"
	uploadDir = "/srv/upload"
)

// nginxService runs nginx in the foreground.
var nginxService = service.Spec{Name: "nginx", Args: []string{"/usr/sbin/nginx", "-c", nginxConf}}

// accessFormat: connection number, requests on it so far, status, bytes sent,
// client, server address, seconds, method, URI. Served relies on the first four.
const accessFormat = `$connection $connection_requests $status $bytes_sent $remote_addr $server_addr $request_time $request_method $uri`

// nginxConfig returns the configuration of a server's nginx. Of nginx's own
// modules only the delay of a refusal keeps a client waiting: /poll refuses all,
// and says so by a file.
func nginxConfig(accessRate, chunk string) string {
	limit, sending := "", "sendfile on; tcp_nopush on;"
	if chunk != "" {
		// sendfile takes whole pages, and the kernel would wait for whole segments.
		sending = "sendfile off; tcp_nopush off; output_buffers 1 " + chunk + "; postpone_output 0;"
	}
	if accessRate != "" {
		// nginx sends a second's worth of bytes at once, and so most answers
		// whole; in chunks it waits after each as long as the rate asks.
		limit = "limit_rate " + accessRate + "; sendfile_max_chunk " + cmp.Or(chunk, "4k") + ";"
	}
	return strings.NewReplacer("ACCESS_LOG", accessLog, "FORMAT", accessFormat, "LIMIT", limit, "SENDING", sending,
		"WEB_ROOT", guest.WebRoot).Replace(`daemon off;
worker_processes 1;
user root;
pid /run/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	types { text/plain txt; }
	default_type application/octet-stream;
	log_format lab 'FORMAT';
	access_log ACCESS_LOG lab;
	SENDING
	keepalive_timeout 65;
	keepalive_requests 1000000;
	add_header X-Served-By $hostname;
	client_max_body_size 0;
	client_body_temp_path /srv/upload.tmp;
	LIMIT
	server {
		listen 80 default_server backlog=4096;
		listen [::]:80 default_server backlog=4096;
		root WEB_ROOT;
		location = / { default_type text/plain; return 200 "$hostname\n"; }
		location = /status { stub_status; access_log off; }
		location = /poll {
			auth_basic poll;
			auth_basic_user_file /dev/null;
			auth_delay 5s;
			error_page 401 =200 /15k;
		}
		location /upload/ {
			root /srv;
			dav_methods PUT DELETE;
		}
	}
}
`)
}

// webServer adds the directories that nginx needs.
func webServer(im initramfs.Image) {
	for _, d := range []string{"/var/log/nginx", "/var/lib/nginx", guest.WebRoot, uploadDir, "/srv/upload.tmp"} {
		im.Dir(d, 0o755)
	}
}
