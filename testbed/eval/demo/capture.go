// SPDX-License-Identifier: MIT

package demo

import (
	"context"
	"fmt"
	"path/filepath"

	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
)

// headers is how much of each packet is kept: the outer and the inner header.
const headers = 96

// captures looks at a client and at the host that redirects while they work.
type captures struct {
	client, server         lab.Host
	clientFile, serverFile string
	running                []*lab.Capture
}

// startCaptures begins: on the client all IP, between the servers IP-in-IP.
func startCaptures(ctx context.Context, l drive.Cluster, client, server lab.Host, dir string) (*captures, error) {
	c := &captures{
		client: client, server: server,
		clientFile: filepath.Join(dir, "demo-"+client.Name+".pcap"),
		serverFile: filepath.Join(dir, "demo-"+server.Name+".pcap"),
	}
	for _, o := range []struct{ host, file, filter string }{
		{client.Name, c.clientFile, "ip host " + client.Address},
		{server.Name, c.serverFile, "ip proto 4"},
	} {
		running, err := l.Capture(ctx, o.host, lab.CaptureOptions{File: o.file, Filter: o.filter, Snaplen: headers})
		if err != nil {
			_ = c.stop()
			return nil, fmt.Errorf("capture on %s: %w", o.host, err)
		}
		c.running = append(c.running, running)
	}
	return c, nil
}

// stop ends the captures; an error means that one is not complete.
func (c *captures) stop() error {
	var first error
	for _, running := range c.running {
		stats, err := running.Stop()
		if err == nil && stats.Dropped > 0 {
			err = fmt.Errorf("%d packets were missed", stats.Dropped)
		}
		if err != nil && first == nil {
			first = fmt.Errorf("capture: %w", err)
		}
	}
	c.running = nil
	return first
}

// verdicts reads the captures.
func (c *captures) verdicts(ctx context.Context) ([]Check, error) {
	pair := fmt.Sprintf("(src host %s and dst host %s) or (src host %[2]s and dst host %[1]s)", c.client.Address, c.server.Address)
	counts := make(map[string]int)
	for _, q := range []struct{ name, file, filter string }{
		{"own", c.clientFile, pair},
		{"foreign", c.clientFile, "not (" + pair + ")"},
		{"marked", c.serverFile, "ip proto 4 and ip[6] & 0x80 != 0"},
		{"unmarked", c.serverFile, "ip proto 4 and ip[6] & 0x80 = 0"},
	} {
		n, err := drive.CountPackets(ctx, q.file, q.filter)
		if err != nil {
			return nil, err
		}
		counts[q.name] = n
	}
	return []Check{
		{
			Name:   fmt.Sprintf("lowest: a capture on %s shows only %s's address", c.client.Name, c.server.Name),
			Passed: counts["own"] > 0 && counts["foreign"] == 0,
			Detail: fmt.Sprintf("%d packets with %s, %d with any other host", counts["own"], c.server.Address, counts["foreign"]),
		},
		{
			Name:   "lowest: a capture between the servers shows protocol 4 with 0x8000 set",
			Passed: counts["marked"] > 0 && counts["unmarked"] == 0,
			Detail: fmt.Sprintf("on %s %d packets with the bit, %d without", c.server.Name, counts["marked"], counts["unmarked"]),
		},
	}, nil
}
