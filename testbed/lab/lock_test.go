// SPDX-License-Identifier: MIT

package lab

import (
	"errors"
	"os"
	"strings"
	"testing"

	"dpr/testbed/lab/disk"
)

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
	if disk.Exists(runDir + "/" + name + ".lock") {
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
