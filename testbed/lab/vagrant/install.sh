#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs dpr and a web server on this Debian machine, as root.
# usage: install.sh DIRECTORY [RELEASE]: where dpr's packages are; the kernel to
# build the module for, if it is not the one that runs.
set -eu

packages=${1:?usage: install.sh DIRECTORY [RELEASE]}
release=${2:-$(uname -r)}
export DEBIAN_FRONTEND=noninteractive

# known PACKAGE: it is installed, or apt could do it.
known() {
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

known nginx || apt-get -q update
# The headers of that very kernel, which DKMS builds the module against: a
# box's kernel may be older than the archive's.
headers=linux-headers-$release
known "$headers" || apt-get -q update
apt-get -q -y --no-install-recommends install "$headers" nginx curl "$packages"/dpr-dkms_*.deb "$packages"/dpr_*.deb
# The target is not enabled yet: this host takes no part until server.sh.
modinfo -k "$release" dpr >/dev/null
