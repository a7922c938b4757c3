// SPDX-License-Identifier: MIT

package firewall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The objects of "nft -j list ruleset" (libnftables-json(5)).
type (
	nftChain struct {
		Family, Table, Name, Type, Hook, Policy string
		Prio                                    int
		Dev                                     any
	}
	nftRule struct {
		Family, Table, Chain, Comment string
		Handle                        int
		Expr                          []map[string]json.RawMessage
	}
	nftSet struct {
		Family, Table, Name string
		Elem                []any
	}
	nftObject struct {
		Chain *nftChain
		Rule  *nftRule
		Set   *nftSet
	}
)

// ParseNFT reads the output of "nft -j list ruleset". It leaves out tables that
// iptables made: only iptables-nft-save can tell what is in them.
func ParseNFT(data []byte) (*Ruleset, error) {
	var doc struct{ Nftables []nftObject }
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("nft -j list ruleset: %w", err)
	}
	foreign := map[string]bool{}
	sets := map[string]*nftSet{}
	for _, o := range doc.Nftables {
		if o.Rule != nil && slices.ContainsFunc(o.Rule.Expr, func(e map[string]json.RawMessage) bool { return e["xt"] != nil }) {
			foreign[o.Rule.Family+" "+o.Rule.Table] = true
		}
		if o.Set != nil {
			sets[o.Set.Family+" "+o.Set.Table+" "+o.Set.Name] = o.Set
		}
	}
	r := &Ruleset{leftOut: map[string]bool{}}
	for _, o := range doc.Nftables {
		c := o.Chain
		switch {
		case c == nil || !concerns(c.Family):
		case foreign[c.Family+" "+c.Table]:
			r.leftOut[c.Family] = true
		default:
			r.chains = append(r.chains, newNFTChain(c))
		}
	}
	for _, o := range doc.Nftables {
		if o.Rule == nil {
			continue
		}
		name := "nft " + o.Rule.Family + " " + o.Rule.Table
		for _, c := range r.chains {
			if c.Table == name && c.Name == o.Rule.Chain {
				p := parser{table: o.Rule.Family + " " + o.Rule.Table, sets: sets}
				c.rules = append(c.rules, p.rule(o.Rule))
			}
		}
	}
	return r, nil
}

// families are those whose chains see packets of IPv4 or IPv6.
var families = map[string]family{"ip": ofIPv4, "ip6": ofIPv6, "inet": ofBoth, "netdev": ofBoth}

// concerns tells whether a family's chains see packets of IPv4 or IPv6.
func concerns(name string) bool {
	_, ok := families[name]
	return ok
}

func newNFTChain(c *nftChain) *Chain {
	var devices []string
	switch d := c.Dev.(type) {
	case string:
		devices = []string{d}
	case []any:
		for _, e := range d {
			devices = append(devices, fmt.Sprint(e))
		}
	}
	return &Chain{
		Table: "nft " + c.Family + " " + c.Table, Name: c.Name, Hook: Hook(c.Hook), Priority: c.Prio,
		Devices: devices, Drops: c.Policy == "drop", family: families[c.Family],
	}
}

// words of a chain's line that names its devices: device "a", devices = { a, b }.
var devicesOf = regexp.MustCompile(`^type filter hook (?:in|e)gress devices? =? ?(.*?) priority`)

// AddDevices reads the devices of ingress and egress chains from the output of "nft list ruleset".
// Older versions of nft leave them out of JSON. A chain without device sees no packets.
func (r *Ruleset) AddDevices(text string) {
	table, chain := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		switch {
		case len(f) == 4 && f[0] == "table":
			table = "nft " + f[1] + " " + f[2]
		case len(f) == 3 && f[0] == "chain":
			chain = f[1]
		}
		m := devicesOf.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, c := range r.chains {
			if c.Table == table && c.Name == chain && c.Devices == nil {
				c.Devices = strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(`{}", `, r) })
			}
		}
	}
}

// A parser reads the rules of a table.
type parser struct {
	table string
	sets  map[string]*nftSet
}

func (p *parser) rule(in *nftRule) Rule {
	r := Rule{Text: ruleText(in)}
	for _, e := range in.Expr {
		for kind, raw := range e {
			p.statement(&r, kind, raw)
		}
		if r.verdict != next || r.maps != nil {
			break
		}
	}
	return r
}

