// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.key"), filepath.Join(dir, "new.key")
	ids := map[string]string{}
	for _, path := range []string{old, fresh} {
		r := dprctl(t, healthy(), "key new "+path)
		m := regexp.MustCompile(`^([0-9a-f]{8})  ` + regexp.QuoteMeta(path) + "\n$").FindStringSubmatch(r.out)
		if r.status != ExitOK || m == nil || r.dialled {
			t.Fatalf("%+v", r)
		}
		ids[path] = m[1]
		if r := dprctl(t, healthy(), "key id "+path); r.status != ExitOK || !strings.Contains(r.out, m[1]+"  "+path) {
			t.Errorf("%+v", r)
		}
	}
	if ids[old] == ids[fresh] {
		t.Error("two keys are the same")
	}
	// A key is never overwritten: the cluster may use it.
	before, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	if r := dprctl(t, healthy(), "key new "+old); r.status != ExitFailure || !strings.Contains(r.err, "file exists") {
		t.Errorf("%+v", r)
	}
	if after, err := os.ReadFile(old); err != nil || string(after) != string(before) {
		t.Errorf("%q (%v)", after, err)
	}
	for text, want := range map[string]string{
		"[report]\nkey_file = \"" + old + "\"\nprevious_key_file = \"" + fresh + "\"\n": ids[old] + "  signs this host's reports, and is accepted\n" + ids[fresh] + "  accepted\n",
		"[report]\nkey_file = \"" + fresh + "\"\n":                                      ids[fresh] + "  signs this host's reports, and is accepted\n",
		"[report]\nauthentication = \"none\"\n":                                         "reports are not authenticated: there is no key\n",
	} {
		file := filepath.Join(dir, "dpr.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := dprctl(t, healthy(), "key id --config "+file); r.status != ExitOK || r.out != want {
			t.Errorf("%s: %+v, want %q", text, r, want)
		}
		var v keysView
		r := dprctl(t, healthy(), "key id --json --config "+file)
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || len(v.Keys) != strings.Count(want, "accepted") {
			t.Errorf("%s: %v, %+v", text, err, v)
		}
		if strings.Contains(r.out, strings.TrimSpace(string(before))) {
			t.Error("the secret is shown")
		}
	}
}
