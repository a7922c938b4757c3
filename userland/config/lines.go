// SPDX-License-Identifier: MIT

package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// locate maps the keys of a valid TOML file to their lines. Elements of an array
// of tables are counted from 1, as in "report.network.2.ttl". Keys of inline
// tables have the line of their table, and a table without a header has the line
// of its first key.
func locate(text string) map[string]int {
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
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(strings.TrimPrefix(l, "\ufeff"))
		switch {
		case strings.HasPrefix(l, "[["):
			name := resolve(split(l[2:]), counts)
			counts[name]++
			prefix = name + "." + strconv.Itoa(counts[name])
			lines[prefix] = i + 1
			if counts[name] == 1 {
				lines[name] = i + 1
			}
			note(name, i+1)
		case strings.HasPrefix(l, "["):
			prefix = resolve(split(l[1:]), counts)
			lines[prefix] = i + 1
			note(prefix, i+1)
		case l == "" || strings.HasPrefix(l, "#"):
		default:
			path := prefix
			for _, part := range split(l) {
				path = join(path, part)
			}
			note(path, i+1)
		}
	}
	return lines
}

// split splits the dotted key at the start of a line and removes the quotes
// around its parts.
func split(line string) []string {
	var parts []string
	for {
		line = strings.TrimLeft(line, " \t")
		var part string
		part, line = first(line)
		parts = append(parts, part)
		rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), ".")
		if !ok {
			return parts
		}
		line = rest
	}
}

// first cuts off the first part of a dotted key.
func first(key string) (part, rest string) {
	end := strings.IndexAny(key, ".=] \t")
	if end < 0 {
		end = len(key)
	}
	if strings.HasPrefix(key, "'") {
		if part, rest, ok := strings.Cut(key[1:], "'"); ok {
			return part, rest
		}
	}
	if strings.HasPrefix(key, `"`) {
		if part, rest, ok := unquote(key); ok {
			return part, rest
		}
	}
	return key[:end], key[end:]
}

// unquote cuts off the basic string at the start of a text. It lets the parser
// interpret escapes.
func unquote(text string) (part, rest string, ok bool) {
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		return "", "", false
	}
	var v struct{ Part string }
	if _, err := toml.Decode("part = "+text[:end+1], &v); err != nil {
		return "", "", false
	}
	return v.Part, text[end+1:], true
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
