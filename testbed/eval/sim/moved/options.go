// SPDX-License-Identifier: MIT

package moved

import "dpr/testbed/lab/flags"

// Options says which rehashes are simulated.
type Options struct {
	Config          // of each; Hosts and Ask are those of the lists
	Sizes  []int    // of the clusters, 2 to MaxHosts
	Asks   []string // of Ways
}

// OptionDefaults are clusters of 10 and of 100 hosts, and all ways to ask.
func OptionDefaults() Options {
	return Options{Config: Defaults(), Sizes: []int{10, 100}, Asks: Ways}
}

// Flags describes the fields that a command line sets.
func (o *Options) Flags() flags.Set {
	where := []string{One, All}
	return flags.Set{
		flags.Numbers(&o.Sizes, "hosts", flags.From(2, MaxHosts), "sizes of the clusters (`N,N…`, {range})"),
		flags.Number(&o.Connections, "connections", flags.From(1, MaxConnections), "`N` connections that move at once"),
		flags.Words(&o.Asks, "ask", Ways, "how a host asks its peers (`WAY,WAY…`): {range}"),
		flags.Word(&o.Spread, "to", where, "`HOSTS` that they come to: {range}"),
		flags.Word(&o.Owners, "from", where, "`HOSTS` that have their sockets: {range}"),
		flags.Number(&o.Likely, "likely", flags.From(0.0, 1.0), "the `PART` of connections that the peer has which is asked first, where one is"),
		flags.Number(&o.Burst, "burst", times, "`SECONDS` within which the first segments come"),
		flags.Number(&o.RTT, "rtt", times, "`SECONDS` of a client's mean round trip, after which and 0.2 it sends again; clients have from half of it to three halves"),
		flags.Number(&o.Hop, "hop", times, "`SECONDS` from one host to another"),
		flags.Number(&o.Receive, "receive", times, "`SECONDS` of a processor for a packet that comes"),
		flags.Number(&o.Transmit, "transmit", times, "`SECONDS` of a processor for a packet that is sent"),
		flags.Number(&o.Lookup, "lookup", times, "`SECONDS` of a processor besides, for each connection that a message of many asks about"),
		flags.Number(&o.Send, "send", times, "the first two hosts and all clients share a processor, as in the bench's guest: `SECONDS` for a client to send; 0: they do not"),
		flags.Number(&o.Ring, "ring", flags.AtLeast(0), "`N` packets that wait for a processor; 0: any number"),
		flags.Number(&o.Segment, "segment", flags.AtLeast(1), "`BYTES` of memory that a segment takes while it waits"),
		flags.Number(&o.Step, "step", times, "`SECONDS` until more peers are asked, where not all are at once"),
		flags.Number(&o.Gather, "gather", times, "`SECONDS` for which questions are gathered, where they are"),
		// 60 of 24 bytes fit a packet of 1,500 bytes with two headers.
		flags.Number(&o.Batch, "batch", flags.From(1, maxBatch), "`N` questions that a message may have, where they are gathered"),
		flags.Number(&o.Limits.Rate, "rate", flags.From(1.0, 1e9), "`MESSAGES` a second, and at once, that a host may ask with"),
		flags.Number(&o.Seconds, "seconds", times, "simulated, `SECONDS`"),
		flags.Number(&o.Seed, "seed", flags.Range[uint64]{}, "`SEED` of all that is random"),
	}
}

// times are times of a simulation, in seconds.
var times = flags.From(0.0, maxTime)

const (
	maxTime  = 3600
	maxBatch = 1000
)

// Validate says what is wrong with the options, or nil.
func (o *Options) Validate() error { return o.Flags().Check() }

// Configs returns the simulations: for each size all ways to ask.
func (o *Options) Configs() ([]Config, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var all []Config
	for _, n := range o.Sizes {
		for _, ask := range o.Asks {
			c := o.Config
			c.Hosts, c.Ask = n, ask
			all = append(all, c)
		}
	}
	return all, nil
}
