// SPDX-License-Identifier: MIT

package chaos

import (
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// at is a time of the synthetic histories, in seconds.
func at(seconds float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func harm(kind HarmKind, host string, begin, end float64) Harm {
	h := Harm{Kind: kind, Host: host, Begin: at(begin)}
	if end > 0 {
		h.End = at(end)
	}
	return h
}

func failed(asked, served string, proof Proof, begin, end float64) Conn {
	return Conn{Kind: Download, Client: "c1", Family: family.V4, Port: 40000, Asked: asked, Served: served, Proof: proof,
		Begin: at(begin), End: at(end), Class: httpload.ClassReset, Err: "reset"}
}

func unreachable(asked string, begin, end float64) Conn {
	c := failed(asked, asked, ByNoFlow, begin, end)
	c.Class = httpload.ClassUnreachable
	return c
}

func connected(c Conn) Conn {
	c.Connected = true
	return c
}

func known(c Conn) Conn {
	c.Proof = ByAnswer
	return c
}

func unknown(c Conn) Conn {
	c.Proof, c.Served = Unproved, ""
	return c
}

var four = []string{"s1", "s2", "s3", "s4"}

func TestJudge(t *testing.T) {
	off := harm(Off, "s2", 10, 20)
	reload := harm(Reloaded, "s2", 10, 12)
	isolated := harm(Isolated, "s2", 10, 32)
	tests := []struct {
		name  string
		c     Conn
		harms []Harm
		want  Cause
	}{
		{"nothing happened", failed("s1", "s1", ByAnswer, 1, 2), nil, ""},

		{"asked the host that is off", failed("s2", "", Unproved, 12, 15), []Harm{off}, AskedOff},
		{"asked it, redirected to another", failed("s2", "s3", ByAnswer, 5, 11), []Harm{off}, AskedOff},
		{"served by it", failed("s1", "s2", ByAnswer, 5, 11), []Harm{off}, ServedOff},
		{"redirected to it by a flow", failed("s1", "s2", ByFlow, 5, 11), []Harm{off}, ServedOff},
		{"redirected to it while it was off", failed("s1", "s2", ByFlow, 12, 25), []Harm{off}, ServedOff},
		{"still off", failed("s1", "s2", ByFlow, 12, 25), []Harm{harm(Off, "s2", 10, 0)}, ServedOff},
		{"served by another", failed("s1", "s3", ByAnswer, 5, 15), []Harm{off}, ""},
		{"served by who was asked", failed("s1", "s1", ByNoFlow, 5, 15), []Harm{off}, ""},
		{"over before it was off", failed("s1", "s2", ByAnswer, 5, 9.9), []Harm{off}, ""},
		{"began when it served again", failed("s2", "s2", ByAnswer, 20.1, 21), []Harm{off}, ""},
		{"asked it after that", failed("s2", "s1", ByAnswer, 20.1, 21), []Harm{off}, ""},

		{"redirected by the reloaded host", failed("s2", "s1", ByAnswer, 9, 11), []Harm{reload}, FlowLost},
		{"served by the reloaded host itself", failed("s2", "s2", ByAnswer, 9, 11), []Harm{reload}, ""},
		{"served by it for another", failed("s1", "s2", ByAnswer, 9, 11), []Harm{reload}, ""},
		{"redirected by another to another", failed("s1", "s3", ByFlow, 9, 11), []Harm{reload}, ""},
		{"redirected by it, later", failed("s2", "s1", ByAnswer, 12.1, 13), []Harm{reload}, ""},

		{"asked the isolated host for long", failed("s2", "s2", ByAnswer, 9, 30), []Harm{isolated}, AskedIsolated},
		{"served by it for long", failed("s1", "s2", ByAnswer, 9, 30), []Harm{isolated}, ServedIsolated},
		{"served by it, but not for long", failed("s1", "s2", ByAnswer, 9, 19.9), []Harm{isolated}, ""},
		{"served by another for long", failed("s1", "s3", ByAnswer, 9, 30), []Harm{isolated}, ""},

		{"its address does not resolve", unreachable("s2", 11, 14.1), []Harm{isolated}, NoNeighbour},
		{"it did not when it began", unreachable("s2", 12, 12.6), []Harm{isolated}, NoNeighbour},
		{"too early for that", unreachable("s2", 11, 12.4), []Harm{isolated}, ""},
		{"too late for that", unreachable("s2", 32.1, 33), []Harm{isolated}, ""},
		{"another's does not resolve", unreachable("s1", 11, 14.1), []Harm{isolated}, ""},
		{"unreachable, but connected", connected(unreachable("s2", 11, 14.1)), []Harm{isolated}, ""},

		// Without an answer nor a flow.
		{"no flow, and none was lost", failed("s1", "s1", ByNoFlow, 9, 11), []Harm{reload}, ""},
		{"no flow any more", failed("s2", "s2", ByNoFlow, 9, 11), []Harm{reload}, FlowLost + unknownServer},
		{"no flow of a dead peer", failed("s1", "s1", ByNoFlow, 9, 31), []Harm{isolated}, ServedIsolated + unknownServer},
		{"unknown, and a host was off", failed("s1", "", Unproved, 9, 11), []Harm{off}, ServedOff + unknownServer},
		{"unknown, and nothing happened", failed("s1", "", Unproved, 1, 2), []Harm{off}, ""},
		{"unknown, and reload elsewhere", failed("s1", "", Unproved, 9, 11), []Harm{reload}, ""},

		// The limits themselves.
		{"began when it served again, to the moment", failed("s2", "s2", ByAnswer, 20, 21), []Harm{off}, AskedOff},
		{"asked the isolated host for just long enough", failed("s2", "s2", ByAnswer, 9, 20), []Harm{isolated}, AskedIsolated},
		{"served by it for just long enough", failed("s1", "s2", ByAnswer, 9, 20), []Harm{isolated}, ServedIsolated},
		{"its address does not resolve just now", unreachable("s2", 11, 12.5), []Harm{isolated}, NoNeighbour},
		{"no flow of a peer that is just dead", failed("s1", "s1", ByNoFlow, 9, 20), []Harm{isolated}, ServedIsolated + unknownServer},
		{"no flow since it was just reloaded", failed("s2", "s2", ByNoFlow, 12, 13), []Harm{reload}, FlowLost + unknownServer},

		// What one harm does another does not.
		{"redirected by the isolated host, not for long", failed("s2", "s1", ByAnswer, 9, 19.9), []Harm{isolated}, ""},
		{"served by a host reloaded for long", failed("s2", "s2", ByAnswer, 9, 24), []Harm{harm(Reloaded, "s2", 10, 25)}, ""},
		{"served for another by it", failed("s1", "s2", ByAnswer, 9, 24), []Harm{harm(Reloaded, "s2", 10, 25)}, ""},
		{"a reloaded host's address does not resolve", unreachable("s2", 11, 14.1), []Harm{harm(Reloaded, "s2", 10, 12)}, FlowLost + unknownServer},
		{"known to serve itself, and unreachable", known(unreachable("s2", 11, 14.1)), []Harm{harm(Reloaded, "s2", 10, 12)}, ""},
		{"not connected to the isolated host, for another reason", failed("s2", "s2", ByNoFlow, 11, 14.1), []Harm{isolated}, ""},
		{"no flow, long after the reload, and another was off", failed("s2", "s2", ByNoFlow, 13, 14), []Harm{reload, harm(Off, "s3", 13, 15)}, ""},
		{"no flow, reloaded, and another was off later", failed("s2", "s2", ByNoFlow, 9, 11), []Harm{reload, harm(Off, "s4", 100, 110)}, FlowLost + unknownServer},
		{"an unknown harm forgets nothing", failed("s2", "s2", ByNoFlow, 9, 11), []Harm{harm("cursed", "s2", 10, 12), harm(Off, "s3", 10, 12)}, ""},
		{"unknown, asked the isolated host", failed("s2", "", Unproved, 9, 30), []Harm{isolated}, AskedIsolated},
		{"unknown, and it does not resolve", unknown(unreachable("s2", 11, 14.1)), []Harm{isolated}, NoNeighbour},

		// Of several harms the one that explains counts.
		{"one of two", failed("s1", "s3", ByAnswer, 9, 11), []Harm{off, harm(Off, "s3", 10, 15)}, ServedOff},
		{"none of two", failed("s1", "s1", ByAnswer, 9, 11), []Harm{off, reload}, ""},
	}
	for _, tt := range tests {
		if got := Judge(&tt.c, tt.harms, four); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A connection's line says what is needed to look for the reason.
func TestConnString(t *testing.T) {
	c := failed("s1", "", Unproved, 1, 2)
	if c.Redirected() || !strings.Contains(c.String(), "served by unknown") {
		t.Errorf("%v: redirected %t", &c, c.Redirected())
	}
	c = failed("s1", "s2", ByFlow, 1, 2)
	for _, want := range []string{"c1", "40000", "to s1 by IPv4", "s2", "routing table", "reset"} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("%q says nothing of %q", c.String(), want)
		}
	}
}
