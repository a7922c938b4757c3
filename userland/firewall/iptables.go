// SPDX-License-Identifier: MIT

package firewall

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// hooks are the built-in chains of iptables, with the priorities of their tables.
var hooks = map[string]Hook{"PREROUTING": Prerouting, "INPUT": Input, "OUTPUT": Output, "POSTROUTING": Postrouting}

var tables = map[string]int{"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}

// ParseIPTables reads the output of iptables-save.
func ParseIPTables(text string) (*Ruleset, error) { return parseTables("iptables", ofIPv4, text) }

// ParseIP6Tables reads the output of ip6tables-save.
func ParseIP6Tables(text string) (*Ruleset, error) { return parseTables("ip6tables", ofIPv6, text) }

func parseTables(tool string, of family, text string) (*Ruleset, error) {
	r := &Ruleset{}
	table := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		var err error
		switch {
		case line == "" || line[0] == '#' || line == "COMMIT":
		case line[0] == '*':
			table = line[1:]
		case line[0] == ':':
			r.declare(tool, table, of, strings.Fields(line[1:]))
		case strings.HasPrefix(line, "-A "):
			err = r.append(tool+" "+table, line)
		default:
			err = fmt.Errorf("not understood: %q", line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s-save, line %d: %w", tool, i+1, err)
		}
	}
	return r, nil
}

// declare adds a chain: its name, and a policy if it is a built-in one.
func (r *Ruleset) declare(tool, table string, of family, f []string) {
	if len(f) == 0 {
		return
	}
	c := &Chain{Table: tool + " " + table, Name: f[0], family: of}
	if hook, ok := hooks[f[0]]; ok {
		c.Hook, c.Priority = hook, tables[table]
		c.Drops = len(f) > 1 && f[1] == "DROP"
	}
	r.chains = append(r.chains, c)
}

// append adds a rule: "-A CHAIN [MATCH]... [-j TARGET]".
func (r *Ruleset) append(table, line string) error {
	words := split(line)
	for _, c := range r.chains {
		if c.Table == table && c.Name == words[1] {
			rule := Rule{Text: line}
			parseIPTablesRule(&rule, words[2:])
			c.rules = append(c.rules, rule)
			return nil
		}
	}
	return fmt.Errorf("a rule of the unknown chain %q", words[1])
}

// split cuts a line at spaces that are not in quotes.
func split(line string) []string {
	var words []string
	var word strings.Builder
	quoted, some := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, some = !quoted, true
		case c == ' ' && !quoted:
			if some {
				words = append(words, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteByte(c)
			some = true
		}
	}
	if some {
		words = append(words, word.String())
	}
	return words
}

// plain are options that ask nothing of a packet, by the number of their values.
var plain = map[string]int{"-m": 1, "--match": 1, "--comment": 1}

// parseIPTablesRule fills a rule. An option that is not known is one that may match.
func parseIPTablesRule(r *Rule, words []string) {
	for i := 0; i < len(words); {
		not := words[i] == "!"
		if not {
			i++
		}
		if i >= len(words) {
			break
		}
		option := words[i]
		rest := words[i+1:]
		if option == "-j" || option == "-g" {
			r.verdict, r.target = target(option, rest)
			r.translates = len(rest) > 0 && (rest[0] == "DNAT" || rest[0] == "REDIRECT")
			return
		}
		if n, ok := plain[option]; ok {
			i += 1 + n
			continue
		}
		m, n := ask(option, rest)
		if m == nil {
			m = unknown
		}
		if not {
			yes := m
			m = func(p *Packet) answer { return yes(p).not() }
		}
		r.matches = append(r.matches, m)
		i += 1 + n
	}
}

// target returns the verdict of "-j" or "-g". Targets that change or log a packet
// go on.
func target(option string, rest []string) (verdict, string) {
	if len(rest) == 0 {
		return next, ""
	}
	switch name := rest[0]; name {
	case "ACCEPT":
		return accept, ""
	case "DROP", "REJECT":
		return drop, ""
	case "RETURN":
		return back, ""
	case "QUEUE", "NFQUEUE", "TPROXY", "SYNPROXY", "TARPIT":
		return stolen, ""
	case "DNAT", "REDIRECT", "SNAT", "MASQUERADE", "NETMAP":
		return accept, ""
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "CHECKSUM", "TCPMSS", "TOS", "DSCP",
		"TTL", "ECN", "CLASSIFY", "SET", "SECMARK", "CONNSECMARK", "AUDIT", "LED", "RATEEST", "TEE", "TCPOPTSTRIP", "IDLETIMER", "HMARK":
		return next, ""
	default:
		if option == "-g" {
			return follow, name
		}
		return jump, name
	}
}

// values is how many words follow an option that is not known: up to the next one.
func values(rest []string) int {
	for i, w := range rest {
		if w == "!" || len(w) > 1 && w[0] == '-' {
			return i
		}
	}
	return len(rest)
}

// ask returns what an option asks for, nil if it is not known, and the number of
// words that follow it.
func ask(option string, rest []string) (match, int) {
	value := ""
	if len(rest) > 0 {
		value = rest[0]
	}
	switch option {
	case "-p", "--protocol":
		return protocolMatch(value), 1
	case "-s", "-d":
		p, err := parsePrefix(value)
		if err != nil {
			return nil, 1
		}
		return func(k *Packet) answer {
			if option == "-s" {
				return within(k.Source, p)
			}
			return within(k.Destination, p)
		}, 1
	case "-i":
		return func(p *Packet) answer { return sameName(p.In, value, '+') }, 1
	case "-o":
		return func(p *Packet) answer { return sameName(p.Out, value, '+') }, 1
	case "--dport", "--dports":
		return ports(value, true), 1
	case "--sport", "--sports":
		return ports(value, false), 1
	case "--ports":
		return either(ports(value, true), ports(value, false)), 1
	case "--ctstate", "--state":
		return func(p *Packet) answer { return stateIn(p, strings.Split(value, ",")) }, 1
	case "--dst-type":
		return func(p *Packet) answer {
			sure := no
			for _, t := range strings.Split(value, ",") {
				sure = max(sure, addressType(p, t))
			}
			return sure
		}, 1
	case "--syn":
		return flagsAre(FIN|SYN|RST|ACK, SYN), 0
	case "--tcp-flags":
		return tcpFlags(rest), 2
	}
	return nil, values(rest)
}

func either(a, b match) match {
	if a == nil || b == nil {
		return nil
	}
	return func(p *Packet) answer { return max(a(p), b(p)) }
}

func protocolMatch(name string) match {
	if name == "all" || name == "0" {
		return func(*Packet) answer { return yes }
	}
	n, ok := protocols[strings.ToLower(name)]
	if !ok {
		var err error
		if n, err = strconv.Atoi(name); err != nil {
			return nil
		}
	}
	return func(p *Packet) answer { return is(p.Protocol == n) }
}

func tcpFlags(rest []string) match {
	if len(rest) < 2 {
		return nil
	}
	mask, ok1 := flagSet(strings.Split(rest[0], ","))
	want, ok2 := flagSet(strings.Split(rest[1], ","))
	if !ok1 || !ok2 {
		return nil
	}
	return flagsAre(mask, want)
}

// ports reads "80", "1000:2000" and lists of them.
func ports(list string, destination bool) match {
	var spans []span
	for _, s := range strings.Split(list, ",") {
		low, high, ok := strings.Cut(s, ":")
		if !ok {
			high = low
		}
		if low == "" {
			low = "0"
		}
		if high == "" {
			high = "65535"
		}
		a, err1 := strconv.Atoi(low)
		b, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil {
			return nil
		}
		spans = append(spans, span{a, b})
	}
	return func(p *Packet) answer {
		if !hasPorts(p) {
			return no
		}
		port := p.SourcePort
		if destination {
			port = p.DestinationPort
		}
		sure := no
		for _, s := range spans {
			sure = max(sure, portOf(port, s))
		}
		return sure
	}
}

// parsePrefix reads "192.0.2.1", "192.0.2.0/24" and "192.0.2.0/255.255.255.0".
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	address, mask, _ := strings.Cut(s, "/")
	m, err := netip.ParseAddr(mask)
	if err != nil {
		return netip.ParsePrefix(s)
	}
	bits := 0
	for _, b := range m.AsSlice() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return netip.ParsePrefix(fmt.Sprintf("%s/%d", address, bits))
}
