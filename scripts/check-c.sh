#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks of the module: gcc with W=1 and sparse against the guests' kernel, and of the fast
# path against a later one, neither with a warning; the order of its files (kmod-layers.sh),
# and that it needs no other module; checkpatch; the unit tests that run in user space.
# Each file is compiled alone, as none may depend on what another one includes.
# The module is built in a copy, so that the tree keeps what was built there.
# usage: c.sh [clang]: clang must be content with the module too, and its fuzzer,
# in FUZZ_SECONDS for each target, find nothing in the pure code.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
jobs=$(nproc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# sources PATTERN...: the module's own files, relative to the root.
sources() {
	(cd "$root" && find kmod include "$@" | sort)
}

# copy: the module's sources in $work.
copy() {
	rm -rf "$work/src"
	mkdir "$work/src"
	sources -type f \( -name '*.[ch]' -o -name Kbuild -o -name Makefile \) ! -name '*.mod.c' |
		tar -C "$root" -cf - -T - | tar -C "$work/src" -xf -
}

# build NAME ARGUMENT...: builds what is not built yet of the copy, or of $files of it; a warning
# about our files is an error.
build() {
	name=$1
	shift
	echo "c: $name"
	# shellcheck disable=SC2086 # names of files
	if ! make -s -C "$kernel" M="$work/src/kmod" -j"$jobs" CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_DEBUG_INFO= DPR_UNITS=no "$@" ${files:-modules} >"$work/log" 2>&1 ||
		grep -qE '(kmod|include)/[a-z_/]+\.[ch]:[0-9:]+ *(warning|error)|^WARNING|modpost: ' "$work/log"; then
		cat "$work/log" >&2
		echo "c: $name: warnings or errors" >&2
		return 1
	fi
}

# fastpath: what Debian 12's kernel leaves out of the module, for a later kernel of the lab's.
fastpath() {
	kernel=$(ls -d "${XDG_CACHE_HOME:-$HOME/.cache}"/dpr/kernels/*/usr/src/linux-headers-6.12*-cloud-amd64 2>/dev/null | sort -V | tail -n 1)
	[ -n "$kernel" ] || { echo "c: NOT CHECKED: the fast path, as the lab has no later kernel yet (make smoke-kernels)" >&2; return 0; }
	copy
	files="xdp.o xdp_btf.o"
	build "the fast path, gcc W=1 and sparse for $kernel" W=1 C=2
}

# alone: the module that was built needs no other one: it is loaded by insmod.
alone() {
	depends=$(modinfo -F depends "$work/src/kmod/dpr.ko") || return 1
	[ -z "$depends" ] || { echo "c: dpr.ko depends on $depends" >&2; return 1; }
}

# clang: the module compiled by clang too. Debian's headers are made for gcc: what
# only that has is left out of them, and a warning that a header itself gets.
clang() {
	copy
	build "clang W=1" W=1 CC=clang CONFIG_CC_IS_GCC= CONFIG_CC_IS_CLANG=y \
		CONFIG_FTRACE_MCOUNT_USE_CC= CONFIG_RETHUNK= CONFIG_INIT_STACK_ALL_ZERO= \
		CONFIG_CC_IMPLICIT_FALLTHROUGH=-Wimplicit-fallthrough \
		KCFLAGS="-Wno-unknown-warning-option -Wno-address-of-packed-member"
}

# fuzz: the pure code with inputs that libFuzzer makes up.
fuzz() {
	echo "c: fuzzing, ${FUZZ_SECONDS:-5} s a target"
	make -s -C "$root/kmod/tests" OUT="$work" SECONDS="${FUZZ_SECONDS:-5}" fuzz >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; return 1; }
}

# checkpatch: the script out of the kernel's own source package, kept in out/.
checkpatch() {
	package=$(ls /usr/src/linux-source-6.1.tar.* | head -n 1)
	[ -n "$package" ] || return 1
	dir=$root/out/checkpatch
	# shellcheck disable=SC3013 # dash knows -nt
	if [ ! -s "$dir/checkpatch.pl" ] || [ "$package" -nt "$dir/checkpatch.pl" ]; then
		echo "c: unpacking checkpatch from $package"
		mkdir -p "$dir" || return 1
		tar -C "$dir" --strip-components=2 -m -xf "$package" linux-source-6.1/scripts/checkpatch.pl \
			linux-source-6.1/scripts/spelling.txt linux-source-6.1/scripts/const_structs.checkpatch ||
			return 1
	fi
	echo "c: checkpatch"
	# Left out is what this module cannot do otherwise: asking for the kernel's
	# version and wrapping its functions (compat.h), shifts instead of BIT() in
	# a header for user space, and its types and READ_ONCE (user.h).
	# It leaves a file in a directory that has a .git.
	# shellcheck disable=SC2046
	(cd "$work" && perl "$dir/checkpatch.pl" --no-tree --strict --terse --quiet --no-summary \
		--color=never --show-types -f $(sources -name '*.[ch]' \
		! -name '*.mod.c' ! -path 'kmod/tests/*' | sed "s,^,$root/,") \
		--ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_REUSE,BIT_MACRO,PREFER_KERNEL_TYPES,VOLATILE) >&2
}

# Debian 12's cloud kernel, the guests': the newest whose headers are here.
kernel=$(ls -d /lib/modules/6.1.*-cloud-amd64/build 2>/dev/null | sort -V | tail -n 1)
[ -n "$kernel" ] || { echo "c: no headers of a 6.1 cloud kernel in /lib/modules" >&2; exit 1; }

failed=
copy
build "gcc W=1 for $kernel" W=1 || failed="$failed gcc"
alone || failed="$failed depends"
echo "c: layers"
"$root/scripts/kmod-layers.sh" "$work/src/kmod" || failed="$failed layers"
# With the same flags gcc has nothing to do.
build "sparse C=2" W=1 C=2 || failed="$failed sparse"
(fastpath) || failed="$failed fast-path"
[ "${1:-}" != clang ] || clang || failed="$failed clang"
checkpatch || failed="$failed checkpatch"
echo "c: unit tests"
make -s -C "$root/kmod/tests" OUT="$work" check || failed="$failed unit-tests"
[ "${1:-}" != clang ] || fuzz || failed="$failed fuzzing"
[ -z "$failed" ] || { echo "c: FAILED:$failed" >&2; exit 1; }
