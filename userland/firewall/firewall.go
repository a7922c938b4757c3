// SPDX-License-Identifier: MIT

// Package firewall tells what a host's firewall does with a packet, from what
// "nft -j list ruleset", iptables-save and ip6tables-save print.
//
// It evaluates rules as the kernel does, with one more answer: a rule that asks for
// something that a Packet does not say, or that this package does not know, may match
// or not. So a Drop is certain, as far as the rules that are understood go.
package firewall

import (
	"cmp"
	"net/netip"
	"slices"
)

// A Hook is a place on a packet's way.
type Hook string

// The hooks of IPv4 and IPv6, and those of a device.
const (
	Ingress     Hook = "ingress"
	Egress      Hook = "egress"
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
)

// Protocols of packets.
const (
	TCP  = 6
	UDP  = 17
	IPIP = 4
	IPv6 = 41 // in IPv4 or IPv6
)

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// A Packet is what rules are asked about. What is not set is not known, but for
// DestinationLocal and Flags.
type Packet struct {
	In, Out             string // interfaces
	Protocol            int
	Source, Destination netip.Addr
	SourcePort          uint16
	DestinationPort     uint16
	Flags               int    // of TCP
	State               string // of connection tracking: new, established, ...
	DestinationLocal    bool   // the destination is an address of this host
}

// six tells whether it is a packet of IPv6: one of its addresses is known.
func (p *Packet) six() bool { return p.Source.Is6() || p.Destination.Is6() }

// A family is that of the packets which a chain sees.
type family int

const (
	ofBoth family = iota
	ofIPv4
	ofIPv6
)

// sees tells whether a packet is of the family.
func (f family) sees(p *Packet) bool { return f == ofBoth || (f == ofIPv6) == p.six() }

// A Rule is one rule of a chain.
type Rule struct {
	Text    string // as its tool prints it
	matches []match
	verdict verdict
	target  string // chain of a jump or goto
	maps    []mapped
	// translates is set if the rule changes the destination.
	translates bool
}

// A mapped verdict is that of an element of a verdict map.
type mapped struct {
	match   match
	verdict verdict
	target  string
}

// A Chain is a list of rules. A base chain has a hook.
type Chain struct {
	Table, Name string
	Hook        Hook
	Priority    int
	Devices     []string // of an ingress chain
	Drops       bool     // the policy is to drop
	family      family
	rules       []Rule
}

// A Ruleset is what one tool printed.
type Ruleset struct {
	chains []*Chain
	// leftOut has nft's families of whose tables iptables made some: they are left out.
	leftOut map[string]bool
}

type verdict int

const (
	next verdict = iota // go on with the next rule
	accept
	drop
	back // to the chain that jumped here
	jump
	follow // goto: jump without coming back
	stolen // by what is not known: a queue, a proxy
)

// An answer is whether a packet matches.
type answer int

const (
	no answer = iota
	maybe
	yes
)

func both(a, b answer) answer { return min(a, b) }

func (a answer) not() answer { return yes - a }

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

// A match asks one thing of a packet.
type match func(*Packet) answer

func never(*Packet) answer   { return no }
func unknown(*Packet) answer { return maybe }

// A Drop names the rule that drops a packet.
type Drop struct {
	Table, Chain string
	Rule         string // empty: the chain's policy
}

// String names the place as an operator looks for it.
func (d Drop) String() string {
	s := d.Table + " " + d.Chain
	if d.Rule == "" {
		return s + ": policy drop"
	}
	return s + ": " + d.Rule
}

// Drops tells which rule surely drops a packet at a hook, in chains with a
// priority from low up to, but without, high. It returns nil if none surely does.
func (r *Ruleset) Drops(hook Hook, low, high int, p *Packet) *Drop {
	var base []*Chain
	for _, c := range r.chains {
		if c.Hook == hook && c.family.sees(p) && c.Priority >= low && c.Priority < high &&
			(c.Hook != Ingress || slices.Contains(c.Devices, p.In)) {
			base = append(base, c)
		}
	}
	slices.SortStableFunc(base, func(a, b *Chain) int { return cmp.Compare(a.Priority, b.Priority) })
	for _, c := range base {
		w := walk{rules: r, packet: p}
		end, why := w.chain(c, 0)
		if end == drop && !w.doubt {
			return why
		}
		if end == next && c.Drops && !w.doubt {
			return &Drop{c.Table, c.Name, ""}
		}
	}
	return nil
}

