// SPDX-License-Identifier: MIT

package splat

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// splats are first lines of splats, at least one for each pattern.
func splats() []string {
	return []string{
		"[   12.345678] Kernel panic - not syncing: sysrq triggered crash",
		"[   12.345678] BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"[    2.682660] Initramfs unpacking failed: write error",
		"[   12.3][  T123] BUG: KASAN: slab-out-of-bounds in dpr_flow_find+0x10/0x20 [dpr]",
		"[   12.345678] kernel BUG at net/core/skbuff.c:116!",
		"[   12.345678] WARNING: CPU: 0 PID: 123 at net/core/dev.c:3000 skb_warn_bad_offload+0x80/0x110",
		"[   12.345678] WARNING: possible recursive locking detected",
		"[   12.345678] WARNING: possible circular locking dependency detected",
		"[   12.345678] WARNING: suspicious RCU usage",
		"[   12.345678] WARNING: inconsistent lock state",
		"[    3.000001] WARNING: net/ipv4/tcp.c:100 at tcp_close+0x1/0x2, CPU#0: nginx/200",
		"[   12.345678] Oops: 0000 [#1] PREEMPT SMP NOPTI",
		"[   12.345678] general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP",
		"[   12.345678] Call Trace:",
		"[  200.345678] INFO: task kworker/0:1:20 blocked for more than 120 seconds.",
		"[   60.345678] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [nginx:123]",
		"[   60.345678] rcu: INFO: rcu_preempt self-detected stall on CPU",
		"[   60.345678] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
		"[  600.345678] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
		"[   12.345678] refcount_t: underflow; use-after-free.",
		"[   12.345678] list_add corruption. prev->next should be next",
		"[   12.345678] unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
		"[   12.345678] UBSAN: array-index-out-of-bounds in kmod/flow.c:10:20",
		"[   40.345678] Out of memory: Killed process 123 (nginx) total-vm:1000kB",
		"BUG: scheduling while atomic: nginx/123/0x00000100",
		"<4>[   12.345678] BUG: Bad page state in process nginx  pfn:12345",
		"[   12.345678] WARNING: bad unlock balance detected!",
		"[   12.345678] WARNING: held lock freed!",
		"[   12.345678] WARNING: Nested lock was not taken",
		"[   12.345678] WARNING: nested lock was not taken",
		"[   12.345678] WARNING: lock held when returning to user space!",
		"[   12.345678] Oops[#1]:",
		"[   12.345678] Internal error: Oops: 0000000096000004 [#1] SMP",
		"[   12.345678] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
		"[   12.345678] divide error: 0000 [#1] PREEMPT SMP NOPTI",
		"[   12.345678] stack segment: 0000 [#1] PREEMPT SMP NOPTI",
		"[   12.345678] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
		"[   12.345678] double fault: 0000 [#1] PREEMPT SMP NOPTI",
		"[   12.345678] traps: PANIC: double fault, error_code: 0x0",
		"[   60.345678] watchdog: Watchdog detected hard LOCKUP on cpu 0",
		"[   12.345678] INFO: possible recursive locking detected",
		"[   12.345678] INFO: suspicious RCU usage",
		"[   12.345678] INFO: inconsistent lock state",
		"[   12.345678] INFO: lockdep is turned off.",
		"[   12.345678] INFO: trying to register non-static key.",
		"[   60.345678] rcu: INFO: rcu_tasks detected stalls on tasks:",
		"[   60.345678] INFO: NMI handler detected stall on CPU 1",
		"[   12.345678] DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
		"[   12.345678] KCSAN: data-race in dpr_flow_find / dpr_flow_free",
		"[   12.345678] list_del corruption. next->prev should be prev",
		"[   12.345678] slab error in cache_free_debugcheck(): cache `dpr_flow': double free detected",
		"[   12.345678] sysrq: Trigger a crash",
	}
}

func TestFind(t *testing.T) {
	for _, s := range splats() {
		text := "[    0.000000] Linux version 6.1\r\n" + s + "\r\nmore of it\r\n"
		if got := Find(text); got != s+"\nmore of it" {
			t.Errorf("Find returns %q for\n%s", got, s)
		}
	}
}

func TestFindNothing(t *testing.T) {
	boot := `[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org)
[    0.000000] Command line: console=ttyS0 panic=-1 oops=panic panic_on_warn=1
[    0.000000] x86/fpu: x87 FPU will use FXSAVE
[    0.012345] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!
[    0.100000] rcu: Hierarchical RCU implementation.
[    0.110000] rcu: 	RCU restricting CPUs from NR_CPUS=512 to nr_cpu_ids=1.
[    0.200000] Kernel panic is set to reboot
[    0.300000] platform eisa.0: EISA: Detected 0 cards
[    0.300000] Unstable clock detected, switching default tracing clock to "global"
[    0.400000] workqueue: Oops-like words are no trouble
[    0.500000] hung_task: watching for blocked tasks
[    0.600000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15750)
[    0.600000] kmemleak: Automatic memory scanning thread started
[    0.700000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
[    0.800000] dpr: loading out-of-tree module taints kernel.
[    0.900000] dpr: module verification failed: signature and/or required key missing - tainting kernel
[    1.000000] ... key type asymmetric registered; BUG: is only a word here
[    1.100000] sched: RT throttling activated
dprlab: WARNING: this is user space
nginx: Call Trace: is a phrase in a log
[    2.000000] TCP: eth0: Driver has suspect GRO implementation, TCP performance may be compromised.
`
	if got := Find(boot); got != "" {
		t.Errorf("a healthy boot is taken for a splat:\n%s", got)
	}
}

