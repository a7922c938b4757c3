#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a machine on which install.sh ran a server of the cluster, as root.
# usage: server.sh INTERFACE KEY [FORWARDING [ANSWERS [SHARED SHARED6]]]: the cluster's
# network, and a file with the key that all of its hosts have; how packets and answers go,
# and an IPv4 and an IPv6 address that all hosts have. Those that are "" are left out.
set -eu

usage='usage: server.sh INTERFACE KEY [FORWARDING [ANSWERS [SHARED SHARED6]]]'
interface=${1:?$usage}
key=${2:?$usage}
forwarding=${3-}
answers=${4-}
shared=${5-}
shared6=${6-}

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
rm -f /etc/dpr/conf.d/50-roads.toml
[ -z "$forwarding$answers$shared" ] || mkdir -p /etc/dpr/conf.d
[ -z "$forwarding$answers$shared" ] || {
	[ -z "$forwarding" ] || echo "forwarding = \"$forwarding\""
	[ -z "$answers" ] || echo "answers = \"$answers\""
	[ -z "$shared" ] || echo 'orphans = "ask"'
} >/etc/dpr/conf.d/50-roads.toml
dprctl check
systemctl enable --now dpr.target dpr-exporter.service
# If they ran already it is with what was there before.
systemctl reload dpr-setup.service dpr-broadcast.service dpr-receive.service dpr-cleanup.service

[ -n "$shared" ] || exit 0
# One address on all hosts, as docs/operations.md says; a unit gives it to lo at each boot.
examples=/usr/share/dpr/keepalived
cp $examples/80-dpr-holder.conf /etc/sysctl.d/
sysctl -q --system
cat >/etc/systemd/system/dpr-shared.service <<UNIT
[Unit]
Description=The address that all hosts of the cluster have
After=network.target
[Service]
Type=oneshot
ExecStart=/usr/sbin/ip address replace $shared/32 dev lo
ExecStart=/usr/sbin/ip address replace $shared6/128 dev lo
[Install]
WantedBy=multi-user.target
UNIT
cp $examples/dpr-holder.service /etc/systemd/system/
mkdir -p /etc/keepalived
sed -e "s,192\.0\.2\.80/,$shared/," -e "s,2001:db8::80/,$shared6/," -e "s/interface eth0/interface $interface/" \
	$examples/keepalived.conf >/etc/keepalived/keepalived.conf
systemctl daemon-reload
systemctl enable dpr-shared dpr-holder
systemctl restart dpr-shared dpr-holder
DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install keepalived
systemctl restart keepalived
