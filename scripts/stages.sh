# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034 # failed is of the scripts that read this
# What test.sh and test-checks.sh share. $logs is where they keep what stages said.

PATH="$(scripts/deps/go-dir.sh):$PATH" || exit 1
export PATH
logs=out/test
failed=0

# stage NAME COMMAND...: runs it, says how long it took, and sets failed if it failed.
stage() {
	name=$1
	shift
	printf '\n=== %s\n' "$name"
	start=$(date +%s)
	if "$@"; then
		verdict=passed
	else
		verdict=FAILED
		failed=1
	fi
	printf '=== %s: %s in %d s\n' "$name" "$verdict" $(($(date +%s) - start)) | tee -a "$logs/stages"
}
