// SPDX-License-Identifier: MIT

package config

import (
	"strconv"
	"strings"
)

// locate maps the keys of a file that is known to be valid TOML to the lines
// they stand on. An element of an array of tables is counted from 1, as in
// "report.network.2.ttl"; keys of inline tables are found under their table.
func locate(text string) map[string]int {
	lines := make(map[string]int)
	counts := make(map[string]int)
	prefix := ""
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "[["):
			name := resolve(bracketed(l[2:], "]]"), counts)
			counts[name]++
			prefix = name + "." + strconv.Itoa(counts[name])
			lines[prefix] = i + 1
			if counts[name] == 1 {
				lines[name] = i + 1
			}
		case strings.HasPrefix(l, "["):
			prefix = resolve(bracketed(l[1:], "]"), counts)
			lines[prefix] = i + 1
		case l == "" || strings.HasPrefix(l, "#"):
		default:
			key, _, ok := strings.Cut(l, "=")
			if !ok {
				continue // a further line of a value
			}
			path := join(prefix, strings.Join(split(key), "."))
			if lines[path] == 0 {
				lines[path] = i + 1
			}
		}
	}
	return lines
}

func bracketed(s, end string) []string {
	name, _, _ := strings.Cut(s, end)
	return split(name)
}

// split takes a dotted key apart; quotes around a part are dropped.
func split(key string) []string {
	parts := strings.Split(strings.TrimSpace(key), ".")
	for i, p := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(p), `"'`)
	}
	return parts
}

// resolve names the table that a header opens: a part that is an array of
// tables stands for its last element.
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

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}