// ruleText names a rule: its handle, its comment, and what it consists of.
func ruleText(in *nftRule) string {
	text := "handle " + strconv.Itoa(in.Handle)
	if in.Comment != "" {
		text += fmt.Sprintf(" (%s)", in.Comment)
	}
	for _, e := range in.Expr {
		if b, err := json.Marshal(e); err == nil {
			text += " " + string(b)
		}
	}
	return text
}

var simple = map[string]verdict{"accept": accept, "drop": drop, "reject": drop, "return": back, "queue": stolen, "tproxy": stolen,
	"synproxy": stolen, "dnat": accept, "redirect": accept, "snat": accept, "masquerade": accept}

// harmless statements ask nothing of a packet.
var harmless = []string{"counter", "log", "mangle", "notrack", "meter", "ct helper", "ct timeout", "ct expectation", "set", "map", "dup", "secmark", "last", "flow"}

// statement adds what one statement of a rule asks for, or does.
func (p *parser) statement(r *Rule, kind string, raw json.RawMessage) {
	if v, ok := simple[kind]; ok {
		r.verdict = v
		r.translates = kind == "dnat" || kind == "redirect"
		return
	}
	switch kind {
	case "match":
		r.matches = append(r.matches, p.match(raw))
	case "jump", "goto":
		var t struct{ Target string }
		_ = json.Unmarshal(raw, &t)
		r.verdict, r.target = jump, t.Target
		if kind == "goto" {
			r.verdict = follow
		}
	case "vmap":
		p.verdicts(r, raw)
	default:
		if !slices.Contains(harmless, kind) { // limit, quota, connlimit, ...
			r.matches = append(r.matches, unknown)
		}
	}
}

// verdicts reads a verdict map.
func (p *parser) verdicts(r *Rule, raw json.RawMessage) {
	var v struct{ Key, Data any }
	if decode(raw, &v) != nil {
		r.matches = append(r.matches, unknown)
		return
	}
	data, _ := v.Data.(map[string]any)
	list, ok := data["set"].([]any)
	if !ok { // a named map
		r.matches, r.verdict = append(r.matches, unknown), stolen
		return
	}
	for _, e := range list {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			continue
		}
		does, _ := pair[1].(map[string]any)
		for kind, target := range does {
			m := mapped{match: p.compare(v.Key, pair[0]), verdict: simple[kind]}
			if t, ok := target.(map[string]any); ok && (kind == "jump" || kind == "goto") {
				m.target, _ = t["target"].(string)
				m.verdict = jump
				if kind == "goto" {
					m.verdict = follow
				}
			}
			r.maps = append(r.maps, m)
		}
	}
}

