// SPDX-License-Identifier: MIT

package tsc

import (
	"math"
	"testing"
)

// Measured twice it is the same.
func TestKHz(t *testing.T) {
	a, err := KHz()
	if err != nil {
		t.Fatal(err)
	}
	b, err := KHz()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d and %d kHz", a, b)
	if math.Abs(float64(a)/float64(b)-1) > 2*agree {
		t.Errorf("%d and %d kHz", a, b)
	}
}
