// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

var fullRuleset = Ruleset{
	Groups: []Group{
		{Name: "one", Policy: GroupOffer, Hosts: []netip.Addr{addr1, six1}},
		{Name: "two", Policy: GroupLocality, Locality: LocalityUrl, Spill: 300},
	},
	Matches: []Match{
		{Group: "two", Host: "a.example", Path: "/x", Method: "GET", Cookie: "a=b", SNI: "*.b.example", ALPN: "h2"},
		{Group: "one", Host: "*.c.example"},
		{Group: "one", SNI: "d.example"},
	},
	Default: "one",
}

func fullRecords() []byte {
	spill := func(n uint16) string { return string(binary.NativeEndian.AppendUint16(nil, n)) }
	return []byte("\x01\x07\x01\x00" + spill(0) + "one\x02\x04\xc0\x00\x02\x01\x02\x10" + string(six1.AsSlice()) +
		"\x01\x07\x03\x01" + spill(300) + "two" +
		"\x03\x01\x01\x04\x09a.example\x06\x02/x\x07\x03GET\x08\x03a=b\x0a\x0a.b.example\x0b\x02h2" +
		"\x03\x01\x00\x05\x0a.c.example\x03\x01\x00\x09\x09d.example\x0c\x01\x00")
}

func binaryAttr(typ uint16, b []byte) netlink.Attribute { return netlink.Attribute{Type: typ, Data: b} }

func TestRecords(t *testing.T) {
	b, err := fullRuleset.Records()
	if err != nil || string(b) != string(fullRecords()) {
		t.Errorf("%q, %v\nwant %q", b, err, fullRecords())
	}
	r, err := ParseRecords(b)
	if err != nil || !r.Equal(fullRuleset) || !reflect.DeepEqual(r, fullRuleset) {
		t.Errorf("%+v, %v", r, err)
	}
	// Letters of hosts are small there, and an IPv4 address has four bytes.
	same := Ruleset{Groups: []Group{{Name: "g", Hosts: []netip.Addr{netip.AddrFrom16(addr1.As16())}}}, Matches: []Match{{Group: "g", Host: "*.A.Example", SNI: "B"}}}
	b, err = same.Records()
	if err != nil {
		t.Fatal(err)
	}
	r, err = ParseRecords(b)
	if err != nil || r.Matches[0].Host != "*.a.example" || r.Matches[0].SNI != "b" || r.Groups[0].Hosts[0] != addr1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ParseRecords(nil); err != nil || !r.None() {
		t.Errorf("%+v, %v", r, err)
	}
	for _, none := range []Ruleset{{Groups: r.Groups}, {Matches: r.Matches}, {Default: "g"}} {
		if none.None() {
			t.Errorf("%+v is none", none)
		}
	}
	if string(UncheckedRecords(fullRuleset)) != string(fullRecords()) {
		t.Error("unchecked records are others")
	}
}

