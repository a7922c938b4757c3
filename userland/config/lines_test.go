// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dpr/userland/ifaddr"
)

// Keys and tables are found on their lines, however they are written.
func TestLocate(t *testing.T) {
	for text, want := range map[string]map[string]int{
		"a = 1\n\n b.c = 2":                          {"a": 1, "b": 3, "b.c": 3},
		"a = \"\"\"\nb = 1\n\"\"\"\nc = '''\n[d]'''": {"a": 1, "c": 4},
		"a = [\n1, # b = 1\n2]\nc = {d = 1}":         {"a": 1, "c": 4},
		"\n[t]\na = 1\n#b\n[u.v]\nc = 1":             {"t": 2, "t.a": 3, "u": 5, "u.v": 5, "u.v.c": 6},
		"\n\n[[l]]\na = 1\n[[l]]\na = 2":             {"l": 3, "l.1": 3, "l.1.a": 4, "l.2": 5, "l.2.a": 6},
		"[[l]]\n[[l.m]]\n[l.n]\n[[l]]\n[[l.m]]":      {"l": 1, "l.1": 1, "l.1.m": 2, "l.1.m.1": 2, "l.1.n": 3, "l.2": 4, "l.2.m": 5, "l.2.m.1": 5},
		"[[k.l]]\na = 1":                             {"k": 1, "k.l": 1, "k.l.1": 1, "k.l.1.a": 2},
		"'a b' . \"c\\\"d\" .e = 1":                  {"a b": 1, "a b.c\"d": 1, "a b.c\"d.e": 1},
		"\"a\\u0062\" = 1":                           {"ab": 1},
		"\"a\\\\\".b = 1":                            {`a\`: 1, `a\.b`: 1},
		"\"\" = 1":                                   {`""`: 1},
		"'' . x = 1":                                 {`""`: 1, `"".x`: 1},
		"a=1\nb.c=2":                                 {"a": 1, "b": 2, "b.c": 2},
		"a = 1\nb = \"x\"\nb2 = 1":                   {"a": 1, "b": 2, "b2": 3},
		"":                                           {},
	} {
		if got := locate([]byte(text)); !maps.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A host's address is the first of IPv4, if there is one.
func TestFirstIPv4(t *testing.T) {
	list := func(list ...string) (all []ifaddr.Address) {
		for _, a := range list {
			all = append(all, ifaddr.Address{Addr: netip.MustParseAddr(a)})
		}
		return all
	}
	got, err := firstIPv4("eth0", list("2001:db8::1", "10.0.0.3", "10.0.0.4"))
	if err != nil || got != netip.MustParseAddr("10.0.0.3") {
		t.Errorf("%v, %v", got, err)
	}
	for _, list := range [][]ifaddr.Address{nil, list("2001:db8::1")} {
		if got, err := firstIPv4("eth0", list); err == nil || !strings.Contains(err.Error(), "interface eth0 has no IPv4 address") {
			t.Errorf("%v, %v", got, err)
		}
	}
	c := Defaults()
	c.Report.Networks = []Network{{Interface: "none0"}}
	if _, err := c.HostAddress(); err == nil || !strings.Contains(err.Error(), "finding this host's address on interface none0: ") {
		t.Errorf("error %v", err)
	}
}

// A file may be as large as a configuration can be, and no larger; what cannot be read
// is said without naming the file twice.
func TestLoadLimits(t *testing.T) {
	dir := t.TempDir()
	for size, ok := range map[int]bool{maxSize: true, maxSize + 1: false} {
		path := filepath.Join(dir, fmt.Sprint(size))
		if err := os.WriteFile(path, []byte("#"+strings.Repeat("x", size-1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "none"), dir} {
		if _, err := Load(path); err == nil || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%v", err)
		}
	}
	d := &decoder{places: map[string]place{"a": {0, 3}}}
	for key, want := range map[string]int{"a": 3, "a.b.c": 3, "b": 0, ".b": 0, "": 0} {
		if got := d.line(key); got != want {
			t.Errorf("%q: line %d, want %d", key, got, want)
		}
	}
}
