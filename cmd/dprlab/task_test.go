// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dpr/testbed/lab/flags"
)

// dryRun parses a command line and returns the task, as far as it came: its run does
// nothing. The second result is whether it would have run.
func dryRun(t *testing.T, index int, args ...string) (tk *task, ran bool, err error) {
	t.Helper()
	all := tasks()
	tk = all[index]
	tk.run = func(context.Context, env) error { ran = true; return nil }
	a := app(all)
	a.Writer, a.ErrWriter = io.Discard, io.Discard
	err = a.RunContext(t.Context(), reorder(a, append([]string{"dprlab"}, args...)))
	return tk, ran, err
}

// line is a command line of a task with one flag, and with as many arguments as it
// wants.
func line(tk *task, flag ...string) []string {
	return slices.Concat([]string{tk.name}, flag, slices.Repeat([]string{"x"}, tk.least))
}

// described returns the flags of a task.
func described(tk *task) flags.Set {
	if tk.options == nil {
		return nil
	}
	return tk.options.Flags()
}

// leaves are the values of a struct's fields, and of theirs, by their paths.
func leaves(v reflect.Value, path string, into map[string]any) map[string]any {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				leaves(v.Field(i), path+"."+f.Name, into)
			}
		}
	} else if v.Kind() != reflect.Func {
		into[path] = v.Interface()
	}
	return into
}

func optionsOf(tk *task) map[string]any {
	into := map[string]any{}
	if tk.options != nil {
		leaves(reflect.ValueOf(tk.options).Elem(), "", into)
	}
	return into
}

// changed are the fields in which two options differ.
func changed(a, b map[string]any) (paths []string) {
	for path, v := range a {
		if !reflect.DeepEqual(v, b[path]) {
			paths = append(paths, path)
		}
	}
	return paths
}

// other returns a value of a flag that is not its default.
func other(t *testing.T, command string, f *flags.Flag) string {
	before := f.String()
	candidates := append(strings.Split(strings.TrimPrefix(f.Range, "some of "), ", "),
		"true", "7", "0.5", "77", "7777", "3m", "6.12", "8mbit", "64k")
	for _, v := range candidates {
		if f.Set(v) == nil && f.Check() == nil && f.String() != before {
			return v
		}
	}
	t.Fatalf("%s --%s: no value but the default is right", command, f.Name)
	return ""
}

// wrong returns a value that a flag must refuse, or "" if it takes any.
func wrong(f *flags.Flag) string {
	for _, v := range []string{"-1", "0", "1e300", "99999999999", "No such thing!"} {
		if f.Set(v) != nil || f.Check() != nil {
			return v
		}
	}
	return ""
}

func TestEveryFlagSetsOneField(t *testing.T) {
	for i, tk := range tasks() {
		defaults := optionsOf(tk)
		for n, f := range described(tk) {
			value := other(t, tk.name, described(tasks()[i])[n])
			set, ran, err := dryRun(t, i, line(tk, "--"+f.Name+"="+value)...)
			if err != nil || !ran {
				t.Errorf("%s --%s=%s: ran %v, %v", tk.name, f.Name, value, ran, err)
				continue
			}
			after := optionsOf(set)
			if f.Name != "seed" { // by default another one each time
				after[".Seed"] = defaults[".Seed"]
			}
			if got := changed(defaults, after); len(got) != 1 {
				t.Errorf("%s --%s=%s changed the fields %v, want one", tk.name, f.Name, value, got)
			}
			if got := described(set)[n].String(); !strings.HasPrefix(got, value) { // 3m is shown as 3m0s
				t.Errorf("%s --%s=%s set %s", tk.name, f.Name, value, got)
			}
		}
	}
}

func TestEveryFlagRefuses(t *testing.T) {
	for i, tk := range tasks() {
		for n, f := range described(tk) {
			value := wrong(described(tasks()[i])[n])
			if value == "" {
				if f.Range != "" {
					t.Errorf("%s --%s: nothing is out of %s", tk.name, f.Name, f.Range)
				}
				continue
			}
			_, ran, err := dryRun(t, i, line(tk, "--"+f.Name+"="+value)...)
			if err == nil || ran {
				t.Errorf("%s --%s=%s: ran %v, %v", tk.name, f.Name, value, ran, err)
				continue
			}
			for _, want := range []string{tk.name + ": ", "-" + f.Name, value, f.Range, "want "} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s --%s=%s: error %q does not say %q", tk.name, f.Name, value, err, want)
				}
			}
		}
	}
}

func TestLabName(t *testing.T) {
	for i, tk := range tasks() {
		for _, args := range [][]string{
			line(tk, "--name", "xyz"), slices.Concat([]string{"--name", "xyz"}, line(tk)), slices.Concat([]string{"--name", "abc"}, line(tk, "--name", "xyz")),
		} {
			set, ran, err := dryRun(t, i, args...)
			if err != nil || !ran || set.lab != nil && *set.lab != "xyz" {
				t.Errorf("%v: ran %v, %v", args, ran, err)
			}
		}
		if _, ran, err := dryRun(t, i, line(tk, "--name=Lab_1")...); ran || err == nil || !strings.Contains(err.Error(), "--name Lab_1: want 1 to 16") {
			t.Errorf("%s: ran %v with a bad name, %v", tk.name, ran, err)
		}
	}
}

// What a task finds when it runs, and what becomes of its error.
func TestStart(t *testing.T) {
	failed := errors.New("failed")
	tk := &task{name: "x", args: "A", least: 1, most: 1}
	var got env
	tk.run = func(ctx context.Context, e env) error {
		got = e
		return failed
	}
	a := app([]*task{tk})
	var out, progress strings.Builder
	a.Writer, a.ErrWriter = &out, &progress
	if err := a.RunContext(t.Context(), []string{"dprlab", "x", "y"}); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if !slices.Equal(got.args, []string{"y"}) || got.self == "" || got.stdout != io.Writer(&out) || got.stderr != io.Writer(&progress) {
		t.Errorf("%+v", got)
	}
}

func TestTasks(t *testing.T) {
	seen, flagged := map[string]bool{}, 0
	for _, tk := range tasks() {
		if seen[tk.name] || tk.name == "" || tk.usage == "" || tk.run == nil {
			t.Errorf("task %q is there twice or lacks something", tk.name)
		}
		seen[tk.name] = true
		if tk.lab != nil && *tk.lab == "" {
			t.Errorf("%s: no default for the lab's name", tk.name)
		}
		flagged += len(described(tk))
	}
	if flagged < 80 {
		t.Errorf("only %d flags were looked at", flagged)
	}
}
