#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs dpr and a web server on this Debian machine, as root.
# usage: install.sh DIRECTORY: where dpr's packages are.
set -eu

packages=${1:?usage: install.sh DIRECTORY}
export DEBIAN_FRONTEND=noninteractive

# known PACKAGE: it is installed, or apt could do it.
known() {
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

known nginx || apt-get -q update
# The headers of the kernel that runs, which DKMS builds the module against: a
# box's kernel may be older than the archive's.
headers=linux-headers-$(uname -r)
known "$headers" || apt-get -q update
apt-get -q -y --no-install-recommends install "$headers" nginx curl "$packages"/dpr-dkms_*.deb "$packages"/dpr_*.deb
# The target is not enabled yet: this host takes no part until server.sh.
modinfo dpr >/dev/null
