// SPDX-License-Identifier: MIT

package progress

import (
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var b strings.Builder
	p := New(&b)
	p.Step("short")()
	p.begin = p.begin.Add(-90 * time.Second)
	p.Say("late %d\nand more\n", 1)
	if got := b.String(); got != "   0.0 s  short\n  90.0 s  late 1; and more\n" {
		t.Errorf("got %q", got)
	}
}
