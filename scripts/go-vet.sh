#!/bin/sh
# SPDX-License-Identifier: MIT
# gofmt and go vet on all Go code, the lab tests included.
set -eu

unformatted=$(gofmt -l cmd scripts testbed userland)
if [ -n "$unformatted" ]; then
	echo "gofmt would change:" $unformatted >&2
	exit 1
fi
go vet ./...
go vet -tags lab,alerts ./...
