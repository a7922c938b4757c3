// SPDX-License-Identifier: MIT

package rtnl

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

// A list that changes while it is read is read again, but not for ever; another error is one.
func TestWhole(t *testing.T) {
	other := errors.New("no right")
	for _, x := range []struct {
		errs  []error
		calls int
		want  error
	}{
		{[]error{nil}, 1, nil},
		{[]error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted, nil}, 3, nil},
		{[]error{netlink.ErrDumpInterrupted, other, nil}, 2, other},
		{slices.Repeat([]error{netlink.ErrDumpInterrupted}, 99), maxDumps, netlink.ErrDumpInterrupted},
	} {
		calls := 0
		list, err := Whole(func() ([]int, error) {
			calls++
			return []int{calls}, x.errs[calls-1]
		})
		if calls != x.calls || !errors.Is(err, x.want) || !slices.Equal(list, []int{calls}) {
			t.Errorf("after %d times %v, %v; want %d times, %v", calls, list, err, x.calls, x.want)
		}
	}
}
