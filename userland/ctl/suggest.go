// SPDX-License-Identifier: MIT

package ctl

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// meant returns what was probably meant by a word, as the end of a message that names it
// after a prefix; "" if nothing is like it.
func meant(prefix, word string, words []string) string {
	// As like as this, from 0 to 1, and for short words a common beginning counts more.
	best, like := "", 0.8
	for _, w := range words {
		if l := smetrics.JaroWinkler(word, w, 0.7, 4); l > like {
			best, like = w, l
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; do you mean %s%s?", prefix, best)
}

// undefined is how package flag begins to say that there is no such flag.
const undefined = "flag provided but not defined: -"

// flagMistake is a flag error of the cli package in our words.
func flagMistake(err error, flags []cli.Flag) error {
	name, ok := strings.CutPrefix(err.Error(), undefined)
	if !ok {
		return err
	}
	var names []string
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				names = append(names, n)
			}
		}
	}
	return fmt.Errorf("unknown flag --%s%s", name, meant("--", name, names))
}
