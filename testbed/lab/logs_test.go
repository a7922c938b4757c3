// SPDX-License-Identifier: MIT

package lab

import (
	"errors"
	"os"
	"strings"
	"testing"
)

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
