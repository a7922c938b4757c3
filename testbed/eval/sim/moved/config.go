// SPDX-License-Identifier: MIT

package moved

import (
	"fmt"
	"math"
	"slices"
)

// The ways to ask.
const (
	// Unicast asks all peers at once, a message each: what the module does.
	Unicast = "unicast"
	// LikelyCopy asks the likeliest peer, and all when the client has sent the segment
	// again: what the module does where the stateless policy's hash names a peer.
	LikelyCopy = "likely-copy"
	// LikelyUnicast asks the likeliest peer, and if it has not claimed after Config.Step,
	// all others.
	LikelyUnicast = "likely-unicast"
	// OneByOne asks one peer after the other, each after Config.Step.
	OneByOne = "one-by-one"
	// Multicast asks all peers by one message, which the link brings to each.
	Multicast = "multicast"
	// LikelyMulticast asks the likeliest peer, and if it has not claimed after Config.Step,
	// all by one message.
	LikelyMulticast = "likely-multicast"
	// BatchUnicast gathers questions for Config.Gather and asks all peers by messages of
	// many of them, a message to each peer.
	BatchUnicast = "batch-unicast"
	// BatchMulticast does the same by one message, which the link brings to each peer.
	BatchMulticast = "batch-multicast"
)

// Ways are all ways to ask.
var Ways = []string{Unicast, LikelyCopy, LikelyUnicast, OneByOne, Multicast, LikelyMulticast, BatchUnicast, BatchMulticast}

// Where connections come to, and who has them.
const (
	One = "one" // one host
	All = "all" // all hosts, a share each
)

// Limits are the bounds of what a host asks, those of the module.
type Limits struct {
	Buckets, Ways int     // of the table of questions
	Tries         int     // times that a question is put
	Least         float64 // s: least time for an answer, to all tries
	Peers         int     // that are asked at a time
	Rate          float64 // messages a second, and at once
	Again         float64 // s: least time between two tries
	Hold          float64 // s: longest that a segment waits
	Memory        float64 // s: how long an answer of nobody holds
	Patience      float64 // s: how long a question's tries count
	HeldBytes     int     // of all segments that wait
}

// ModuleLimits are those of the module.
var ModuleLimits = Limits{
	Buckets: 1024, Ways: 4, Tries: 3, Least: 1, Peers: 256, Rate: 20_000, Again: 0.1, Hold: 0.25, Memory: 5, Patience: 120, HeldBytes: 4 << 20,
}

// Config says what is simulated.
type Config struct {
	Hosts       int     `json:"hosts"`
	Connections int     `json:"connections"`
	Ask         string  `json:"ask"`    // one of Ways
	Spread      string  `json:"spread"` // which hosts they come to
	Owners      string  `json:"owners"` // which hosts have them
	Likely      float64 `json:"likely"` // the part of connections that the likeliest peer has
	Burst       float64 `json:"burst_s"`
	RTT         float64 `json:"rtt_s"`      // mean between client and host: from half of it to three halves
	Hop         float64 `json:"hop_s"`      // from host to host
	Receive     float64 `json:"receive_s"`  // that a processor takes for a packet that comes
	Transmit    float64 `json:"transmit_s"` // and for one that it sends
	Lookup      float64 `json:"lookup_s"`   // and besides for each connection that a message of many asks about
	Ring        int     `json:"ring"`       // packets that wait for a processor; 0: any number
	Segment     int     `json:"segment"`    // bytes of memory that a segment takes while it waits
	Step        float64 `json:"step_s"`
	Gather      float64 `json:"gather_s"`
	Batch       int     `json:"batch"`   // questions that a message may have, where they are gathered
	Seconds     float64 `json:"seconds"` // after which the simulation ends
	// Send has the first two hosts and all clients share one processor, as in the bench's
	// guest: a client takes so long to send, and does so when nothing else is to be done.
	// 0: they share none.
	Send   float64 `json:"send_s"`
	Seed   uint64  `json:"seed"`
	Limits Limits  `json:"limits"`
}

// Defaults is a cluster of ten hosts whose routers have changed their hash.
func Defaults() Config {
	return Config{
		Hosts: 10, Connections: 50_000, Ask: Unicast, Spread: All, Owners: All, Likely: 0, Burst: 0.1, RTT: 0.05, Hop: 100e-6,
		Receive: 2e-6, Transmit: 1e-6, Lookup: 200e-9, Ring: 4096, Segment: 2304, Step: 0.005, Gather: 0.001, Batch: 60, Seconds: 60, Seed: 1, Limits: ModuleLimits,
	}
}

// The bounds of Config.
const (
	MaxHosts       = 1000
	MaxConnections = 1_000_000
)

// Validate says what is wrong with a configuration, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Hosts < 2 || c.Hosts > MaxHosts:
		return fmt.Errorf("%d hosts: want 2 to %d", c.Hosts, MaxHosts)
	case c.Connections < 1 || c.Connections > MaxConnections:
		return fmt.Errorf("%d connections: want 1 to %d", c.Connections, MaxConnections)
	case !slices.Contains(Ways, c.Ask):
		return fmt.Errorf("way to ask %q: want one of %v", c.Ask, Ways)
	case c.Spread != One && c.Spread != All, c.Owners != One && c.Owners != All:
		return fmt.Errorf("connections of %q hosts come to %q: want %q or %q", c.Owners, c.Spread, One, All)
	case !(c.Likely >= 0 && c.Likely <= 1):
		return fmt.Errorf("likely %g: want 0 to 1", c.Likely)
	case c.Batch < 1:
		return fmt.Errorf("%d questions in a message: want 1 or more", c.Batch)
	case c.Ring < 0 || c.Segment < 1:
		return fmt.Errorf("ring of %d packets, segments of %d bytes: want 0 or more, and 1 or more", c.Ring, c.Segment)
	}
	for name, v := range map[string]float64{
		"burst": c.Burst, "rtt": c.RTT, "hop": c.Hop, "receive": c.Receive, "transmit": c.Transmit, "lookup": c.Lookup, "step": c.Step, "gather": c.Gather, "seconds": c.Seconds, "send": c.Send,
	} {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%s %g: want a time", name, v)
		}
	}
	return nil
}
