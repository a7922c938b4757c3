// SPDX-License-Identifier: MIT

package chaos

import "testing"

func TestNeeded(t *testing.T) {
	const held = `ESTAB      0      0      10.77.0.103:1  10.77.0.13:80
TIME-WAIT  0      0      10.77.0.103:2  10.77.0.13:80
SYN-SENT   0      1      10.77.0.102:1  10.77.0.13:80
`
	const idle = "LISTEN 0 4096 0.0.0.0:80 0.0.0.0:*\nTIME-WAIT 0 0 10.77.0.13:80 10.77.0.103:1\n"
	for list, want := range map[string]bool{
		"":   false,
		idle: false,
		idle + "ESTAB 0 0 10.77.0.13:80 10.77.0.103:1\n":      true,
		idle + "SYN-RECV 0 0 10.77.0.13:80 10.77.0.102:1\n":   true,
		idle + "FIN-WAIT-1 0 1 10.77.0.13:80 10.77.0.103:1\n": true,
		idle + "ESTAB 0 0 10.77.0.13:80 10.77.0.103:2\n":      false,
		idle + "FIN-WAIT-1 0 1 10.77.0.13:80 10.77.0.103:3\n": false,
		"what": true,
	} {
		if got := needed(list, held); got != want {
			t.Errorf("%q: %v", list, got)
		}
	}
}

func TestLacks(t *testing.T) {
	const good = "nginx running pid 99 restarts 0\nPORT ADDRESS\n80 all\nstate active\n"
	for text, want := range map[string]bool{
		good:                                 false,
		good + "dpr-receive restarting":      true,
		good + "nginx stopped":               true,
		good + "state draining":              true,
		"nginx running pid 99\nPORT ADDRESS": true,
		// A process may have any number.
		"nginx running pid 2804 restarts 80\nPORT ADDRESS\nstate active\n": true,
	} {
		if got := lacks(text) != nil; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
