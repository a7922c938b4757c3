// SPDX-License-Identifier: MIT

package dprnl

import (
	"fmt"
	"strconv"
	"strings"
)

// A wordTable maps the values of an enum to words. Values without a word are
// empty.
type wordTable struct {
	kind  string
	words []string
}

func (t wordTable) format(v uint32) string {
	if int64(v) < int64(len(t.words)) && t.words[v] != "" {
		return t.words[v]
	}
	return t.kind + " " + strconv.FormatUint(uint64(v), 10)
}

func (t wordTable) marshal(v uint32) ([]byte, error) {
	if int64(v) < int64(len(t.words)) && t.words[v] != "" {
		return []byte(t.words[v]), nil
	}
	// A newer module may know values that this program does not: use the number.
	return []byte(strconv.FormatUint(uint64(v), 10)), nil
}

func (t wordTable) parse(word string) (uint32, error) {
	for v, w := range t.words {
		if w != "" && w == word {
			return uint32(v), nil
		}
	}
	article := "a"
	if strings.ContainsRune("aeiou", rune(t.kind[0])) {
		article = "an"
	}
	return 0, fmt.Errorf("%q is not %s %s; want one of %s", word, article, t.kind, strings.Join(t.list(), ", "))
}

func (t wordTable) list() []string {
	list := make([]string, 0, len(t.words))
	for _, w := range t.words {
		if w != "" {
			list = append(list, w)
		}
	}
	return list
}
