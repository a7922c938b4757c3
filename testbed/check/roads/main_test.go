// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/labtest"
)

// labName is the tests' own lab, next to any other.
const labName = "roads"

// connections names how many downloads there are, default defaultConnections, and
// forwarding how redirected packets travel, default ipip.
const (
	connections = "DPR_ROADS_CONNECTIONS"
	forwarding  = "DPR_ROADS_FORWARDING"
)

const (
	defaultConnections = 200
	maxConnections     = 5000
	// manyConnections get their data more slowly: the guests are slow.
	manyConnections = 500
)

// shared is the lab of all tests, and downloads how many there are; TestMain sets them.
var (
	shared    *lab.Lab
	downloads = defaultConnections
)

// piece is what a download gets at once, in bytes.
const piece = 1024

// pace is the time from one piece of a download to the next.
func pace() time.Duration {
	if downloads >= manyConnections {
		return 2 * time.Second
	}
	return 250 * time.Millisecond
}

// rate is how many bytes a second a download gets.
func rate() int { return piece * int(time.Second) / int(pace()) }

// pause is the time between two requests of a connection that asks.
func pause() time.Duration {
	if downloads >= manyConnections {
		return 2 * time.Second
	}
	return 500 * time.Millisecond
}

func TestMain(m *testing.M) {
	os.Exit(labtest.Run(m, labtest.BootTimeout, &shared, func(context.Context) (lab.Config, error) {
		if text := os.Getenv(connections); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 10 || n > maxConnections {
				return lab.Config{}, fmt.Errorf("%s is %q, not a number from 10 to %d", connections, text, maxConnections)
			}
			downloads = n
		}
		return lab.Config{
			Name: labName, Servers: 4, Clients: 1, Progress: os.Stderr,
			DPR:        lab.DPRConfig{Forwarding: os.Getenv(forwarding)},
			AccessRate: strconv.Itoa(rate()), AccessChunk: "1k",
			WebFiles: map[string]int64{slowPath: slowSize(rate())},
			Programs: []string{"/usr/sbin/bird", "/usr/sbin/birdc", "/usr/sbin/keepalived"},
		}, nil
	}))
}
