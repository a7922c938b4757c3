// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// settle is what the kernel gets to give back what it frees in the background.
const settle = time.Second

// freeMemory returns the bytes of memory that nothing uses.
func freeMemory() (int64, error) {
	time.Sleep(settle)
	return memFree()
}

func memFree() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("reading the free memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemFree: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no MemFree in /proc/meminfo")
}
