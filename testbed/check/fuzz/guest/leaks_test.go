// SPDX-License-Identifier: MIT

package main

import "testing"

func TestLost(t *testing.T) {
	const ours = "unreferenced object 0x2 (size 64):\n  backtrace:\n    [<1>] __kmalloc+0x1/0x2\n    [<2>] 0xa58a80ad\n"
	const kernels = "unreferenced object 0x1 (size 16):\n  backtrace:\n    [<1>] kstrdup+0x1/0x2\n    [<2>] sysfs_slab_add+0x207/0x2e0\n"
	if got := lost(kernels + ours + kernels); len(got) != 1 || got[0] != ours {
		t.Errorf("%q", got)
	}
	if got := lost(""); got != nil {
		t.Errorf("%q", got)
	}
}
