// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// kmemleak is the file of a kernel that looks for leaks.
const kmemleak = "/sys/kernel/debug/kmemleak"

// leakScript prints what memory a kernel has lost. Kmemleak keeps quiet about what
// is younger than 5 s, and a second scan takes back what the first mistook.
const leakScript = `sleep 6
echo scan > ` + kmemleak + ` && echo scan > ` + kmemleak + ` && cat ` + kmemleak

// Leaks looks for memory that a module of a server's kernel has lost, and returns
// kmemleak's reports of it, "" if there are none. What the module did while it was
// loaded an earlier time counts too. It is an error if the kernel has no kmemleak:
// only the debug one has.
func (l *Lab) Leaks(ctx context.Context, server, module string) (string, error) {
	out, err := l.Output(ctx, server, "sh", "-c", leakScript)
	if err != nil {
		return "", fmt.Errorf("looking for leaks of %s: %w", module, err)
	}
	return leaksOf(out, module), nil
}

// nameless matches a place in a stack that has no symbol: code of a module that
// is gone.
var nameless = regexp.MustCompile(`^ +\[<[^>]*>\] 0x[0-9a-f]+$`)

// leaksOf returns the reports of kmemleak that have to do with a module, or with
// one that is gone.
func leaksOf(reports, module string) string {
	var found []string
	for _, r := range strings.Split(reports, "unreferenced object ")[1:] {
		for line := range strings.Lines(r) {
			line = strings.TrimRight(line, "\n")
			if strings.HasSuffix(line, "["+module+"]") || nameless.MatchString(line) {
				found = append(found, "unreferenced object "+r)
				break
			}
		}
	}
	return strings.Join(found, "")
}
