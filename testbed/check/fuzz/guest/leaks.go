// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"dpr/testbed/check/fuzz/wire"
)

// kernelsOwn are functions of the kernel that lose memory by themselves when an
// allocation of theirs fails, whoever called them. 6.1's sysfs_slab_add() forgets
// the name of a slab cache that it could not show in /sys.
var kernelsOwn = []string{"sysfs_slab_add+"}

// lost returns kmemleak's reports, less those of kernelsOwn.
func lost(reports string) []string {
	var all []string
	for _, r := range strings.Split(reports, "unreferenced object ")[1:] {
		own := false
		for _, f := range kernelsOwn {
			own = own || strings.Contains(r, f)
		}
		if !own {
			all = append(all, "unreferenced object "+r)
		}
	}
	return all
}

// kmemleak is the file of a kernel that looks for leaks.
const kmemleak = "/sys/kernel/debug/kmemleak"

// tell writes to a file of the kernel's. debugfs refuses to create one, with another error
// than that there is none.
func tell(path, word string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(word)
	return errors.Join(err, f.Close())
}

// leaks tells what memory the kernel has lost, if it can tell. Kmemleak keeps
// quiet about what is younger than 5 s, and a second scan takes back what the
// first mistook.
func (f *fuzzer) leaks() error {
	if _, err := os.Stat(kmemleak); errors.Is(err, os.ErrNotExist) || f.plan.NoLeaks {
		return nil
	}
	if err := f.say("looking for lost memory"); err != nil {
		return err
	}
	time.Sleep(6 * time.Second)
	for range 2 {
		if err := tell(kmemleak, "scan"); err != nil {
			return fmt.Errorf("looking for leaks: %w", err)
		}
	}
	b, err := os.ReadFile(kmemleak)
	if err != nil {
		return fmt.Errorf("looking for leaks: %w", err)
	}
	text := strings.Join(lost(string(b)), "")
	if text == "" {
		return f.say("none lost")
	}
	return f.port.Write(wire.Record{Leaks: text[:min(len(text), 64<<10)]})
}
