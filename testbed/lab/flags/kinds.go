// SPDX-License-Identifier: MIT

package flags

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// number is the types of fields that Number describes.
type number interface {
	int | int64 | uint64 | float64
}

// parseNumber reads a number; whole ones may be written as in Go, such as 20_000.
func parseNumber[T number](s string) (v T, err error) {
	switch p := any(&v).(type) {
	case *int:
		*p, err = parseInt(s)
	case *int64:
		*p, err = strconv.ParseInt(s, 0, 64)
	case *uint64:
		*p, err = strconv.ParseUint(s, 0, 64)
	case *float64:
		*p, err = strconv.ParseFloat(s, 64)
	}
	return v, err
}

func parseInt(s string) (int, error) {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	return int(n), err
}

// single describes a field with one value.
func single[T any](p *T, name, usage string, r Range[T], wanted string, parse func(string) (T, error), format func(T) string) *Flag {
	return describe(&Flag{
		Name: name, Usage: usage, Range: r.text,
		set: func(s string) error {
			v, err := parse(s)
			if err != nil {
				return wantError(wanted, r.text)
			}
			*p = v
			return nil
		},
		format: func() string { return format(*p) },
		check:  func() error { return r.check(*p) },
	})
}

// wantError says what was wanted: a kind of value, a range, or both.
func wantError(kind, among string) error {
	if kind != "" && among != "" {
		kind += ", "
	}
	return fmt.Errorf("want %s%s", kind, among)
}

// Number describes a field that holds a number.
func Number[T number](p *T, name string, r Range[T], usage string) *Flag {
	kind := "a whole number"
	if _, isFloat := any(p).(*float64); isFloat {
		kind = "a number"
	}
	return single(p, name, usage, r, kind, parseNumber[T], func(v T) string { return fmt.Sprint(v) })
}

// Duration describes a field that is set by a text such as "1.5s".
func Duration(p *time.Duration, name string, r Range[time.Duration], usage string) *Flag {
	return single(p, name, usage, r, `a duration such as "1.5s"`, time.ParseDuration, time.Duration.String)
}

// Seconds describes a field that is set by a number of seconds, of the range r.
func Seconds(p *time.Duration, name string, r Range[float64], usage string) *Flag {
	const most = 1e9 // a Duration holds little more
	parse := func(s string) (time.Duration, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err == nil && !(math.Abs(v) <= most) {
			err = strconv.ErrRange
		}
		return time.Duration(v * float64(time.Second)), err
	}
	format := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
	of := Range[time.Duration]{r.text, func(d time.Duration) bool { return r.ok == nil || r.ok(d.Seconds()) }}
	return single(p, name, usage, of, "a number of seconds", parse, format)
}

// Bool describes a field that the flag makes true.
func Bool(p *bool, name, usage string) *Flag {
	f := single(p, name, usage, Range[bool]{}, "true or false", strconv.ParseBool, strconv.FormatBool)
	f.boolean = true
	return f
}

// Not describes a field that the flag makes false.
func Not(p *bool, name, usage string) *Flag {
	f := single(p, name, usage, Range[bool]{}, "true or false",
		func(s string) (bool, error) { v, err := strconv.ParseBool(s); return !v, err },
		func(v bool) string { return strconv.FormatBool(!v) })
	f.boolean = true
	return f
}

// text describes a field that is a text, which the help shows in quotes. An empty
// one says that the user leaves the choice to the program.
func text[T ~string](p *T, name, usage string, r Range[T]) *Flag {
	f := single(p, name, usage, r, "a text", func(s string) (T, error) { return T(s), nil }, func(v T) string { return string(v) })
	if *p != "" {
		f.Default = strconv.Quote(string(*p))
	}
	return f
}

// String describes a field that is any text.
func String(p *string, name, usage string) *Flag { return text(p, name, usage, Range[string]{}) }

// Word describes a field that is one of the words, or empty.
func Word[T ~string](p *T, name string, words []T, usage string) *Flag {
	return text(p, name, usage, Range[T]{join(words), func(v T) bool { return v == "" || slices.Contains(words, v) }})
}

// Choice describes a field that is one of the values, each of them given as it is printed.
func Choice[T comparable](p *T, name string, values []T, usage string) *Flag {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	r := Range[T]{join(texts), func(v T) bool { return slices.Contains(values, v) }}
	parse := func(s string) (v T, err error) {
		i := slices.Index(texts, s)
		if i < 0 {
			return v, fmt.Errorf("%q is none of the values", s)
		}
		return values[i], nil
	}
	return single(p, name, usage, r, "", parse, func(v T) string { return fmt.Sprint(v) })
}

// Pattern describes a field that is a text of the form that rule has and wanted
// describes, or empty.
func Pattern(p *string, name string, rule *regexp.Regexp, wanted, usage string) *Flag {
	return text(p, name, usage, Range[string]{wanted, func(v string) bool { return v == "" || rule.MatchString(v) }})
}

// Value describes a field that has a form of its own: what parse reads and format
// writes, which is what wanted says.
func Value[T any](p *T, name, wanted string, parse func(string) (T, error), format func(T) string, usage string) *Flag {
	f := single(p, name, usage, Range[T]{text: wanted}, "", parse, format)
	f.Default = strconv.Quote(format(*p))
	return f
}

// list describes a field that is a list. The first value that is set replaces the
// default.
func list[E any](p *[]E, name, usage string, r Range[E], kind string, parse func(string) (E, error)) *Flag {
	replaced := false
	return describe(&Flag{
		Name: name, Usage: usage, Range: r.text, Multiple: true,
		set: func(s string) error {
			var add []E
			for item := range strings.SplitSeq(s, ",") {
				v, err := parse(strings.TrimSpace(item))
				if err != nil {
					return wantError(kind, r.text)
				}
				add = append(add, v)
			}
			if !replaced {
				*p, replaced = nil, true
			}
			*p = append(*p, add...)
			return nil
		},
		format: func() string { return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(*p)), ","), "[]") },
		check: func() error {
			for _, v := range *p {
				if err := r.check(v); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// Numbers describes a field that is a list of numbers, each in the range.
func Numbers(p *[]int, name string, r Range[int], usage string) *Flag {
	return list(p, name, usage, r, "whole numbers", parseInt)
}

// Words describes a field that is a list of some of the words.
func Words(p *[]string, name string, words []string, usage string) *Flag {
	r := Range[string]{"some of " + join(words), func(v string) bool { return slices.Contains(words, v) }}
	usage = strings.ReplaceAll(usage, "{range}", join(words))
	return list(p, name, usage, r, "words", func(s string) (string, error) { return s, nil })
}

func join[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
