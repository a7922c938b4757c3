// SPDX-License-Identifier: MIT

package lab

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := findProcess(cmd.Process.Pid)
	if err != nil || !p.alive() {
		t.Fatalf("%+v, %v is not alive", p, err)
	}
	other := p
	other.Start++
	if err := other.kill(); err != nil || !p.alive() {
		t.Errorf("killed a process that only has the number: %v", err)
	}
	if err := p.kill(); err != nil {
		t.Error(err)
	}
	if p.alive() { // though nobody has waited for it
		t.Error("it lives after kill")
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	if err := p.kill(); err != nil {
		t.Errorf("the second kill: %v", err)
	}
	if (process{}).alive() {
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

func TestLockName(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, as labs do: it locks a name below /run")
	}
	const name = "locktest"
	first, err := lockName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.sign(); err != nil {
		t.Error(err)
	}
	if _, err := lockName(name); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), name) {
		t.Errorf("a second lock: %v, want ErrBusy that names the lab", err)
	}
	if err := first.release(); err != nil {
		t.Error(err)
	}
	if exists(runDir + "/" + name + ".lock") {
		t.Error("the lock's file is left")
	}
	again, err := lockName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}

func TestProgress(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b)
	p.step("short")()
	p.begin = p.begin.Add(-90 * time.Second)
	p.say("late %d", 1)
	if got := b.String(); got != "   0.0 s  short\n  90.0 s  late 1\n" {
		t.Errorf("got %q", got)
	}
}

func TestTail(t *testing.T) {
	path := t.TempDir() + "/log"
	var out strings.Builder
	tl := &tail{path: path, prefix: "> "}
	defer tl.close()
	step := func(add string, last bool, want string) {
		t.Helper()
		if add != "" {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString(add)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := tl.copy(&out, last); err != nil || out.String() != want {
			t.Errorf("after %q: %q, %v; want %q", add, out.String(), err, want)
		}
		out.Reset()
	}
	step("", false, "")
	step("one\r\ntw", false, "> one\n")
	step("o\n", false, "> two\n")
	step("end", false, "")
	if err := os.Remove(path); err != nil { // a new boot
		t.Fatal(err)
	}
	step("new\nlast", true, "> new\n> last\n")
}
