#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a machine on which install.sh ran a server of the cluster, as root.
# usage: server.sh INTERFACE KEY: the cluster's network, and a file with the key
# that all of its hosts have.
set -eu

interface=${1:?usage: server.sh INTERFACE KEY}
key=${2:?usage: server.sh INTERFACE KEY}

# A page that says who served, another that leads there, a file as large as a
# picture and a much larger one, the same on all servers. Who reads that one slowly
# is waited for.
cat >/etc/nginx/sites-available/cluster <<'EOF'
server {
	listen 80 default_server;
	listen [::]:80 default_server;
	root /srv/www;
	default_type text/plain;
	location = / { return 200 "$hostname\n"; }
	location = /start { return 302 /; }
	location = /large { send_timeout 2h; }
}
EOF
ln -sf ../sites-available/cluster /etc/nginx/sites-enabled/default
mkdir -p /srv/www
seq 20000 >/srv/www/picture
[ -e /srv/www/large ] || seq 100000000 | head -c 64M >/srv/www/large
systemctl enable nginx
systemctl restart nginx

install -m 600 "$key" /etc/dpr/report.key
sed -i "s/^interface = .*/interface = \"$interface\"/" /etc/dpr/dpr.toml
dprctl check
systemctl enable --now dpr.target dpr-exporter.service
# If they ran already it is with what was there before.
systemctl reload dpr-setup.service dpr-broadcast.service dpr-receive.service dpr-cleanup.service
