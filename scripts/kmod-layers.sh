#!/bin/sh
# SPDX-License-Identifier: MIT
# The module's layers, lowest first: a file includes only headers of its own line
# and of lines above it in this list, and calls only functions defined there. So
# no two files depend on each other. A header and its .c file are one line, unless
# the header only declares a type that lower files need to know.
# usage: kmod-layers.sh [DIRECTORY]: where the module's objects are; without it
# only the includes are looked at.
set -eu

cd "$(dirname "$0")/../kmod"

order() {
	cat <<-'END'
	# pure: also compiled in user space
	core/user.h
	core/addr.h
	core/parse
	core/policy
	core/affinity
	core/choose
	core/request.h
	core/http_head
	core/http_frame
	core/client_hello
	core/rule
	core/rule_check
	# the kernel, and the state of a namespace
	compat.h
	local.h
	stats
	netns
	config.h
	genl_msg
	event
	quota
	# what a host knows
	route
	socket
	conntrack
	ruleset
	service.h
	tally
	peer.h
	load_table
	peer.c
	service.c
	open
	load
	members
	flow.h
	half_open
	flow.c
	# how packets and messages get to peers and clients
	fwd_ipip
	fwd_ip6
	fwd
	fwd_direct
	reset
	owner_msg
	ask
	source
	probe
	liveness
	held
	group
	batch
	denial
	owner_table
	owner
	expire
	sweep
	closing
	mss
	# what becomes of a packet
	listener
	inner
	protected
	miss
	deliver
	decide.h
	rules
	offer
	refuse
	way
	handover_msg
	backend
	splice_table
	splice_tcp.h
	splice_track
	splice_shift
	splice_out
	splice_make
	splice_proxy
	splice_send
	splice_open
	migrate_watch
	migrate_socket
	migrate_where
	handover_seen
	handover_table
	answer
	through
	handover_synack
	handover_child
	handover_send
	handover_keep
	handover_rules
	handover_here
	handover_splice
	handover_place
	handover_opened
	handover
	handover_back
	handover_take
	migrate
	icmp_about
	receive
	splice_icmp
	splice
	syn
	steer
	icmp
	# the ways in: packets and commands
	hook
	xdp.h
	xdp.c
	xdp_btf
	config.c
	genl.h
	genl_backend
	genl_config
	genl_service
	genl_rules
	genl_peer
	genl_peer_get
	genl_peer_ask
	genl_flow
	genl.c
	main
	END
}

# uses: "FILE USED", for each header included and, with objects, each file whose
# symbol is used.
uses() {
	for file in *.[ch] core/*.[ch]; do
		sed -n 's/^#include "\(.*\)".*/\1/p' "$file" | while read -r header; do
			for used in "$(dirname "$file")/$header" "$header"; do
				[ ! -e "$used" ] || { echo "$file ${used#./} includes"; break; }
			done
		done
	done
	[ -n "$1" ] || return 0
	for file in *.c core/*.c; do
		case $file in *.mod.c) continue ;; esac
		[ -e "$1/${file%.c}.o" ] || { echo "kmod-layers: $file has no object in $1" >&2; exit 1; }
		nm "$1/${file%.c}.o" | awk -v file="$file" 'NF == 2 { print file, $2, "symbol" } NF == 3 && $2 ~ /[A-Z]/ { print file, $3, "defines" }'
	done
}

{
	order | grep -v '^#' | sed 's/^/order /'
	for file in *.[ch] core/*.[ch]; do
		case $file in *.mod.c) ;; *) echo "file $file" ;; esac
	done
	uses "${1:-}"
	echo end
} | awk '
	$1 == "order" {
		n++
		if ($2 ~ /\.[ch]$/)
			rank[$2] = n
		else
			rank[$2 ".c"] = rank[$2 ".h"] = n
		next
	}
	$1 == "end" { ended = 1; next }
	$1 == "file" { if (!($2 in rank)) say($2 " has no place in the list"); next }
	$3 == "includes" { if (rank[$2] > rank[$1]) say($1 " includes " $2 ", which is above it"); next }
	$3 == "defines" { defined[$2] = $1; next }
	{ user[++users] = $1; symbol[users] = $2 }
	END {
		if (!ended)
			say("cannot read all files and objects")
		for (i = 1; i <= users; i++) {
			of = defined[symbol[i]]
			if (rank[of] > rank[user[i]])
				say(user[i] " uses " symbol[i] " of " of ", which is above it")
		}
		exit wrong
	}
	function say(what) { print "kmod-layers: " what | "cat >&2"; wrong = 1 }'
