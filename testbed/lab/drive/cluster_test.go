// SPDX-License-Identifier: MIT

package drive

import "testing"

func TestParseRedirected(t *testing.T) {
	got, err := parseRedirected([]byte(`{"served_off":9,"redirected":3,"redirected_hash":4,"offer_served":2}`))
	if err != nil || got != 5 {
		t.Errorf("got %d, %v, want 5", got, err)
	}
	// A counter that is not there is an error, not a 0.
	for _, bad := range []string{``, `{}`, `{"redirected":3}`, `{"redirected_hash":3}`, `{"redirected":3,"redirected_hash":4}`, `{"redirected":"3","redirected_hash":4,"offer_served":0}`} {
		if _, err := parseRedirected([]byte(bad)); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
