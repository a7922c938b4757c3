// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
	"strings"
)

// Served is what a server's nginx has served since it booted, requests for
// /status left out.
type Served struct {
	Connections int64 // with at least one request
	Requests    int64
	Bytes       int64 // sent, headers included
}

// countAccess adds up an access log of accessFormat.
const countAccess = `{ n++; if ($2 == 1) c++; b += $4 } END { printf "%d %d %.0f\n", c, n, b }`

// Served returns what a server's nginx has served.
func (l *Lab) Served(ctx context.Context, server string) (Served, error) {
	var s Served
	h, err := l.hostOf(server, Server)
	if err != nil {
		return s, err
	}
	out, err := l.Output(ctx, h.Name, "awk", countAccess, accessLog)
	if err != nil {
		return s, fmt.Errorf("counting what %s served: %w", server, err)
	}
	if _, err := fmt.Sscan(out, &s.Connections, &s.Requests, &s.Bytes); err != nil {
		return s, fmt.Errorf("counting what %s served: reading %q: %w", server, out, err)
	}
	return s, nil
}

// Asked is what clients asked a server for: the address that they reached, of whichever
// server, and the path with its query.
type Asked struct {
	Address string
	Path    string
}

// countAsked counts the requests of an access log of accessFormat by address and path.
const countAsked = `{ n[$6 " " $9]++ } END { for (k in n) print n[k], k }`

// ServedAsked returns how often a server's nginx has served what since it booted.
func (l *Lab) ServedAsked(ctx context.Context, server string) (map[Asked]int64, error) {
	h, err := l.hostOf(server, Server)
	if err != nil {
		return nil, err
	}
	out, err := l.Output(ctx, h.Name, "awk", countAsked, accessLog)
	if err != nil {
		return nil, fmt.Errorf("counting what %s served: %w", server, err)
	}
	return parseAsked(out)
}

func parseAsked(out string) (map[Asked]int64, error) {
	all := make(map[Asked]int64)
	for line := range strings.Lines(out) {
		var a Asked
		var n int64
		if _, err := fmt.Sscan(line, &n, &a.Address, &a.Path); err != nil {
			return nil, fmt.Errorf("counting what was served: reading %q: %w", line, err)
		}
		all[a] = n
	}
	return all, nil
}
