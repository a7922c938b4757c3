// SPDX-License-Identifier: MIT

package lab

import (
	"strings"
	"testing"
)

const leakReports = `unreferenced object 0xffff888101f3a400 (size 64):
  comm "dpr-receive", pid 171, jiffies 4294899553 (age 12.400s)
  hex dump (first 32 bytes):
    0a 4d 00 65 00 00 00 00 00 00 00 00 00 00 00 00  .M.e............
  backtrace:
    [<00000000a5bb1a40>] kmem_cache_alloc+0x12a/0x2d0
    [<0000000017c2d1f5>] dpr_flow_insert+0x41/0x1c0 [dpr]
unreferenced object 0xffff888101f3b000 (size 32):
  comm "swapper/0", pid 1, jiffies 4294892300 (age 30.100s)
  backtrace:
    [<00000000a5bb1a40>] kmalloc_trace+0x27/0xa0
    [<000000008e3a2f61>] acpi_init+0x1f/0x2d0
unreferenced object 0xffff888101f3c000 (size 128):
  comm "insmod", pid 200, jiffies 4294892400 (age 29.100s)
  backtrace:
    [<00000000a5bb1a40>] kmalloc_trace+0x27/0xa0
    [<000000008e3a2f62>] 0xffffffffa0012345
`

func TestLeaksOf(t *testing.T) {
	got := leaksOf(leakReports, "dpr")
	if strings.Count(got, "unreferenced object ") != 2 || !strings.Contains(got, "dpr_flow_insert") ||
		!strings.Contains(got, "0xffffffffa0012345") || strings.Contains(got, "acpi_init") {
		t.Errorf("leaks of dpr:\n%s", got)
	}
	if got := leaksOf("", "dpr"); got != "" {
		t.Errorf("leaks in no report: %q", got)
	}
}
