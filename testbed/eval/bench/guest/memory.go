// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// pageSize is the size of a page of memory on the machines that guests are.
const pageSize = 4096

// settle is what the kernel gets to end what it does in the background: a table
// that grows, memory that is given back after a grace period.
const settle = 500 * time.Millisecond

// freeMemory returns the bytes of memory that nothing uses but this process: all
// that a table takes is missing there, whatever allocator it comes from.
func freeMemory() (int64, error) {
	time.Sleep(settle)
	zones, err := os.ReadFile("/proc/zoneinfo")
	if err != nil {
		return 0, fmt.Errorf("reading the free memory: %w", err)
	}
	free, err := parseFree(string(zones))
	if err != nil {
		return 0, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading this process's memory: %w", err)
	}
	own, err := parseOwn(string(status))
	return free + own, err
}

// parseOwn finds the bytes of a process's own memory in /proc/PID/status.
func parseOwn(status string) (int64, error) {
	var kib int64
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				return 0, fmt.Errorf("process status: unexpected line %q: %w", line, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("process status: no RssAnon in %.80q", status)
}

// parseFree adds up the free pages of all zones in /proc/zoneinfo and those that
// CPUs keep for themselves, which are free too.
func parseFree(zoneinfo string) (int64, error) {
	var pages int64
	zones := 0
	for line := range strings.Lines(zoneinfo) {
		f := strings.Fields(line)
		var value string
		switch {
		case len(f) == 3 && f[0] == "pages" && f[1] == "free":
			value = f[2]
			zones++
		case len(f) == 2 && f[0] == "count:":
			value = f[1]
		default:
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("zoneinfo: unexpected line %q: %w", line, err)
		}
		pages += n
	}
	if zones == 0 {
		return 0, fmt.Errorf("zoneinfo: no zone's free pages in %.80q", zoneinfo)
	}
	return pages * pageSize, nil
}

// slabMemory returns the bytes in the slab caches whose names begin with one of
// the given words; 0 if there is none yet.
func slabMemory(caches ...string) (int64, error) {
	f, err := os.Open("/proc/slabinfo")
	if err != nil {
		return 0, fmt.Errorf("reading the slab caches: %w", err)
	}
	defer f.Close()
	var sum int64
	s := bufio.NewScanner(f)
	for s.Scan() {
		n, err := parseSlab(s.Text(), caches)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, s.Err()
}

// parseSlab returns the bytes of a slab cache from its line: "NAME ACTIVE OBJECTS
// SIZE PERSLAB PAGES : tunables … : slabdata ACTIVE SLABS SHARED".
func parseSlab(line string, caches []string) (int64, error) {
	f := strings.Fields(line)
	for _, c := range caches {
		if len(f) == 0 || !strings.HasPrefix(f[0], c) {
			continue
		}
		if len(f) < 16 {
			return 0, fmt.Errorf("slabinfo: unexpected line %q", line)
		}
		pages, err1 := strconv.ParseInt(f[5], 10, 64)
		slabs, err2 := strconv.ParseInt(f[14], 10, 64)
		if err1 != nil || err2 != nil {
			return 0, fmt.Errorf("slabinfo: unexpected line %q", line)
		}
		return pages * slabs * pageSize, nil
	}
	return 0, nil
}

// codeSize returns the bytes that modules which are inserted take themselves.
func codeSize(modules ...string) (int64, error) {
	var sum uint64
	for _, m := range modules {
		n, err := readCounter("/sys/module/" + m + "/coresize")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return int64(sum), nil
}
