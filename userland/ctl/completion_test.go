// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asDprctl is set when this program is to be dprctl, called by a shell.
const asDprctl = "DPR_TEST_AS_DPRCTL"

func TestMain(m *testing.M) {
	if os.Getenv(asDprctl) != "" {
		os.Exit(Run(context.Background(), os.Args, Environment{Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

func TestComplete(t *testing.T) {
	app := newApp(Environment{})
	for line, want := range map[string]string{
		"":                                   "status service rules backends policy config peers flows trace load stats reports top events drain leave undrain ready zone expire apply check key completion",
		"p":                                  "policy peers",
		"service ":                           "add set del list",
		"policy set ":                        "off stateless lowest inverse two offer",
		"policy set l":                       "lowest",
		"policy set lowest --h":              "--hash --help",
		"policy set lowest --hash ":          "address-port port",
		"policy set --hash=p":                "--hash=port",
		"policy set --hash = a":              "address-port",
		"policy set --hash =":                "address-port port",
		"flows --state e":                    "established ended",
		"flows --client 192.0.2.1 --peer x ": "del",
		"drain -":                            "--wait --timeout --json --help",
		"completion ":                        "bash zsh fish",
		"zone example.org --order r":         "rotate",
		"check ":                             "",
		"frob ":                              "",
		"service add 80 ":                    "",
		"policy set lowest --hash":           "--hash",
		"peers --json ":                      "add del",
		"peers --json=":                      "",
	} {
		if got := strings.Join(complete(app, strings.Split(line, " ")), " "); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	if got := complete(app, nil); len(got) != len(complete(app, []string{""})) {
		t.Errorf("no words: got %q", got)
	}
	if r := dprctl(t, healthy(), "complete-words policy set --hash po"); r.out != "port\n" || r.status != ExitOK || r.dialled {
		t.Errorf("%+v", r)
	}
}

// The script completes in a real bash, and nothing that is being typed is
// evaluated.
func TestBashCompletion(t *testing.T) {
	dir := t.TempDir()
	stub := "#!/bin/sh\n" + asDprctl + "=1 exec " + os.Args[0] + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "dprctl"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	script := dprctl(t, healthy(), "completion bash").out
	try := func(words ...string) []string {
		t.Helper()
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + w + "'"
		}
		cmd := exec.Command("bash", "-c", script+"\nCOMP_WORDS=(dprctl "+strings.Join(quoted, " ")+
			")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_dprctl\nprintf '%s\\n' \"${COMPREPLY[@]}\"")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Fields(string(out))
	}
	if got := try("policy", "set", "sta"); !slices.Equal(got, []string{"stateless"}) {
		t.Errorf("got %q", got)
	}
	if got := try("drain", "--w"); !slices.Equal(got, []string{"--wait"}) {
		t.Errorf("got %q", got)
	}
	trap := filepath.Join(dir, "trap")
	try("$(touch "+trap+")", "")
	if _, err := os.Stat(trap); err == nil {
		t.Error("what was typed was run")
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells() {
		if r := dprctl(t, healthy(), "completion "+shell); r.status != ExitOK || !strings.Contains(r.out, "dprctl "+completeWords) || r.dialled {
			t.Errorf("%s: %+v", shell, r)
		}
	}
}
