// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// record appends a record of a service's rules.
func record(b []byte, typ byte, value ...byte) []byte {
	return append(append(b, typ, byte(len(value))), value...)
}

// condition appends a condition, or nothing if it has no value.
func condition(b []byte, typ byte, value string) []byte {
	if value == "" {
		return b
	}
	return record(b, typ, []byte(value)...)
}

// hostRecord appends a host's name or, if it begins with "*", its suffix.
func hostRecord(b []byte, is, suffix byte, value string) []byte {
	value = lower(value)
	if rest, ok := strings.CutPrefix(value, "*"); ok && strings.HasPrefix(rest, ".") {
		return condition(b, suffix, rest)
	}
	return condition(b, is, value)
}

// lower makes the letters of ASCII small.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// records are a ruleset that is right, as the kernel has it.
func (r Ruleset) records() []byte {
	var b []byte
	index := func(name string) byte {
		return byte(slices.IndexFunc(r.Groups, func(g Group) bool { return g.Name == name }))
	}
	for _, g := range r.Groups {
		head := binary.NativeEndian.AppendUint16([]byte{byte(g.Policy), byte(g.Locality)}, g.Spill)
		b = record(b, recordGroup, append(head, g.Name...)...)
		for _, h := range g.Hosts {
			b = record(b, recordMember, h.Unmap().AsSlice()...)
		}
	}
	for _, m := range r.Matches {
		b = record(b, recordRule, index(m.Group))
		b = hostRecord(b, recordHost, recordHostSuffix, m.Host)
		b = condition(b, recordPath, m.Path)
		b = condition(b, recordMethod, m.Method)
		b = condition(b, recordCookie, m.Cookie)
		b = hostRecord(b, recordSni, recordSniSuffix, m.SNI)
		b = condition(b, recordAlpn, m.ALPN)
	}
	if r.Default != "" {
		b = record(b, recordDefault, index(r.Default))
	}
	return b
}

