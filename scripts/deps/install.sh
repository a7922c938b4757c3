#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, and nothing else, saying which
# and why. usage: install.sh [FILE...]: lists of packages next to this script,
# "packages" if none is named. Go is looked for too, see go-dir.sh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
work=$(mktemp -d)
trap 'cleanup' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'deps: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

cleanup() {
	rm -rf "$work"
	[ -z "${quiet_services:-}" ] || $as_root rm -f /usr/sbin/policy-rc.d
}

# missing FILE...: the lines of the lists whose package is not installed.
missing() {
	for list in "$@"; do
		grep -v '^#' "$here/$list" | while read -r package why; do
			[ -n "$package" ] || continue
			status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
			[ "$status" = installed ] || printf '%s %s\n' "$package" "$why"
		done
	done
}

# update: fetches the package lists, once.
update() {
	[ -z "${updated:-}" ] || return 0
	say "apt-get update: the package lists are absent or old"
	quietly apt-get -q update || return 1
	updated=yes
}

# quietly COMMAND...: its output only if it fails. Hundreds of lines of apt's
# would hide the few that say what is going on.
quietly() {
	$as_root "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
}

# known PACKAGE: apt could install it.
known() {
	candidate=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p')
	[ -n "$candidate" ] && [ "$candidate" != "(none)" ]
}

# apt_install [OPTION...] PACKAGE...: apt-get install with no question asked and
# no service started: a web server is wanted in the guests, not on this machine.
# Another apt, as that of unattended upgrades, is waited for.
apt_install() {
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >"$work/policy-rc.d"
		$as_root install -m 755 "$work/policy-rc.d" /usr/sbin/policy-rc.d
		quiet_services=yes
	fi
	quietly env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o DPkg::Lock::Timeout=900 --no-install-recommends "$@"
}

# install_packages FILE...: what is missing of the lists.
install_packages() {
	missing "$@" >"$work/missing"
	[ -s "$work/missing" ] || return 0
	while read -r package why; do
		say "installing $package ${why}"
	done <"$work/missing"
	packages=$(cut -d' ' -f1 "$work/missing")
	for package in $packages; do
		known "$package" || update
	done
	for package in $packages; do
		known "$package" || die "apt knows no package $package: this needs Debian 12 (amd64) with its main archive"
	done
	# Old lists name files that the archive no longer has.
	# shellcheck disable=SC2086
	apt_install install $packages || {
		[ -z "${updated:-}" ] || die "apt-get could not install:" $packages
		update
		apt_install install $packages || die "apt-get could not install:" $packages
	}
	case " $(echo $packages) " in
	*" nginx-light "*) keep_off nginx ;;
	esac
	case " $(echo $packages) " in
	*" bird2 "*) keep_off bird ;;
	esac
}

# keep_off SERVICE: what was installed for the guests does not start with this
# machine either.
keep_off() {
	command -v systemctl >/dev/null || return 0
	say "disabling $1.service here: it was installed for the guests only"
	$as_root systemctl disable -q "$1.service" || say "$1.service could not be disabled"
}

# newest_go [OPTION...]: the newest golang-1.N-go that apt (with the options)
# offers and that can fetch the toolchain go.mod asks for: 1.21 was the first.
newest_go() {
	for n in $(seq 40 -1 21); do
		LC_ALL=C apt-cache "$@" policy "golang-1.$n-go" 2>/dev/null |
			grep -q '^  Candidate: [0-9]' || continue
		echo "golang-1.$n-go"
		return 0
	done
	return 1
}

# backports_list: the machine's sources list and, after it, this release's
# backports on the archive that apt gets the release itself from.
backports_list() {
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || die "/etc/os-release names no release: cannot look for Go in its backports"
	uri=$(LC_ALL=C apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
		awk -v release="$codename" '$1 == release && $2 == "main" { print $3; exit }')
	[ -n "$uri" ] || die "apt has no archive of Debian $codename: cannot look for Go in its backports"
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	option=
	[ ! -e "$keyring" ] || option="[signed-by=$keyring] "
	cat /etc/apt/sources.list 2>/dev/null || :
	echo "deb $option$uri $codename-backports main"
}

# install_go: a Go that go.mod is content with.
install_go() {
	"$here/go-dir.sh" >/dev/null 2>&1 && return 0
	update
	if go=$(newest_go); then
		say "installing $go # no Go of version 1.21 or later is here"
		apt_install install "$go" || die "apt-get could not install $go"
	else
		backports_list >"$work/backports.list"
		mkdir -p "$work/lists/partial"
		# apt drops its privileges to fetch.
		chmod -R a+rX "$work"
		# Lists of their own, for this one package: the machine's apt sources
		# and package lists stay as they are.
		set -- -o "Dir::Etc::sourcelist=$work/backports.list" -o "Dir::State::lists=$work/lists"
		say "this release has no Go of version 1.21 or later; looking in its backports"
		quietly apt-get -q "$@" update ||
			die "apt-get could not update the package lists of the backports"
		go=$(newest_go "$@") ||
			die "neither this release nor its backports have Go 1.21 or later: install Go by hand"
		say "installing $go # no Go of version 1.21 or later is here"
		apt_install "$@" install "$go" ||
			die "apt-get could not install $go"
	fi
	"$here/go-dir.sh" >/dev/null || die "$go is installed but not usable"
}

[ $# -gt 0 ] || set -- packages
install_packages "$@"
install_go
# The lab asks apt for the guests' kernel, and needs the lists for that.
case " $* " in
*" packages "*) known linux-image-cloud-amd64 || update || say "no package lists: the lab can use only kernels that are here" ;;
esac