// TestFindNothingInBoots reads consoles of real, healthy boots.
func TestFindNothingInBoots(t *testing.T) {
	files, err := filepath.Glob("testdata/boot-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no boots: %v", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Read(f); got != "" || err != nil {
			t.Errorf("%s is taken for a splat: %v\n%s", name, err, got)
		}
		f.Close()
	}
}

func TestFindLimits(t *testing.T) {
	long := "BUG: one\n" + strings.Repeat("line\n", 1000)
	if n := strings.Count(Find(long), "\n") + 1; n != maxLines {
		t.Errorf("%d lines kept of a long splat, want %d", n, maxLines)
	}
	many := strings.Repeat("BUG: one\n"+strings.Repeat("line\n", maxLines), 20)
	got := Find(many)
	if n := strings.Count(got, "BUG: one"); n != maxSplats || !strings.HasSuffix(got, "left out)") {
		t.Errorf("%d splats kept, end %.40q", n, got[len(got)-40:])
	}
	if s, err := Read(strings.NewReader("fine\nBUG: x\n")); s != "BUG: x" || err != nil {
		t.Errorf("Read = %q, %v", s, err)
	}
}

// A trace that the kernel prints because memory was made to fail is no splat
// there; a second one is.
func TestFindFailing(t *testing.T) {
	for _, told := range []string{
		"sysctl could not get directory: /net/netfilter -12\r\n",
		"[    3.000001] init: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)\r\n",
		"kmem_cache_create_usercopy(dpr_flow) failed with error -12\r\n",
		"init: vmalloc error: size 4096, failed to allocate pages, mode:0xdc0(GFP_KERNEL|__GFP_ZERO), nodemask=(null)\r\n",
	} {
		told += "CPU: 0 PID: 21 Comm: init\r\nStack:\r\nCall Trace:\r\n [<1>] dump_trace\r\n"
		if got := FindFailing(told + told); got != "" {
			t.Errorf("%q", got)
		}
		if Find(told) == "" {
			t.Errorf("where no memory is made to fail, none in %q", told)
		}
		const more = "Call Trace:\r\n [<2>] dpr_flow_find\r\n"
		if got := FindFailing(told + more); got != "Call Trace:\n [<2>] dpr_flow_find" {
			t.Errorf("%q", got)
		}
	}
	if got := FindFailing("kmemleak: 29 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n"); got != "" {
		t.Errorf("%q", got)
	}
	if FindFailing("BUG: KASAN: use-after-free in dpr_flow_find+0x1/0x2\n") == "" || FindFailing("sysctl could not get directory: /x -22\nCall Trace:\n") == "" {
		t.Error("other trouble is no splat")
	}
}

// Without any one of the patterns, one of the splats would not be found.
func TestEachPatternIsNeeded(t *testing.T) {
	all := patterns()
	for i, pattern := range all {
		without := compile(slices.Delete(slices.Clone(all), i, i+1))
		if !slices.ContainsFunc(splats(), func(s string) bool { return !without.MatchString(s) }) {
			t.Errorf("no splat needs %s", pattern)
		}
	}
}

// What follows a splat is looked at too.
func TestFindNext(t *testing.T) {
	long := "BUG: one\n" + strings.Repeat("line\n", maxLines-1)
	if got := Find(long + "BUG: two\n"); !strings.HasSuffix(got, "\nBUG: two") {
		t.Errorf("the second is lost: %q", got[len(got)-20:])
	}
	if got := Find(long + "fine\nBUG: two\nmore"); !strings.HasSuffix(got, "line\nBUG: two\nmore") {
		t.Errorf("the second is lost: %q", got[len(got)-20:])
	}
}

func TestErrorSaysAll(t *testing.T) {
	err := &Error{Host: "s1", Text: "BUG: bad"}
	if got := err.Error(); got != "the kernel of s1 is in trouble:\nBUG: bad" {
		t.Errorf("it says %q", got)
	}
}

func TestReadFails(t *testing.T) {
	if _, err := Read(iotest.ErrReader(errors.New("broken"))); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}

// Only the trace within some lines of failing memory is harmless.
func TestFindFailingIsNear(t *testing.T) {
	const first = "init: page allocation failure: order:0\n"
	for lines, harmless := range map[int]bool{0: true, traceWithin - 1: true, traceWithin: false, traceWithin + 3: false} {
		if got := FindFailing(first + strings.Repeat("x\n", lines) + "Call Trace:\n"); (got == "") != harmless {
			t.Errorf("after %d lines: %q", lines, got)
		}
	}
}