// What no module of ours sends is an error, not a panic.
func TestBrokenRecords(t *testing.T) {
	whole := fullRecords()
	for n := range whole {
		if r, err := ParseRecords(whole[:n]); err == nil && r.Equal(fullRuleset) {
			t.Errorf("%d bytes are all", n)
		}
	}
	for text, want := range map[string]string{
		"\x01": "cut off", "\x01\x02a": "cut off", "\x01\x03abc": "a group is cut off", "\x02\x041234": "no group", "\x01\x04\x00\x00\x00\x00\x02\x03123": "no address",
		"\x03\x01\x00": "no group", "\x01\x04\x00\x00\x00\x00\x03\x02\x00\x00": "no group", "\x0c\x01\x01": "no group", "\x04\x01a": "without a rule",
		"\x01\x04\x00\x00\x00\x00\x03\x01\x00\x63\x00": "newer than this program",
	} {
		if _, err := ParseRecords([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestRulesetsDiffer(t *testing.T) {
	for name, change := range map[string]func(*Ruleset){
		"default": func(r *Ruleset) { r.Default = "two" }, "no default": func(r *Ruleset) { r.Default = "" },
		"rule": func(r *Ruleset) { r.Matches[0].Path = "/y" }, "rules": func(r *Ruleset) { r.Matches = r.Matches[:2] },
		"group": func(r *Ruleset) { r.Groups[0].Name = "x" }, "policy": func(r *Ruleset) { r.Groups[0].Policy = 0 }, "locality": func(r *Ruleset) { r.Groups[1].Locality = 0 },
		"spill": func(r *Ruleset) { r.Groups[0].Spill++ }, "hosts": func(r *Ruleset) { r.Groups[0].Hosts = nil },
	} {
		r, err := ParseRecords(fullRecords())
		if err != nil {
			t.Fatal(err)
		}
		if change(&r); r.Equal(fullRuleset) {
			t.Errorf("%s: no difference", name)
		}
	}
}

// Each mistake is said, with its key.
func TestRulesetMistakes(t *testing.T) {
	many := func(n int, value string) (list []Match) {
		for range n {
			list = append(list, Match{Group: "one", Path: value})
		}
		return list
	}
	hosts := func(n int) (list []netip.Addr) {
		for a := addr1; n > 0; n-- {
			list = append(list, a)
			a = a.Next()
		}
		return list
	}
	groups := func(n int) (list []Group) {
		for i := range n {
			list = append(list, Group{Name: fmt.Sprint(i)})
		}
		return list
	}
	long := "/" + strings.Repeat("a", maxCondition-1)
	for i, tt := range []struct {
		change func(*Ruleset)
		want   string // empty: it is right
	}{
		{func(*Ruleset) {}, ""},
		{func(r *Ruleset) { *r = Ruleset{} }, ""},
		{func(r *Ruleset) { r.Groups[0].Name = "" }, "group.1.name: \"\" is not a name"},
		{func(r *Ruleset) { r.Groups[0].Name = strings.Repeat("a", 33) }, "group.1.name"},
		{func(r *Ruleset) { r.Groups[1].Name = "one" }, "group.2.name: there are two"},
		{func(r *Ruleset) { r.Groups[1].Policy = GroupLocality + 1 }, "group.2.policy: unknown"},
		{func(r *Ruleset) { r.Groups[1].Locality = LocalityUrl + 1 }, "group.2.locality: unknown"},
		{func(r *Ruleset) { r.Groups[1].Spill = MaxRulesSpill }, ""},
		{func(r *Ruleset) { r.Groups[1].Spill = MaxRulesSpill + 1 }, "group.2.spill: 1001"},
		{func(r *Ruleset) { r.Groups[1].Hosts = hosts(MaxRulesMembers) }, ""},
		{func(r *Ruleset) { r.Groups[1].Hosts = hosts(MaxRulesMembers + 1) }, "group.2.hosts: too many"},
		{func(r *Ruleset) { r.Groups[1].Hosts = []netip.Addr{addr1, netip.AddrFrom16(addr1.As16())} }, "group.2.hosts: 192.0.2.1 is there twice"},
		{func(r *Ruleset) { r.Groups[1].Hosts = []netip.Addr{{}} }, "group.2.hosts: invalid"},
		{func(r *Ruleset) { r.Groups[1].Hosts = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} }, "group.2.hosts: fe80"},
		{func(r *Ruleset) { r.Matches[1].Group = "x" }, "rule.2.group: there is no group \"x\""},
		{func(r *Ruleset) { r.Matches[1] = Match{Group: "one"} }, "rule.2: a rule needs a condition"},
		{func(r *Ruleset) { r.Matches[1].Host = "a." }, "rule.2.host"},
		{func(r *Ruleset) { r.Matches[1].SNI = "*.[::1]" }, "rule.2.sni"},
		{func(r *Ruleset) { r.Matches[1].Path = "x" }, "rule.2.path"},
		{func(r *Ruleset) { r.Matches[1].Method = "A B" }, "rule.2.method"},
		{func(r *Ruleset) { r.Matches[1].Cookie = "a" }, "rule.2.cookie"},
		{func(r *Ruleset) { r.Matches[1].Path = long }, ""},
		{func(r *Ruleset) { r.Matches[1].Path = long + "a" }, "longer than 255"},
		{func(r *Ruleset) { r.Matches[1].Host = "*." + strings.Repeat("a", 254) }, ""},
		{func(r *Ruleset) { r.Matches[1].Host = "*." + strings.Repeat("a", 255) }, "longer than 255"},
		{func(r *Ruleset) { r.Default = "x" }, "default_group: there is no group"},
		{func(r *Ruleset) { r.Default, r.Matches = "", nil }, "group: no rule leads to a group"},
		{func(r *Ruleset) { r.Matches = nil }, ""},
		{func(r *Ruleset) { r.Matches = many(MaxRules, "/") }, ""},
		{func(r *Ruleset) { r.Matches = many(MaxRules+1, "/") }, "rule.65: too many"},
		{func(r *Ruleset) { r.Groups = append(r.Groups, groups(MaxRulesGroups-2)...) }, ""},
		{func(r *Ruleset) { r.Groups = append(r.Groups, groups(MaxRulesGroups-1)...) }, "group.33: too many"},
		{func(r *Ruleset) {
			for i := range MaxRules {
				r.Matches = append(r.Matches[:i:i], Match{Group: "one", Path: long, Host: long[1:], SNI: long[1:]})
			}
		}, "more than 32768 bytes"},
	} {
		r, err := ParseRecords(fullRecords())
		if err != nil {
			t.Fatal(err)
		}
		tt.change(&r)
		mistakes := r.Check()
		_, err = r.Records()
		if tt.want == "" {
			if len(mistakes) != 0 || err != nil {
				t.Errorf("%d: %v, %v", i, mistakes, err)
			}
			continue
		}
		if len(mistakes) == 0 || !strings.Contains(mistakes[0].Error(), tt.want) || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d: %v, %v, want %s", i, mistakes, err, tt.want)
		}
	}
}

// A module without rules by what is asked for has none, and takes none.
func TestModuleWithoutRulesets(t *testing.T) {
	c := testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		t.Error("a message was sent")
		return nil, nil
	})
	c.family.Version = knowsRuleset - 1
	ctx, s := t.Context(), Service{Port: 80}
	if r, err := c.Ruleset(ctx, s); err != nil || !r.None() {
		t.Errorf("%+v, %v", r, err)
	}
	if err := c.SetRuleset(ctx, s, Ruleset{}); err != nil {
		t.Error(err)
	}
	if err := c.SetRuleset(ctx, s, fullRuleset); !errors.Is(err, errOlder) {
		t.Error(err)
	}
	if _, err := c.TestRuleset(ctx, s, nil, false, netip.AddrPort{}); !errors.Is(err, errOlder) {
		t.Error(err)
	}
}

