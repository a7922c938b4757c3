#!/bin/sh
# SPDX-License-Identifier: MIT
# Gives an interface of a machine of the cluster an IPv6 address, as root, until the
# next boot. usage: address6.sh INTERFACE ADDRESS/LENGTH
set -eu

interface=${1:?usage: address6.sh INTERFACE ADDRESS/LENGTH}
address=${2:?usage: address6.sh INTERFACE ADDRESS/LENGTH}

# No router and no second host of that address is on the cluster's network.
sysctl -qw "net.ipv6.conf.$interface.disable_ipv6=0" "net.ipv6.conf.$interface.accept_ra=0"
ip -6 address replace "$address" dev "$interface" nodad
