// SPDX-License-Identifier: MIT

package ctl

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// manPage returns dprctl's manual page as one section of text per command, by
// the command's words.
func manPage(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../man/dprctl.8")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, s := range strings.Split(string(data), "\n.It Cm ")[1:] {
		head, text, _ := strings.Cut(s, "\n")
		words, flags, _ := strings.Cut(head, " Oo ")
		words, args, _ := strings.Cut(words, " Ar ")
		words, _, _ = strings.Cut(words, " Op ")
		text, _, _ = strings.Cut(text, "\n.Sh ")
		sections[words] = plain(" " + flags + " " + args + "\n" + text)
	}
	return sections
}

var (
	macros = regexp.MustCompile(`(?m)^\.Bl .*$|^\.[A-Z][A-Za-z]|\b(Fl|Ar|Oo|Oc|Op|Cm|Xr|Sy|Sq)\b`)
	blanks = regexp.MustCompile(`\s+`)
)

// plain is a page's text without its markup.
func plain(text string) string {
	text = strings.ReplaceAll(macros.ReplaceAllString(text, " "), `\-`, "-")
	return blanks.ReplaceAllString(text, " ")
}

// sentence turns a usage text into a sentence, as in the manual.
func sentence(usage string) string {
	usage = strings.ReplaceAll(usage, "`", "")
	return strings.ToUpper(usage[:1]) + usage[1:] + "."
}

// The manual has every command and every flag, described as in --help, and no
// others.
func TestManual(t *testing.T) {
	page := manPage(t)
	var walk func(path string, list []*cli.Command)
	walk = func(path string, list []*cli.Command) {
		for _, c := range list {
			if c.Hidden {
				continue
			}
			name := strings.TrimSpace(path + " " + c.Name)
			text, ok := page[name]
			if !ok || !strings.Contains(text, sentence(c.Usage)) {
				t.Errorf("%s: not in dprctl.8, or not as %q: %q", name, sentence(c.Usage), text)
			}
			manualFlags(t, name, c, text)
			delete(page, name)
			walk(name, c.Subcommands)
		}
	}
	walk("", newApp(Environment{}).Commands)
	for name := range page {
		t.Errorf("dprctl.8 has a command %q", name)
	}
}

func manualFlags(t *testing.T, name string, c *cli.Command, text string) {
	t.Helper()
	known := map[string]bool{"help": true}
	for _, f := range c.Flags {
		flag := f.Names()[0]
		known[flag] = true
		d, ok := f.(cli.DocGenerationFlag)
		if !ok {
			t.Fatalf("%s --%s has no description", name, flag)
		}
		if !regexp.MustCompile(` -` + flag + `\b`).MatchString(text) {
			t.Errorf("%s: --%s is not in dprctl.8", name, flag)
		}
		// These mean the same everywhere, and are described once.
		if flag != "json" && flag != "config" && !strings.Contains(text, sentence(d.GetUsage())) {
			t.Errorf("%s: dprctl.8 does not say of --%s %q", name, flag, sentence(d.GetUsage()))
		}
	}
	for _, m := range regexp.MustCompile(` -([a-z][a-z-]+)`).FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("%s: dprctl.8 has a flag --%s", name, m[1])
		}
	}
}

// The exit statuses of the manual are those of the program.
func TestManualExitStatuses(t *testing.T) {
	data, err := os.ReadFile("../../man/dprctl.8")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ".Sh EXIT STATUS\n")
	rest, _, _ = strings.Cut(rest, ".Sh ")
	for _, want := range []string{"0\nDone", "1\nThe kernel refused", "2\nWrong arguments", "3\nThe kernel module", "4\n.Dv CAP_NET_ADMIN\nis missing", "5\n.Cm status", "6\n.Cm drain"} {
		if !strings.Contains(rest, ".It "+want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(rest, ".It "); n != ExitTimeout+1 {
		t.Errorf("%d exit statuses, want %d", n, ExitTimeout+1)
	}
}
