// SPDX-License-Identifier: MIT

package drive

import "testing"

func TestParseCounters(t *testing.T) {
	got, err := parseCounters([]byte(`{"served_off":9,"redirected":3,"redirected_hash":4,"offer_served":2,"tx_packets":20,"tx_direct":7,"spliced":8}`))
	if want := (Counters{Redirected: 5, Sent: 20, Direct: 7, Spliced: 8}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	// A counter that is not there is an error, not a 0.
	for _, bad := range []string{
		``, `{}`, `{"redirected":3}`, `{"redirected_hash":3}`, `{"redirected":3,"redirected_hash":4}`,
		`{"redirected":3,"redirected_hash":4,"offer_served":0,"tx_packets":1}`,
		`{"redirected":"3","redirected_hash":4,"offer_served":0,"tx_packets":1,"tx_direct":0}`,
	} {
		if _, err := parseCounters([]byte(bad)); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
