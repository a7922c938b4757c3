// SPDX-License-Identifier: MIT

package dprnl

import "testing"

func TestMaxLoad(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "17": 17, "auto": MaxLoadAuto} {
		got, err := ParseMaxLoad(text)
		if err != nil || got != want || FormatMaxLoad(got) != text {
			t.Errorf("%q: %d, %v, written as %q", text, got, err, FormatMaxLoad(got))
		}
	}
	for _, text := range []string{"", "-1", "Auto", "1.5", "18446744073709551615"} {
		if v, err := ParseMaxLoad(text); err == nil {
			t.Errorf("%q was taken for %d", text, v)
		}
	}
}
