// SPDX-License-Identifier: MIT

package lab

import (
	"maps"
	"testing"
)

func TestParseAsked(t *testing.T) {
	got, err := parseAsked("12 10.77.0.11 /images/15k\n3 fd77::12 /15k?a\n")
	want := map[Asked]int64{{"10.77.0.11", "/images/15k"}: 12, {"fd77::12", "/15k?a"}: 3}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := parseAsked("x 10.77.0.11 /\n"); err == nil {
		t.Error("no error for a line without a number")
	}
}
