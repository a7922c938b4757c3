// SPDX-License-Identifier: MIT

package flags

import (
	"flag"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

type law string

// options has a field of each kind.
type options struct {
	Int       int
	Int64     int64
	Uint64    uint64
	Float     float64
	Duration  time.Duration
	Wait      time.Duration
	Bool, Not bool
	String    string
	Word      law
	Choice    int
	Pattern   string
	Value     int
	Numbers   []int
	Words     []string
}

func defaults() options {
	return options{
		Int: 3, Int64: -1, Uint64: 1, Float: 0.5, Duration: time.Minute, Wait: time.Hour, Not: true, Word: "flat", Choice: 4,
		Pattern: "8mbit", Value: 15, Numbers: []int{1, 20}, Words: []string{"a", "b"},
	}
}

func (o *options) flags() Set {
	hex := func(s string) (int, error) { v, err := strconv.ParseInt(s, 16, 32); return int(v), err }
	return Set{
		Number(&o.Int, "int", From(1, 80), "`N` things, {range}"),
		Number(&o.Int64, "int64", AtLeast(int64(-1)), ""),
		Number(&o.Uint64, "uint64", Range[uint64]{}, ""),
		Number(&o.Float, "float", Between(0.0, 1.0), ""),
		Duration(&o.Duration, "duration", Above[time.Duration](0), ""),
		Seconds(&o.Wait, "seconds", AtLeast(30.0), ""),
		Bool(&o.Bool, "bool", "").Alias("b"),
		Not(&o.Not, "not", ""),
		String(&o.String, "string", ""),
		Word(&o.Word, "word", []law{"flat", "steep"}, "one of {range}"),
		Choice(&o.Choice, "choice", []int{4, 6}, "one of {range}"),
		Pattern(&o.Pattern, "pattern", regexp.MustCompile(`^\d+mbit$`), "a number with mbit", ""),
		Value(&o.Value, "value", "hexadecimal digits", hex, func(v int) string { return fmt.Sprintf("%x", v) }, ""),
		Numbers(&o.Numbers, "numbers", From(1, 100), ""),
		Words(&o.Words, "words", []string{"a", "b", "c"}, "some: {range}").As("all"),
	}
}

func TestDescription(t *testing.T) {
	o := defaults()
	var got []string
	for _, f := range o.flags() {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%v", f.Name, f.Usage, f.Default, f.Range, f.Multiple))
	}
	want := []string{
		"int|`N` things, 1 to 80|3|1 to 80|false", "int64||-1|at least -1|false", "uint64||1||false", "float||0.5|more than 0, less than 1|false",
		"duration||1m0s|more than 0s|false", "seconds||3600|at least 30|false", "bool||false||false", "not||false||false", "string||||false",
		`word|one of flat, steep|"flat"|flat, steep|false`, "choice|one of 4, 6|4|4, 6|false", `pattern||"8mbit"|a number with mbit|false`, `value||"f"|hexadecimal digits|false`,
		"numbers||1,20|1 to 100|true", "words|some: a, b, c|all|some of a, b, c|true",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := o.flags().Check(); err != nil || o.flags()[0].Given() {
		t.Errorf("the defaults: %v", err)
	}
}

func parse(o *options, args ...string) error {
	s := flag.NewFlagSet("", flag.ContinueOnError)
	s.SetOutput(io.Discard)
	set := o.flags()
	for _, f := range set {
		s.Var(f, f.Name, f.Usage)
		for _, a := range f.Aliases {
			s.Var(f, a, f.Usage)
		}
	}
	s.PrintDefaults()
	if err := s.Parse(args); err != nil {
		return err
	}
	return set.Check()
}

func TestSet(t *testing.T) {
	for args, change := range map[string]func(*options){
		"":                             func(*options) {},
		"-int 0x10":                    func(o *options) { o.Int = 16 },
		"-int64 1_000":                 func(o *options) { o.Int64 = 1000 },
		"-uint64 18446744073709551615": func(o *options) { o.Uint64 = 1<<64 - 1 },
		"-float 0.25":                  func(o *options) { o.Float = 0.25 },
		"-duration 1.5s":               func(o *options) { o.Duration = 1500 * time.Millisecond },
		"-seconds 30.5":                func(o *options) { o.Wait = 30500 * time.Millisecond },
		"-b":                           func(o *options) { o.Bool = true },
		"-not":                         func(o *options) { o.Not = false },
		"-not=false":                   func(*options) {},
		"-string x":                    func(o *options) { o.String = "x" },
		"-word steep":                  func(o *options) { o.Word = "steep" },
		"-word=":                       func(o *options) { o.Word = "" },
		"-choice 6":                    func(o *options) { o.Choice = 6 },
		"-pattern 64mbit":              func(o *options) { o.Pattern = "64mbit" },
		"-value ff":                    func(o *options) { o.Value = 255 },
		"-numbers 5,6 -numbers 7":      func(o *options) { o.Numbers = []int{5, 6, 7} },
		"-words c":                     func(o *options) { o.Words = []string{"c"} },
	} {
		got, want := defaults(), defaults()
		change(&want)
		if err := parse(&got, strings.Fields(args)...); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, got\n%+v, want\n%+v", args, err, got, want)
		}
	}
}

func TestRefuse(t *testing.T) {
	for args, want := range map[string]string{
		"-int 0":        "--int 0: want 1 to 80",
		"-int 81":       "--int 81: want 1 to 80",
		"-int x":        `"x" for flag -int: want a whole number, 1 to 80`,
		"-int64 -2":     "--int64 -2: want at least -1",
		"-uint64 -2":    `"-2" for flag -uint64: want a whole number`,
		"-float 1":      "--float 1: want more than 0, less than 1",
		"-float NaN":    "--float NaN: want more than 0, less than 1",
		"-float x":      "-float: want a number, more than 0",
		"-duration 0s":  "--duration 0s: want more than 0s",
		"-duration 5":   `-duration: want a duration such as "1.5s"`,
		"-seconds 29":   "--seconds 29: want at least 30",
		"-seconds 1e10": "-seconds: want a number of seconds, at least 30",
		"-seconds NaN":  "-seconds: want a number of seconds",
		"-bool=x":       `"x" for -bool: want true or false`,
		"-word x":       "--word x: want flat, steep",
		"-choice 5":     "-choice: want 4, 6",
		"-pattern x":    "--pattern x: want a number with mbit",
		"-value x":      "-value: want hexadecimal digits",
		"-numbers 5,":   "-numbers: want whole numbers, 1 to 100",
		"-numbers 5,0":  "--numbers 5,0: want 1 to 100",
		"-words a,d":    "--words a,d: want some of a, b, c",
	} {
		o := defaults()
		if err := parse(&o, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}

// A list that was refused leaves what there was.
func TestRefusedList(t *testing.T) {
	o := defaults()
	f := Numbers(&o.Numbers, "numbers", Range[int]{}, "")
	if f.Set("1,x") == nil || f.Given() || f.String() != "1,20" {
		t.Errorf("%s, given %v", f, f.Given())
	}
	if f.Set("2") != nil || !f.Given() || f.String() != "2" {
		t.Errorf("%s, given %v", f, f.Given())
	}
}
