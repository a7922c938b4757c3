// SPDX-License-Identifier: MIT

package config

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// locate maps the keys of a valid TOML file to their lines. Elements of an array
// of tables are counted from 1, as in "report.network.2.ttl". Keys of inline
// tables have the line of their table, and a table without a header has the line
// of its first key.
func locate(text []byte) map[string]int {
	lines := make(map[string]int)
	counts := make(map[string]int)
	note := func(path string, line int) {
		for path != "" {
			if lines[path] == 0 {
				lines[path] = line
			}
			path = path[:max(0, strings.LastIndexByte(path, '.'))]
		}
	}
	prefix := ""
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		parts, line := keyOf(&p, e)
		switch e.Kind {
		case unstable.ArrayTable:
			name := resolve(parts, counts)
			counts[name]++
			prefix = name + "." + strconv.Itoa(counts[name])
			lines[prefix] = line
			if counts[name] == 1 {
				lines[name] = line
			}
			note(name, line)
		case unstable.Table:
			prefix = resolve(parts, counts)
			lines[prefix] = line
			note(prefix, line)
		case unstable.KeyValue:
			path := prefix
			for _, part := range parts {
				path = join(path, part)
			}
			note(path, line)
		}
	}
	return lines
}

// keyOf returns the parts of an expression's dotted key, and its line.
func keyOf(p *unstable.Parser, e *unstable.Node) (parts []string, line int) {
	for it := e.Key(); it.Next(); {
		n := it.Node()
		if line == 0 {
			line = p.Shape(n.Raw).Start.Line
		}
		parts = append(parts, string(n.Data))
	}
	return parts, line
}

// resolve returns the path of the table that a header opens. An array of tables
// in the path stands for its last element.
func resolve(parts []string, counts map[string]int) string {
	path := ""
	for i, p := range parts {
		path = join(path, p)
		if n := counts[path]; n > 0 && i < len(parts)-1 {
			path += "." + strconv.Itoa(n)
		}
	}
	return path
}

// join appends a key to a path. An empty key is written as in the file.
func join(prefix, key string) string {
	if key == "" {
		key = `""`
	}
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}
