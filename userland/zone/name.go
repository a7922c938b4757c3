// SPDX-License-Identifier: MIT

package zone

import (
	"fmt"
	"regexp"
	"strings"
)

// maxName is the maximum length of a name in RFC 1035, including the final dot.
const maxName = 254

var label = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// Qualify returns a name with its final dot. A name without a final dot is
// relative to origin, unless origin is empty; "@" stands for origin.
func Qualify(name, origin string) (string, error) {
	full := name
	switch {
	case name == "@" && origin != "":
		return origin, nil
	case strings.HasSuffix(name, "."):
	case origin == "":
		full += "."
	default:
		full += "." + origin
	}
	labels := strings.Split(strings.TrimSuffix(full, "."), ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return "", fmt.Errorf("%q is not a DNS name", name)
		}
	}
	if len(full) > maxName {
		return "", fmt.Errorf("%q is longer than the %d characters of a DNS name", name, maxName-1)
	}
	return full, nil
}
