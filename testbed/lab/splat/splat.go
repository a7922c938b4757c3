// SPDX-License-Identifier: MIT

// Package splat finds what a kernel prints when something is wrong with it.
package splat

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// stamp is what the console puts before a line: a level, a time, a CPU or task.
const stamp = `^(?:<\d+>)?(?:\[ *\d+\.\d+\](?:\[ *[CT]\d+\])? ?)?`

// trouble matches a line that begins a splat. Patterns are anchored to the place
// where the kernel prints them, so that an ordinary message about one of these
// words is none.
var trouble = compile(patterns())

func compile(patterns []string) *regexp.Regexp {
	return regexp.MustCompile(stamp + `(?:` + strings.Join(patterns, `|`) + `)`)
}

func patterns() []string {
	return []string{
		`Kernel panic - not syncing`,
		`BUG: `,
		`kernel BUG at `,
		`WARNING: (?:CPU: \d+ PID: |possible |suspicious |inconsistent |bad unlock |held lock |Nested lock |nested |lock held |\S+:\d+ at )`,
		`Oops: `,
		`Oops\[#`,
		`Internal error: `,
		`general protection fault`,
		`Unable to handle kernel `,
		`divide error: `,
		`stack segment: `,
		`invalid opcode: `,
		`double fault: `,
		`traps: PANIC`,
		`Call Trace:`,
		`watchdog: (?:BUG: |Watchdog detected hard LOCKUP)`,
		`(?:rcu: )?INFO: (?:task .* blocked for more than|rcu_\S+ (?:self-)?detected |possible recursive locking|suspicious RCU|inconsistent lock|lockdep |trying to register non-static key|.*detected stall)`,
		`kmemleak: \d+ new suspected memory leaks`,
		`DEBUG_LOCKS_WARN_ON`,
		`UBSAN: `,
		`KCSAN: `,
		`refcount_t: `,
		`list_(?:add|del) corruption`,
		`slab error in `,
		`unregister_netdevice: waiting for `,
		`Out of memory: Killed process`,
		`sysrq: Trigger a crash`,
		// Its memory is too small for its files: programs are cut off.
		`Initramfs unpacking failed: `,
	}
}

// Where allocations are made to fail, a trace that follows soon after such a line
// says only that: the kernel prints it and goes on.
var (
	noMemory = regexp.MustCompile(stamp + `(?:sysctl could not get directory: \S+ -12$|.*: (?:page allocation failure|vmalloc error): |SLUB: Unable to allocate memory|kmem_cache_create_usercopy\(\S+\) failed with error -\d+$|kobject_add_internal failed for .* \(error: -12 )`)
	trace    = regexp.MustCompile(stamp + `Call Trace:`)
	// Whose memory was lost is for those who read the reports: some of it is the
	// kernel's own.
	leaks = regexp.MustCompile(stamp + `kmemleak: \d+ new suspected memory leaks`)
)

const traceWithin = 16 // lines

// Lines that belong to a splat: what follows its first line up to a limit.
const (
	maxLines  = 120 // lines of a splat that are kept
	maxSplats = 5   // splats that are kept of one console
)

// Find returns the splats in a console's text, "" if there are none. Each begins
// with its first line; the last line says how much was left out, if anything was.
func Find(console string) string { return find(console, false) }

// FindFailing is Find for a kernel whose allocations are made to fail: that it
// prints a trace when one does is no splat, nor that it has lost memory.
func FindFailing(console string) string { return find(console, true) }

func find(console string, failing bool) string {
	lines := strings.Split(console, "\n")
	var out []string
	splats, harmless := 0, -1
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSuffix(lines[i], "\r")
		if failing && noMemory.MatchString(line) {
			harmless = i + traceWithin
		}
		if !trouble.MatchString(line) {
			continue
		}
		if failing && leaks.MatchString(line) {
			continue
		}
		if i <= harmless && trace.MatchString(line) {
			harmless = -1
			continue
		}
		if splats++; splats > maxSplats {
			out = append(out, "(more of the kind left out)")
			break
		}
		end := min(i+maxLines, len(lines))
		for ; i < end; i++ {
			out = append(out, strings.TrimSuffix(lines[i], "\r"))
		}
		i--
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// Read is Find of all that r holds.
func Read(r io.Reader) (string, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("reading a console: %w", err)
	}
	return Find(string(b)), nil
}
