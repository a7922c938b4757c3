// SPDX-License-Identifier: MIT

package servicelog

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/iotest"
)

const healthy = `14:00:00.000 nginx: started, pid 90
14:00:00.100 dpr-receive: started, pid 91
14:00:01.000 dpr-receive: level=INFO msg="panic: is a word here"
14:00:02.000 nginx: 10.77.0.1 - - "GET /15k HTTP/1.1" 200
14:00:03.000 dpr-receive: stopped
`

func TestHealthy(t *testing.T) {
	if got := Crashes(healthy); got != "" {
		t.Errorf("a healthy log is taken for a crash: %q", got)
	}
	if got := Restarts(healthy); len(got) != 0 {
		t.Errorf("restarts %v", got)
	}
}

func TestCrashes(t *testing.T) {
	for _, first := range []string{
		"panic: runtime error: index out of range [3] with length 2",
		"fatal error: all goroutines are asleep - deadlock!",
		"WARNING: DATA RACE",
		"SIGSEGV: segmentation violation",
		"dpr-receive: segmentation fault",
		"*** buffer overflow detected ***: terminated",
		"2026/01/01 00:00:00 [alert] 90#90: worker process 92 exited on signal 11",
	} {
		log := healthy + "14:00:04.000 dpr-cleanup: " + first + "\r\n14:00:04.000 nginx: other\n14:00:04.001 dpr-cleanup: goroutine 1\n"
		if got, want := Crashes(log), "dpr-cleanup: "+first+"\ndpr-cleanup: goroutine 1"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCrashesAreBounded(t *testing.T) {
	long := "14:00:04.000 a: panic: x\n" + strings.Repeat("14:00:04.000 a: more\n", 200)
	if n := strings.Count(Crashes(long), "\n") + 1; n != mostLines {
		t.Errorf("%d lines are kept, want %d", n, mostLines)
	}
	many := strings.Repeat("14:00:04.000 a: panic: x\n", 20)
	got := Crashes(many)
	if n := strings.Count(got, "panic"); n != mostCrashes || !strings.HasSuffix(got, "left out)") {
		t.Errorf("%d crashes are kept: %q", n, got)
	}
}

func TestRestarts(t *testing.T) {
	var log strings.Builder
	log.WriteString(healthy)
	for i := range 3 {
		fmt.Fprintf(&log, "14:01:0%d.000 dpr-receive: signal: killed; starting it again in 1s\r\n", i)
	}
	log.WriteString("14:02:00.000 nginx: exit status 1; starting it again in 1s\nno line\n")
	if got := Restarts(log.String()); !maps.Equal(got, map[string]int{"dpr-receive": 3, "nginx": 1}) {
		t.Errorf("got %v", got)
	}
}

func TestRead(t *testing.T) {
	if got, err := Read(strings.NewReader(healthy)); got != healthy || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Read(iotest.ErrReader(errors.New("broken"))); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}
