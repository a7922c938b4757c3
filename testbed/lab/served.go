// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
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
