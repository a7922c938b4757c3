// SPDX-License-Identifier: MIT

package config

import (
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A decoder turns the tables of files into a Config and collects their mistakes.
type decoder struct {
	sources  []source
	places   map[string]place
	readKey  func(path string) (*report.Key, error) // nil: keys are not read
	mistakes []Mistake

	overrides []Override
}

func (d *decoder) mistake(key, format string, args ...any) {
	p := d.place(key)
	d.mistakes = append(d.mistakes, Mistake{d.sources[p.file].name, p.line, key, fmt.Sprintf(format, args...)})
}

// place returns where a key stands, or the nearest enclosing table; else the first file
// as a whole.
func (d *decoder) place(key string) place {
	for {
		if p, ok := d.places[key]; ok {
			return p
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return place{}
		}
		key = key[:i]
	}
}

// line returns the line of the place of a key.
func (d *decoder) line(key string) int { return d.place(key).line }

// A table is a table of the file. Reading a key removes it from values, so that
// the keys left at the end are unknown.
type table struct {
	d      *decoder
	path   string
	values map[string]any
}

func (t table) key(name string) string { return join(t.path, name) }

func (t table) take(name string) (any, bool) {
	v, ok := t.values[name]
	delete(t.values, name)
	return v, ok
}

func (t table) has(name string) bool {
	_, ok := t.values[name]
	return ok
}

// rest reports the keys that nothing has read.
func (t table) rest(known ...string) {
	var names []string
	for name := range t.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.d.mistake(t.key(name), "unknown key; known keys are %s", strings.Join(known, ", "))
	}
}

// table reads a table. A missing table is empty.
func (t table) table(name string) table {
	sub := table{d: t.d, path: t.key(name)}
	if v, ok := t.take(name); ok {
		if sub.values, ok = v.(map[string]any); !ok {
			t.d.mistake(sub.path, "%s is not a table; write [%s]", show(v), sub.path)
		}
	}
	return sub
}

// tables reads an array of tables.
func (t table) tables(name string) []table {
	v, ok := t.take(name)
	if !ok {
		return nil
	}
	path := t.key(name)
	var list []map[string]any
	switch v := v.(type) {
	case []map[string]any:
		list = v
	case []any: // written inline
		for _, e := range v {
			m, ok := e.(map[string]any)
			if !ok {
				t.d.mistake(path, "%s is not a table; write [[%s]]", show(e), path)
				return nil
			}
			list = append(list, m)
		}
	default:
		t.d.mistake(path, "%s is not a list of tables; write [[%s]]", show(v), path)
		return nil
	}
	var subs []table
	for i, m := range list {
		subs = append(subs, table{d: t.d, path: path + "." + strconv.Itoa(i+1), values: m})
	}
	return subs
}

// integer reads a number from least to most. Without the key, it leaves *p alone.
func integer[T int | uint16 | uint32 | uint64](t table, name string, p *T, least, most uint64) {
	v, ok := t.take(name)
	if !ok {
		return
	}
	n, ok := v.(int64)
	if !ok || n < 0 || uint64(n) < least || uint64(n) > most {
		t.d.mistake(t.key(name), "%s is not a whole number from %d to %d", show(v), least, most)
		return
	}
	*p = T(n)
}

// duration reads a duration such as "1.5s". Without the key, it leaves *p alone.
func (t table) duration(name string, p *time.Duration, least, most time.Duration) {
	v, ok := t.take(name)
	if !ok {
		return
	}
	s, ok := v.(string)
	if !ok {
		t.d.mistake(t.key(name), "%s is not a duration; write it in quotes with a unit, such as %q", show(v), p.String())
		return
	}
	x, err := time.ParseDuration(s)
	switch {
	case err != nil:
		t.d.mistake(t.key(name), "%q is not a duration such as %q", s, p.String())
	case x < least || x > most:
		t.d.mistake(t.key(name), "%v is not in the range %v to %v", x, least, most)
	case x%time.Millisecond != 0:
		t.d.mistake(t.key(name), "%v is not a whole number of milliseconds", x)
	default:
		*p = x
	}
}

// text reads a string.
func (t table) text(name string) (string, bool) {
	v, ok := t.take(name)
	if !ok {
		return "", false
	}
	s, ok := v.(string)
	if !ok {
		t.d.mistake(t.key(name), "%s is not a string; write it in quotes", show(v))
	}
	return s, ok
}

// maxLoad reads a load or the word "auto". Without the key, it leaves *p alone.
func (t table) maxLoad(name string, p *uint64) {
	v, ok := t.take(name)
	if !ok {
		return
	}
	n, err := dprnl.ParseMaxLoad(fmt.Sprint(v))
	if _, whole := v.(int64); err != nil || whole == (n == dprnl.MaxLoadAuto) {
		t.d.mistake(t.key(name), "%s is neither a whole number from 0 to %d nor \"auto\"", show(v), math.MaxInt64)
		return
	}
	*p = n
}

// word reads one of the words that p knows.
func (t table) word(name string, p encoding.TextUnmarshaler) {
	if s, ok := t.text(name); ok {
		if err := p.UnmarshalText([]byte(s)); err != nil {
			t.d.mistake(t.key(name), "%v", err)
		}
	}
}

// maxDirectory leaves room for the rest of the path of a socket, which may have at most 107
// bytes: see CountsPath and FastPathSocket.
const maxDirectory = 90

// directory reads the absolute path of a directory. Without the key, it leaves
// *p alone.
func (t table) directory(name string, p *string) {
	s, ok := t.text(name)
	if !ok {
		return
	}
	if !filepath.IsAbs(s) || len(s) > maxDirectory {
		t.d.mistake(t.key(name), "%q is not an absolute path of a directory of at most %d bytes", s, maxDirectory)
		return
	}
	*p = filepath.Clean(s)
}

// address reads an address of either family with a parser.
func (t table) address(name string, parse func(string) (netip.Addr, error)) netip.Addr {
	s, ok := t.text(name)
	if !ok {
		return netip.Addr{}
	}
	a, err := parse(s)
	if err != nil {
		t.d.mistake(t.key(name), "%v", err)
	}
	return a
}

// show formats a value of the file for a message.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	case float64:
		if v == math.Trunc(v) {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
	}
	return fmt.Sprint(v)
}