// Seen returns the base chains that see packets at a hook and do anything with them, in
// those with a priority below high. A chain without rules that accepts all does nothing, and
// one at another device sees nothing.
func (r *Ruleset) Seen(hook Hook, device string, high int) []*Chain {
	var list []*Chain
	for _, c := range r.chains {
		ofDevice := hook == Ingress || hook == Egress
		if c.Hook == hook && c.Priority < high && (len(c.rules) > 0 || c.Drops) && (!ofDevice || slices.Contains(c.Devices, device)) {
			list = append(list, c)
		}
	}
	return list
}

// Translates tells which rule surely changes the destination of a packet that
// comes in, "" if none does.
func (r *Ruleset) Translates(p *Packet) string {
	for _, c := range r.chains {
		for _, rule := range c.rules {
			if !rule.translates || !c.family.sees(p) {
				continue
			}
			sure := yes
			for _, m := range rule.matches {
				sure = both(sure, m(p))
			}
			if sure == yes {
				return Drop{c.Table, c.Name, rule.Text}.String()
			}
		}
	}
	return ""
}

// The kernel allows fewer jumps in jumps than maxDepth, and no circles. A walk of more
// than maxSteps rules is given up.
const (
	maxDepth = 32
	maxSteps = 1_000_000
)

// A walk is the way of one packet through one base chain.
type walk struct {
	rules  *Ruleset
	packet *Packet
	doubt  bool // a rule may have accepted or stolen it
	steps  int
}

// chain returns drop or accept once they are certain, else next.
func (w *walk) chain(c *Chain, depth int) (verdict, *Drop) {
	if depth > maxDepth {
		w.doubt = true
		return accept, nil
	}
	for i := range c.rules {
		rule := &c.rules[i]
		if w.steps++; w.steps > maxSteps {
			w.doubt = true
			return accept, nil
		}
		v, target, sure := w.rule(rule)
		if sure == no {
			continue
		}
		switch v {
		case accept, stolen:
			if sure == yes {
				return accept, nil
			}
			w.doubt = true
		case drop:
			if sure == yes {
				return drop, &Drop{c.Table, c.Name, rule.Text}
			}
		case back:
			// What may come back may miss the rest of the chain.
			if sure == yes {
				return next, nil
			}
			if w.accepts(c) {
				w.doubt = true
			}
			return next, nil
		case jump, follow:
			end, why := w.jump(c.Table, target, depth, sure)
			if end != next || sure == yes && v == follow {
				return end, why
			}
		}
	}
	return next, nil
}

// accepts tells whether a chain accepts anything.
func (w *walk) accepts(c *Chain) bool {
	return slices.ContainsFunc(c.rules, func(r Rule) bool {
		return r.maps != nil || r.verdict == accept || r.verdict == stolen || r.verdict == jump || r.verdict == follow
	})
}

// jump walks a chain that a rule jumps to.
func (w *walk) jump(table, target string, depth int, sure answer) (verdict, *Drop) {
	i := slices.IndexFunc(w.rules.chains, func(c *Chain) bool { return c.Table == table && c.Name == target })
	if i < 0 {
		w.doubt = true
		return next, nil
	}
	end, why := w.chain(w.rules.chains[i], depth+1)
	if sure == yes {
		return end, why
	}
	if end == accept {
		w.doubt = true
	}
	return next, nil
}

// rule returns what a rule does, and whether it matches.
func (w *walk) rule(r *Rule) (verdict, string, answer) {
	sure := yes
	for _, m := range r.matches {
		sure = both(sure, m(w.packet))
	}
	if sure == no || len(r.maps) == 0 {
		return r.verdict, r.target, sure
	}
	doubt := false
	for _, e := range r.maps {
		switch both(sure, e.match(w.packet)) {
		case yes:
			return e.verdict, e.target, yes
		case maybe:
			doubt = true
		}
	}
	if doubt { // whichever it is
		return stolen, "", maybe
	}
	return next, "", no
}