// Records returns a ruleset as the kernel has it. The error is what is wrong with it.
func (r Ruleset) Records() ([]byte, error) {
	var errs []error
	for _, m := range r.Check() {
		errs = append(errs, m)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return r.records(), nil
}

// ParseRecords returns the ruleset of records that the kernel has.
func ParseRecords(b []byte) (Ruleset, error) {
	var r Ruleset
	for len(b) > 0 {
		if len(b) < 2 || len(b)-2 < int(b[1]) {
			return Ruleset{}, errors.New("a record of rules is cut off")
		}
		typ, value := b[0], b[2:2+int(b[1])]
		b = b[2+len(value):]
		if err := r.add(typ, value); err != nil {
			return Ruleset{}, err
		}
	}
	return r, nil
}

// group returns the name of the group of a record.
func (r *Ruleset) group(value []byte) (string, error) {
	if len(value) != 1 || int(value[0]) >= len(r.Groups) {
		return "", errors.New("a rule has no group")
	}
	return r.Groups[value[0]].Name, nil
}

// add adds what a record says.
func (r *Ruleset) add(typ byte, value []byte) (err error) {
	switch typ {
	case recordGroup:
		if len(value) < 4 {
			return errors.New("a group is cut off")
		}
		r.Groups = append(r.Groups, Group{Policy: GroupPolicy(value[0]), Locality: Locality(value[1]),
			Spill: binary.NativeEndian.Uint16(value[2:]), Name: string(value[4:])})
		return nil
	case recordMember:
		a, ok := netip.AddrFromSlice(value)
		if !ok || len(r.Groups) == 0 {
			return errors.New("a group's host has no address, or no group")
		}
		g := &r.Groups[len(r.Groups)-1]
		g.Hosts = append(g.Hosts, a)
		return nil
	case recordRule:
		var m Match
		m.Group, err = r.group(value)
		r.Matches = append(r.Matches, m)
		return err
	case recordDefault:
		r.Default, err = r.group(value)
		return err
	}
	if len(r.Matches) == 0 {
		return fmt.Errorf("a record of type %d without a rule", typ)
	}
	return r.Matches[len(r.Matches)-1].add(typ, string(value))
}

// add adds what a record says of a condition.
func (m *Match) add(typ byte, value string) error {
	switch typ {
	case recordHost:
		m.Host = value
	case recordHostSuffix:
		m.Host = "*" + value
	case recordPath:
		m.Path = value
	case recordMethod:
		m.Method = value
	case recordCookie:
		m.Cookie = value
	case recordSni:
		m.SNI = value
	case recordSniSuffix:
		m.SNI = "*" + value
	case recordAlpn:
		m.ALPN = value
	default:
		return fmt.Errorf("a rule has a condition of type %d, which is newer than this program", typ)
	}
	return nil
}

// knowsRuleset is the version of the family from which on services have rules by what is
// asked for.
const knowsRuleset = 6

// rulesOf begins a request about a service's rules.
func (c *Client) rulesOf(s Service) *encoder {
	e := newEncoder(c.version())
	e.port(rulesAttrPort, "service port", s.Port)
	if s.Address.IsValid() && !s.Address.IsUnspecified() {
		e.addr(rulesAttrAddress, "service address", s.Address)
	}
	return e
}

// Ruleset returns a service's rules by what is asked for. A module of an older version has
// none. The error is fs.ErrNotExist if there is no such service.
func (c *Client) Ruleset(ctx context.Context, s Service) (Ruleset, error) {
	if c.version() < knowsRuleset {
		return Ruleset{}, nil
	}
	return one(ctx, c, "reading the rules of service "+s.String(), cmdRulesGet, c.rulesOf(s), decodeRuleset)
}

// SetRuleset replaces a service's rules by what is asked for, as a whole; the zero value
// removes them. Existing connections survive. The error is fs.ErrNotExist if there is no
// such service.
func (c *Client) SetRuleset(ctx context.Context, s Service, r Ruleset) error {
	if c.version() < knowsRuleset && r.None() {
		return nil
	}
	e := c.rulesOf(s)
	if c.version() < knowsRuleset {
		e.fail(fmt.Errorf("%w: it has no rules by what is asked for", errOlder))
	}
	if !r.None() {
		b, err := r.Records()
		if err != nil {
			e.fail(err)
		}
		e.ae.Bytes(rulesAttrRecords, b)
	}
	return c.do(ctx, "setting the rules of service "+s.String(), cmdRulesSet, e)
}

// A RulesResult is what a service's rules say of a connection.
type RulesResult struct {
	Outcome Outcome
	Rule    uint32     // of Ruleset.Matches; RulesNone: no one
	Group   uint32     // of Ruleset.Groups; RulesNone: the service's policy decides
	Hashed  bool       // there is a Hash
	Hash    uint64     // what GroupLocality goes by
	Host    netip.Addr // that a client would get now; invalid: the service's policy decides
}

// TestRuleset asks the kernel what it would decide for a connection whose client has sent
// these bytes; final: and will send no more in time. For a client that is not the zero value
// it says which host would get its connection now. The error is fs.ErrNotExist if there is no
// such service.
func (c *Client) TestRuleset(ctx context.Context, s Service, data []byte, final bool, client netip.AddrPort) (RulesResult, error) {
	e := c.rulesOf(s)
	if c.version() < knowsRuleset {
		e.fail(fmt.Errorf("%w: it has no rules by what is asked for", errOlder))
	}
	e.ae.Bytes(rulesAttrBytes, data)
	e.ae.Flag(rulesAttrFinal, final)
	if client.Addr().IsValid() {
		e.addr(rulesAttrClient, "client address", client.Addr())
		e.ae.Uint16(rulesAttrClientPort, client.Port())
	}
	return one(ctx, c, "testing the rules of service "+s.String(), cmdRulesTest, e, decodeRulesResult)
}

func decodeRuleset(data []byte) (Ruleset, error) {
	var records []byte
	if _, err := decode(data, fields{rulesAttrRecords: &records}); err != nil {
		return Ruleset{}, err
	}
	return ParseRecords(records)
}

func decodeRulesResult(data []byte) (RulesResult, error) {
	var r RulesResult
	got, err := decode(data, fields{
		rulesAttrOutcome: (*uint32)(&r.Outcome),
		rulesAttrRule:    &r.Rule,
		rulesAttrGroup:   &r.Group,
		rulesAttrHash:    &r.Hash,
		rulesAttrHost:    &r.Host,
	}, rulesAttrOutcome, rulesAttrRule, rulesAttrGroup)
	r.Hashed = got.has(rulesAttrHash)
	return r, err
}

// UncheckedRecords returns the records of any ruleset whose groups are there: for tests of
// what the kernel refuses.
func UncheckedRecords(r Ruleset) []byte { return r.records() }