func decode(raw json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

// match reads {"op": ..., "left": ..., "right": ...}.
func (p *parser) match(raw json.RawMessage) match {
	var m struct {
		Op          string
		Left, Right any
	}
	if decode(raw, &m) != nil {
		return unknown
	}
	if flags := p.flags(m.Op, m.Left, m.Right); flags != nil {
		return flags
	}
	equal := p.compare(m.Left, m.Right)
	switch m.Op {
	case "==", "in":
		return equal
	case "!=":
		return p.other(m.Left, equal)
	}
	return p.ordered(m.Op, m.Left, m.Right)
}

// other is the opposite of a match. A header that the packet does not have is not
// unequal either.
func (p *parser) other(left any, equal match) match {
	protocol, _ := payload(left)
	return func(k *Packet) answer {
		if protocol == "tcp" && k.Protocol != TCP || protocol == "udp" && k.Protocol != UDP || protocol == "ip" && k.six() || protocol == "ip6" && !k.six() {
			return no
		}
		return equal(k).not()
	}
}

// ordered reads "<", ">", "<=" and ">=" of ports.
func (p *parser) ordered(op string, left, right any) match {
	n, ok := number(right)
	if !ok {
		return unknown
	}
	s := map[string]span{"<": {0, n - 1}, "<=": {0, n}, ">": {n + 1, 65535}, ">=": {n, 65535}}[op]
	return p.value(left, s)
}

// payload returns the header and field of {"payload": ...}.
func payload(left any) (protocol, field string) {
	m, _ := left.(map[string]any)
	pl, _ := m["payload"].(map[string]any)
	protocol, _ = pl["protocol"].(string)
	field, _ = pl["field"].(string)
	return protocol, field
}

// flags reads "tcp flags & mask == value", and "tcp flags value" with or without a
// mask.
func (p *parser) flags(op string, left, right any) match {
	mask := -1
	if m, ok := left.(map[string]any); ok {
		if and, ok := m["&"].([]any); ok && len(and) == 2 {
			bits, ok := flagValue(and[1])
			if !ok {
				return nil
			}
			mask, left = bits, and[0]
		}
	}
	if protocol, field := payload(left); protocol != "tcp" || field != "flags" {
		return nil
	}
	want, ok := flagValue(right)
	if !ok {
		return unknown
	}
	return func(k *Packet) answer {
		if k.Protocol != TCP {
			return no
		}
		switch op {
		case "in":
			return is(k.Flags&want != 0)
		case "!":
			return is(k.Flags&want == 0)
		}
		equal := k.Flags&mask == want
		return is(equal == (op != "!="))
	}
}

// flagValue reads names of flags: one, a list, or several with "|".
func flagValue(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return flagSet([]string{v})
	case json.Number:
		n, err := v.Int64()
		return int(n), err == nil
	case []any:
		return flagUnion(v)
	case map[string]any:
		if list, ok := v["|"].([]any); ok {
			return flagUnion(list)
		}
	}
	return 0, false
}

func flagUnion(list []any) (int, bool) {
	set := 0
	for _, e := range list {
		bits, ok := flagValue(e)
		if !ok {
			return 0, false
		}
		set |= bits
	}
	return set, true
}

// compare tells whether what left names has the value, or one of the values, of right.
func (p *parser) compare(left, right any) match {
	switch v := right.(type) {
	case map[string]any:
		if list, ok := v["set"].([]any); ok {
			return p.any(left, list)
		}
		if list, ok := v["range"].([]any); ok && len(list) == 2 {
			a, ok1 := number(list[0])
			b, ok2 := number(list[1])
			if ok1 && ok2 {
				return p.value(left, span{a, b})
			}
			return p.value(left, addressSpan(list))
		}
		if m, ok := v["prefix"].(map[string]any); ok {
			return p.value(left, prefixOf(m))
		}
		if e, ok := v["elem"].(map[string]any); ok {
			return p.compare(left, e["val"])
		}
	case []any: // flags, of which one is enough
		return p.any(left, v)
	case string:
		if len(v) > 1 && v[0] == '@' {
			if s := p.sets[p.table+" "+v[1:]]; s != nil {
				return p.any(left, s.Elem)
			}
			return unknown
		}
		if v == "*" {
			return func(*Packet) answer { return yes }
		}
		return p.value(left, v)
	case json.Number:
		if n, ok := number(v); ok {
			return p.value(left, span{n, n})
		}
	}
	return unknown
}

func (p *parser) any(left any, list []any) match {
	var all []match
	for _, e := range list {
		all = append(all, p.compare(left, e))
	}
	return func(k *Packet) answer {
		sure := no
		for _, m := range all {
			sure = max(sure, m(k))
		}
		return sure
	}
}

