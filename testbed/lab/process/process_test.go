// SPDX-License-Identifier: MIT

package process

import (
	"os/exec"
	"strings"
	"testing"
)

func TestProcess(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := Find(cmd.Process.Pid)
	if err != nil || !p.Alive() {
		t.Fatalf("%+v, %v is not alive", p, err)
	}
	other := p
	other.Start++
	if err := other.Kill(); err != nil || !p.Alive() {
		t.Errorf("killed a process that only has the number: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if p.Alive() { // though nobody has waited for it
		t.Error("it lives after kill")
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("the second kill: %v", err)
	}
	if (Process{}).Alive() {
		t.Error("no process is alive")
	}
}

func TestParseStat(t *testing.T) {
	stat := "7 (a) S (b) c) R 1 7 7 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 12345 1 1 1\n"
	if state, start, err := parseStat(stat); state != "R" || start != 12345 || err != nil {
		t.Errorf("got %q, %d, %v", state, start, err)
	}
	for _, s := range []string{"", "7 (a", "7 (a) R 1 2"} {
		if _, _, err := parseStat(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}
