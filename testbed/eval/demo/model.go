// SPDX-License-Identifier: MIT

package demo

import (
	"fmt"
	"io"
	"time"

	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest/data"
	"dpr/testbed/lab/httpload"
)

// The model: what stands for the paper's machines. A guest's processor is
// emulated, so it must not be what saturates; the server's link is instead.
// At these numbers the four clients of s1 ask for slightly more than its link
// carries while the three links together are filled by half.
const (
	linkRate     = "8mbit"         // of each server, enforced by tbf on its eth0
	accessRate   = "64k"           // bytes/s of each connection, enforced by nginx
	documentSize = 15000           // bytes
	documentPath = "/15k"          // its path on every server
	usersPerHost = 36              // of each client
	offMean      = 2 * time.Second // mean OFF time, exponential
	timeout      = 20 * time.Second
	startIn      = time.Second // the clients' processes have this long to come up before the clock starts
)

// policies are compared in this order, each for Options.Duration.
var policies = []string{"off", "lowest"}

// split gives the index of the server that each client asks:
// 4:1:1, as in the paper's figure 3.
var split = []int{0, 0, 0, 0, 1, 2}

// describeModel prints the model.
func describeModel(w io.Writer, duration time.Duration, mix family.Mix) {
	fmt.Fprintf(w, `Model: 3 servers (nginx), each behind a link of %s; 6 clients of %d users each, split 4:1:1:
c1 to c4 know only s1, c5 only s2, c6 only s3, as round-robin DNS with caches may leave them.
Connections are of %s, and the servers' own addresses, between which tunnels are, of %s.
A user requests a document of %d bytes on a new connection, which an access line of %s bytes/s
carries, then is idle for %v on average (exponential), and so on: a closed system.
Each policy runs for %v. Delays run from the intended start to the last byte.
`, linkRate, usersPerHost, mix.Name(), mix.Own().Name(), documentSize, accessRate, offMean, duration)
}

// plan is what a client does that knows the server of a URL.
func plan(target string, start time.Time, duration time.Duration, seed uint64) (httpload.Plan, error) {
	sum, err := data.Sum(documentSize)
	if err != nil {
		return httpload.Plan{}, err
	}
	return httpload.Plan{
		Target:    target,
		Documents: []httpload.Document{{Path: documentPath, Size: documentSize, SHA256: sum}},
		Users:     usersPerHost,
		OffMean:   offMean,
		Start:     start,
		Duration:  duration,
		Timeout:   timeout,
		Seed:      seed,
	}, nil
}

// clients are the clients of the demo, split 4:1:1.
func clients(l drive.Cluster, o *Options) ([]drive.Client, error) {
	hosts, servers := l.Clients(), l.Servers()
	if len(hosts) != len(split) {
		return nil, fmt.Errorf("the lab has %d clients, want %d", len(hosts), len(split))
	}
	start := time.Now().Add(startIn)
	all := make([]drive.Client, len(hosts))
	for i, host := range hosts {
		p, err := plan(servers[split[i]].URL(o.Family.Of(i)), start, o.Duration, o.Seed+uint64(i))
		if err != nil {
			return nil, err
		}
		all[i] = drive.Client{Host: host.Name, Plan: p}
	}
	return all, nil
}
