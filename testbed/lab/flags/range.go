// SPDX-License-Identifier: MIT

package flags

import (
	"cmp"
	"fmt"
)

// A Range is the values that a field may have. The zero Range has all.
type Range[T any] struct {
	text string
	ok   func(T) bool
}

// From is the values from least to most, both included.
func From[T cmp.Ordered](least, most T) Range[T] {
	return Range[T]{fmt.Sprintf("%v to %v", least, most), func(v T) bool { return v >= least && v <= most }}
}

// AtLeast is least and all values above.
func AtLeast[T cmp.Ordered](least T) Range[T] {
	return Range[T]{fmt.Sprintf("at least %v", least), func(v T) bool { return v >= least }}
}

// Above is all values above a bound, which is not among them.
func Above[T cmp.Ordered](bound T) Range[T] {
	return Range[T]{fmt.Sprintf("more than %v", bound), func(v T) bool { return v > bound }}
}

// Between is the values between two bounds, which are not among them.
func Between[T cmp.Ordered](low, high T) Range[T] {
	return Range[T]{fmt.Sprintf("more than %v, less than %v", low, high), func(v T) bool { return v > low && v < high }}
}

func (r Range[T]) check(v T) error {
	if r.ok == nil || r.ok(v) {
		return nil
	}
	return fmt.Errorf("want %s", r.text)
}
