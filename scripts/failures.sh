#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints, for each test that failed, what it said: of the output of "go test -v" in
# the given files, the last lines of each failed test without failed subtests.
# usage: failures.sh LOG...
set -eu

for log in "$@"; do
	# The verdicts come after what the tests said, so the file is read twice.
	awk -v most=40 '
	FNR == NR {
		if ($1 == "---" && $2 == "FAIL:") {
			failed[$3]
			parent = $3
			while (sub("/[^/]*$", "", parent))
				has[parent]
		}
		next
	}
	$1 == "===" { test = $3; next }
	/^[[:space:]]*--- / { test = ""; next }
	test in failed && !(test in has) { said[test, ++n[test]] = $0 }
	END {
		for (test in failed) {
			if (test in has)
				continue
			print "FAILED " test
			for (i = n[test] > most ? n[test] - most + 1 : 1; i <= n[test]; i++)
				print said[test, i]
		}
	}' "$log" "$log"
done