func number(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

func prefixOf(m map[string]any) any {
	s, _ := m["addr"].(string)
	a, err := netip.ParseAddr(s)
	n, ok := number(m["len"])
	if err != nil || !ok {
		return nil
	}
	return netip.PrefixFrom(a, n)
}

// An addresses is a range of addresses.
type addresses struct{ low, high netip.Addr }

func addressSpan(list []any) any {
	a, _ := list[0].(string)
	b, _ := list[1].(string)
	low, err1 := netip.ParseAddr(a)
	high, err2 := netip.ParseAddr(b)
	if err1 != nil || err2 != nil {
		return nil
	}
	return addresses{low, high}
}

// value tells whether what left names has a value: a string, span, prefix or range of
// addresses.
func (p *parser) value(left, want any) match {
	if want == nil {
		return unknown
	}
	m, _ := left.(map[string]any)
	protocol, field := payload(left)
	switch protocol {
	case "ip", "ip6":
		field := ipField(field, want)
		return func(k *Packet) answer { return both(is(k.six() == (protocol == "ip6")), field(k)) }
	case "tcp", "udp", "th":
		return portField(protocol, field, want)
	case "icmp", "icmpv6", "arp", "sctp", "dccp", "igmp", "ah", "esp", "gre", "vlan", "ether":
		if protocol == "ether" || protocol == "vlan" {
			return unknown
		}
		return never
	}
	if meta, ok := m["meta"].(map[string]any); ok {
		key, _ := meta["key"].(string)
		return metaField(key, want)
	}
	if ct, ok := m["ct"].(map[string]any); ok && ct["key"] == "state" {
		if s, ok := want.(string); ok {
			return func(k *Packet) answer { return stateIn(k, []string{s}) }
		}
	}
	if ct, ok := m["ct"].(map[string]any); ok && ct["key"] == "status" && (want == "dnat" || want == "snat") {
		return never // what is redirected by NAT is not for dpr
	}
	if fib, ok := m["fib"].(map[string]any); ok && fib["result"] == "type" {
		if s, ok := want.(string); ok && onlyDestination(fib["flags"]) {
			return func(k *Packet) answer { return addressType(k, s) }
		}
	}
	return unknown
}

// onlyDestination tells whether a lookup's key is the destination, whatever the
// interface: "daddr", not "saddr" nor "iif".
func onlyDestination(flags any) bool {
	if s, ok := flags.(string); ok {
		return s == "daddr"
	}
	list, _ := flags.([]any)
	return len(list) == 1 && list[0] == "daddr"
}

func ipField(field string, want any) match {
	switch field {
	case "saddr":
		return func(k *Packet) answer { return inAddresses(k.Source, want) }
	case "daddr":
		return func(k *Packet) answer { return inAddresses(k.Destination, want) }
	case "protocol", "nexthdr":
		return protocolValue(want)
	}
	return unknown
}

func inAddresses(a netip.Addr, want any) answer {
	switch v := want.(type) {
	case string:
		w, err := netip.ParseAddr(v)
		if err != nil || !a.IsValid() {
			return maybe
		}
		return is(a == w)
	case netip.Prefix:
		return within(a, v)
	case addresses:
		if !a.IsValid() {
			return maybe
		}
		return is(a.Compare(v.low) >= 0 && a.Compare(v.high) <= 0)
	}
	return maybe
}

func protocolValue(want any) match {
	switch v := want.(type) {
	case string:
		if m := protocolMatch(v); m != nil {
			return m
		}
	case span:
		return func(k *Packet) answer { return v.has(k.Protocol) }
	}
	return unknown
}

func portField(protocol, field string, want any) match {
	s, ok := want.(span)
	if name, is := want.(string); is { // as printed with service names
		s, ok = servicePort(name)
	}
	return func(k *Packet) answer {
		if protocol == "tcp" && k.Protocol != TCP || protocol == "udp" && k.Protocol != UDP || !hasPorts(k) {
			return no
		}
		if !ok {
			return maybe
		}
		switch field {
		case "dport":
			return portOf(k.DestinationPort, s)
		case "sport":
			return portOf(k.SourcePort, s)
		}
		return maybe
	}
}

func servicePort(name string) (span, bool) {
	n, ok := map[string]int{"http": 80, "https": 443, "ssh": 22}[name]
	return span{n, n}, ok
}

func metaField(key string, want any) match {
	name, _ := want.(string)
	switch key {
	case "iif", "iifname":
		return func(k *Packet) answer { return interfaceIs(k.In, name) }
	case "oif", "oifname":
		return func(k *Packet) answer { return interfaceIs(k.Out, name) }
	case "l4proto":
		return protocolValue(want)
	case "nfproto":
		return func(k *Packet) answer { return is(k.six() == (name == "ipv6")) }
	case "protocol":
		return func(k *Packet) answer { return is(name == "ip" && !k.six() || name == "ip6" && k.six()) }
	case "pkttype":
		return func(k *Packet) answer { return is((name == "multicast") == k.Destination.IsMulticast()) }
	}
	return unknown
}

func interfaceIs(have, want string) answer {
	if want == "" { // an index
		return maybe
	}
	return sameName(have, want, '*')
}
