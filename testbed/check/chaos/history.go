// SPDX-License-Identifier: MIT

package chaos

import (
	"fmt"
	"time"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// Proof is how it is known who served a connection.
type Proof string

// The proofs.
const (
	ByAnswer Proof = "answer"        // the server said its name
	ByFlow   Proof = "routing table" // the asked host had a flow of it
	ByNoFlow Proof = "no flow"       // it had none, and no other way to redirect
	Unproved Proof = ""
)

// Conn is one connection of a client.
type Conn struct {
	Kind   Kind          `json:"kind"`
	Client string        `json:"client"`
	Family family.Family `json:"family"`
	Port   int           `json:"port"`  // the client's
	Asked  string        `json:"asked"` // the host whose address the client used
	Served string        `json:"served,omitempty"`
	Proof  Proof         `json:"proof,omitempty"` // of Served
	Begin  time.Time     `json:"begin"`           // before the first SYN
	End    time.Time     `json:"end"`             // when the client was done, or saw the failure
	// Connected says whether the handshake succeeded, and Handshake how long that took:
	// a second or more if the client repeated its SYN.
	Connected bool          `json:"connected"`
	Handshake time.Duration `json:"handshake_ns,omitempty"`
	// Answers is how many hosts answered the SYN of a connection that failed before any
	// other answer: their SYN-ACKs have different numbers.
	Answers int `json:"syn_acks,omitempty"`
	// Class and Err say how it failed; both are empty if it did not.
	Class httpload.Class `json:"class,omitempty"`
	Err   string         `json:"error,omitempty"`

	Requests int   `json:"requests"` // answered, and right
	Bytes    int64 `json:"bytes"`    // of their bodies
}

// Failed says whether something went wrong.
func (c *Conn) Failed() bool { return c.Class != "" }

// Redirected says whether another host than the asked one is known to have
// served it. Of one to the address of all hosts it is not known where it came to.
func (c *Conn) Redirected() bool {
	return c.Served != "" && c.Served != c.Asked && c.Asked != sharedName
}

func (c *Conn) String() string {
	served := c.Served
	if served == "" {
		served = "unknown"
	}
	return fmt.Sprintf("%s from %s port %d to %s by %s, served by %s (%s), %s to %s, handshake %v with %d hosts, %d requests answered: %s",
		c.Kind, c.Client, c.Port, c.Asked, c.Family.Name(), served, c.Proof, c.Begin.Format(clock), c.End.Format(clock),
		c.Handshake.Round(time.Millisecond), c.Answers, c.Requests, c.Err)
}

// clock is how times of day are shown.
const clock = "15:04:05.000"

// HarmKind is what a host suffered.
type HarmKind string

// The harms that may end connections.
const (
	Off      HarmKind = "powered off"
	Reloaded HarmKind = "module reloaded"
	Isolated HarmKind = "isolated"
)

const (
	// survives is how long a connection may be cut off and must go on.
	survives = 10 * time.Second
	// resolves is how long a host may leave ARP without answer, and must be asked
	// still: the client's kernel gives its address up after three seconds, and with
	// it all connections that wait for that.
	resolves = 2500 * time.Millisecond
)

// Harm is when a host suffered what may end connections.
type Harm struct {
	Kind  HarmKind  `json:"kind"`
	Host  string    `json:"host"`
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"` // zero: not over
}

// overlap is how much of a connection's life the harm lasted; less than 0 if
// they have nothing in common.
func (h *Harm) overlap(c *Conn) time.Duration {
	begin, end := c.Begin, c.End
	if h.Begin.After(begin) {
		begin = h.Begin
	}
	if !h.End.IsZero() && h.End.Before(end) {
		end = h.End
	}
	return end.Sub(begin)
}

// Cause is why a connection may fail; "" if it may not.
type Cause string

// The causes, as the table of the package has them.
const (
	AskedOff       Cause = "asked a host that was powered off"
	ServedOff      Cause = "served by a host that was powered off"
	FlowLost       Cause = "redirected by a host whose module was reloaded"
	AskedIsolated  Cause = "asked a host that was isolated"
	NoNeighbour    Cause = "asked a host that was isolated, whose address did not resolve"
	ServedIsolated Cause = "served by a host that was isolated"
	TwoAnswers     Cause = "answered by two hosts, by the one that was silent first"

	// Added to a cause when it takes a guess at who served.
	unknownServer = ", if who served, which is unknown, did"
)

// cause is why a harm allows a connection to fail that this host served.
func (h *Harm) cause(c *Conn, served string) Cause {
	lasted := h.overlap(c)
	if lasted < 0 {
		return ""
	}
	switch {
	case h.Kind == Off && c.Asked == h.Host:
		return AskedOff
	case h.Kind == Off && served == h.Host:
		return ServedOff
	case h.Kind == Reloaded && c.Asked == h.Host && served != h.Host:
		return FlowLost
	case h.Kind == Isolated && lasted >= survives && c.Asked == h.Host:
		return AskedIsolated
	case h.Kind == Isolated && c.End.Sub(h.Begin) >= resolves && c.Asked == h.Host && !c.Connected && c.Class == httpload.ClassUnreachable:
		return NoNeighbour
	case h.Kind == Isolated && lasted >= survives && served == h.Host:
		return ServedIsolated
	}
	return ""
}

// forgets says whether the asked host may have had a flow of the connection and
// lost it, so that having none means nothing.
func (h *Harm) forgets(c *Conn) bool {
	switch h.Kind {
	case Reloaded, Off:
		return h.Host == c.Asked && h.overlap(c) >= 0
	case Isolated: // the flows to a host that is taken for dead are removed
		return h.overlap(c) >= survives
	}
	return false
}

// Judge says why a failed connection was allowed to fail; "" means that it was
// not. hosts are all that may have served it.
func Judge(c *Conn, harms []Harm, hosts []string) Cause {
	known := c.Proof == ByAnswer || c.Proof == ByFlow || c.Proof == ByNoFlow
	if c.Proof == ByNoFlow {
		for i := range harms {
			known = known && !harms[i].forgets(c)
		}
	}
	served := []string{c.Served}
	if !known {
		served = hosts
	}
	guess := Cause("")
	for i := range harms {
		for _, s := range served {
			why := harms[i].cause(c, s)
			switch {
			case why == "":
			case known || why == AskedOff || why == AskedIsolated || why == NoNeighbour:
				return why
			case guess == "":
				guess = why + unknownServer
			}
		}
	}
	return guess
}