func TestRulesetAnswers(t *testing.T) {
	ctx, s := t.Context(), Service{Port: 80}
	client := func(attrs ...netlink.Attribute) *Client {
		return testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) { return answer(attrs...), nil })
	}
	if r, err := client(binaryAttr(rulesAttrRecords, fullRecords())).Ruleset(ctx, s); err != nil || !r.Equal(fullRuleset) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := client().Ruleset(ctx, s); err != nil || !r.None() {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := client(binaryAttr(rulesAttrRecords, []byte{1})).Ruleset(ctx, s); err == nil {
		t.Error("broken records are taken")
	}
	got, err := client(u32(rulesAttrOutcome, 1), u32(rulesAttrRule, 2), u32(rulesAttrGroup, 3), u64(rulesAttrHash, 4), ip(rulesAttrHost, 192, 0, 2, 2)).TestRuleset(ctx, s, nil, true, netip.AddrPort{})
	if want := (RulesResult{RulesMatch, 2, 3, true, 4, addr2}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = client(u32(rulesAttrOutcome, 3), u32(rulesAttrRule, 255), u32(rulesAttrGroup, 255)).TestRuleset(ctx, s, nil, true, netip.AddrPort{})
	if want := (RulesResult{RulesBad, RulesNone, RulesNone, false, 0, netip.Addr{}}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := client(u32(rulesAttrOutcome, 3)).TestRuleset(ctx, s, nil, true, netip.AddrPort{}); err == nil {
		t.Error("half an answer is taken")
	}
	wrong := fullRuleset
	wrong.Default = "x"
	if err := client().SetRuleset(ctx, s, wrong); err == nil || !strings.Contains(err.Error(), "default_group") {
		t.Error(err)
	}
	if err := client().SetRuleset(ctx, Service{}, fullRuleset); err == nil {
		t.Error("a service without port is taken")
	}
}

func init() {
	methods = append(methods, []method{
		{"Ruleset", func(ctx context.Context, c *Client) error { _, err := c.Ruleset(ctx, Service{Port: 80}); return err },
			cmdRulesGet, flagsGet, []netlink.Attribute{u16(rulesAttrPort, 80)}},
		{"SetRuleset", func(ctx context.Context, c *Client) error {
			return c.SetRuleset(ctx, Service{Port: 80, Address: addr1}, fullRuleset)
		}, cmdRulesSet, flagsSet, []netlink.Attribute{u16(rulesAttrPort, 80), ip(rulesAttrAddress, 192, 0, 2, 1), binaryAttr(rulesAttrRecords, fullRecords())}},
		{"SetRuleset none", func(ctx context.Context, c *Client) error {
			return c.SetRuleset(ctx, Service{Port: 80, Address: netip.IPv4Unspecified()}, Ruleset{})
		}, cmdRulesSet, flagsSet, []netlink.Attribute{u16(rulesAttrPort, 80)}},
		{"TestRuleset", func(ctx context.Context, c *Client) error {
			_, err := c.TestRuleset(ctx, Service{Port: 80}, []byte("GET"), true, netip.AddrPortFrom(six2, 9))
			return err
		}, cmdRulesTest, flagsGet, []netlink.Attribute{u16(rulesAttrPort, 80), binaryAttr(rulesAttrBytes, []byte("GET")), flag(rulesAttrFinal), ip(rulesAttrClient, six2.AsSlice()...), u16(rulesAttrClientPort, 9)}},
		{"TestRuleset more", func(ctx context.Context, c *Client) error {
			_, err := c.TestRuleset(ctx, Service{Port: 80}, nil, false, netip.AddrPort{})
			return err
		}, cmdRulesTest, flagsGet, []netlink.Attribute{u16(rulesAttrPort, 80), binaryAttr(rulesAttrBytes, nil)}},
	}...)
}
