// SPDX-License-Identifier: MIT

package dprnl

import (
	"fmt"
	"math"
	"strconv"
)

// autoWord is the word for MaxLoadAuto.
const autoWord = "auto"

// FormatMaxLoad formats a MaxLoad for people: a number, or "auto".
func FormatMaxLoad(v uint64) string {
	if v == MaxLoadAuto {
		return autoWord
	}
	return strconv.FormatUint(v, 10)
}

// ParseMaxLoad parses the result of FormatMaxLoad.
func ParseMaxLoad(s string) (uint64, error) {
	if s == autoWord {
		return MaxLoadAuto, nil
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v > math.MaxInt64 {
		return 0, fmt.Errorf("%q is neither %s nor a whole number from 0 to %d", s, autoWord, math.MaxInt64)
	}
	return v, nil
}
