// SPDX-License-Identifier: MIT

package drive

import (
	"strings"
	"testing"
)

func TestCheckSabotage(t *testing.T) {
	for ways, want := range map[string]string{"": "", "crash": "", "crash load books": "", "fire": `sabotage "fire": want some of crash, load, books`, "load fire": `"fire"`} {
		err := CheckSabotage(strings.Fields(ways))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", ways, err)
		}
	}
}
