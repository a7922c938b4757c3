// SPDX-License-Identifier: MIT

package reproduce

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// CPU is how busy processors were while a run was measured, 0 to 1.
type CPU struct {
	Machine float64   `json:"machine"` // this machine's, all of them
	Servers []float64 `json:"servers"` // each guest's own
}

// cpuTime is what /proc/stat says of all processors.
type cpuTime struct{ busy, total float64 }

// parseStat reads the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq and steal, in ticks.
func parseStat(text string) (cpuTime, error) {
	var n [8]float64
	line, _, _ := strings.Cut(text, "\n")
	if _, err := fmt.Sscanf(line, "cpu %f %f %f %f %f %f %f %f", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]); err != nil {
		return cpuTime{}, fmt.Errorf("/proc/stat: %q: %w", line, err)
	}
	var t cpuTime
	for i, v := range n {
		t.total += v
		if i != 3 && i != 4 {
			t.busy += v
		}
	}
	return t, nil
}

// since is how busy the processors were from before to t.
func (t cpuTime) since(before cpuTime) float64 {
	if t.total <= before.total {
		return 0
	}
	return (t.busy - before.busy) / (t.total - before.total)
}

// watchCPU reads all processors' times at a moment and some time later. The
// function that it returns waits for that and returns how busy they were.
func (e *experiment) watchCPU(ctx context.Context, from time.Time, window time.Duration) func() (CPU, error) {
	type outcome struct {
		cpu CPU
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() { done <- o }()
		var before, after []cpuTime
		if before, o.err = e.readCPU(ctx, from); o.err != nil {
			return
		}
		if after, o.err = e.readCPU(ctx, from.Add(window-time.Second)); o.err != nil {
			return
		}
		for i := range after {
			busy := after[i].since(before[i])
			if i == 0 {
				o.cpu.Machine = busy
			} else {
				o.cpu.Servers = append(o.cpu.Servers, busy)
			}
		}
	}()
	return func() (CPU, error) { o := <-done; return o.cpu, o.err }
}

// readCPU reads this machine's times and each server's, at a moment.
func (e *experiment) readCPU(ctx context.Context, at time.Time) ([]cpuTime, error) {
	select {
	case <-time.After(time.Until(at)):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, err
	}
	texts := []string{string(text)}
	for _, s := range e.lab.Servers() {
		out, err := e.lab.Output(ctx, s.Name, "cat", "/proc/stat")
		if err != nil {
			return nil, err
		}
		texts = append(texts, out)
	}
	var times []cpuTime
	for _, text := range texts {
		t, err := parseStat(text)
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	return times, nil
}
