// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"strings"

	"dpr/testbed/lab"
	"dpr/testbed/lab/family"
)

// prepare makes the servers ready for all systems: those behind s1 take handovers, and s1
// has the configurations of the proxies.
func (b *l7Bench) prepare(ctx context.Context) error {
	servers := b.Servers()
	for _, s := range servers {
		if err := b.sh(ctx, s.Name, "dprctl service set 80 --policy off --dispatch connection"); err != nil {
			return err
		}
	}
	behind := servers[1:]
	return b.sh(ctx, servers[0].Name, fmt.Sprintf(`dprctl service set 80 --dispatch syn &&
		cat >/root/l7.rules <<'END' && cat >/root/l7.haproxy <<'END2' && cat >/root/l7.nginx <<'END3'
%sEND
%sEND2
%sEND3
`, l7Rules(behind), l7HAProxyConfig(behind), l7NginxConfig(behind)))
}

func (b *l7Bench) sh(ctx context.Context, host, command string) error {
	if command == "" {
		return nil
	}
	_, err := b.Output(ctx, host, "sh", "-c", command)
	return err
}

// l7Rules are rules that look at the path, as the proxies do.
func l7Rules(servers []lab.Host) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, fmt.Sprintf("%q", s.Address))
	}
	return fmt.Sprintf(`[[group]]
name = "behind"
hosts = [%s]
[[group]]
name = "none"
hosts = [%[1]s]
[[rule]]
group = "none"
path = "/images"
[[rule]]
group = "behind"
path = "/"
`, strings.Join(hosts, ", "))
}

// l7HAProxyConfig has HAProxy look at paths, too, and keep its connections with the
// servers, as it does by default.
func l7HAProxyConfig(servers []lab.Host) string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
	maxconn 8192
defaults
	mode http
	timeout connect 20s
	timeout client 60s
	timeout server 60s
frontend web
	bind 0.0.0.0:%d
	use_backend images if { path_beg /images }
	default_backend behind
`, haproxyPort)
	for _, name := range []string{"images", "behind"} {
		fmt.Fprintf(&b, "backend %s\n\tbalance leastconn\n\thttp-reuse always\n", name)
		for _, s := range servers {
			fmt.Fprintf(&b, "\tserver %s %s\n", s.Name, s.Endpoint(family.V4, 80))
		}
	}
	return b.String()
}

// l7NginxConfig is the same for nginx.
func l7NginxConfig(servers []lab.Host) string {
	var b strings.Builder
	b.WriteString(`user root;
pid /run/l7-nginx.pid;
error_log /run/l7-nginx.log;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	access_log off;
	keepalive_requests 1000000;
	proxy_buffers 8 64k;
	proxy_max_temp_file_size 0;
	upstream behind {
		least_conn;
`)
	for _, s := range servers {
		fmt.Fprintf(&b, "\t\tserver %s;\n", s.Endpoint(family.V4, 80))
	}
	fmt.Fprintf(&b, `		keepalive 32;
	}
	server {
		listen %d backlog=4096;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		location /images { proxy_pass http://behind; }
		location / { proxy_pass http://behind; }
	}
}
`, nginxPort)
	return b.String()
}
