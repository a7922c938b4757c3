// SPDX-License-Identifier: MIT

//go:build cgo

package lard

import (
	"math"
	"reflect"
	"testing"
)

func run(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// one is a host with one document of 4096 bytes, asked for by one client after the
// other: the delays can be calculated.
func one() Config {
	c := Default()
	c.Hosts, c.Low, c.High, c.Memory, c.Set, c.Mean, c.Requests, c.Warmup = 1, 1, 1, 4096, 1, 1e9, 1000, 2
	return c
}

func TestOneDocument(t *testing.T) {
	c := one()
	m := c.Machine
	hit := 2*m.Connect + 8*m.Transmit
	r := run(t, c)
	if r.Documents != 1 || r.HitRate != 1 || math.Abs(r.Throughput-1/hit) > 1e-6/hit || math.Abs(r.DelayMean-hit) > 1e-9 {
		t.Errorf("from memory: %+v, want %v requests a second", r, 1/hit)
	}
	if math.Abs(r.CPUMost-1) > 0.01 || r.DiskMost != 0 || r.Handed != 0 {
		t.Errorf("from memory: %+v, want a busy processor, an idle disk and no handovers", r)
	}
	// A little more than the memory: the document never gets in.
	c.Set = 1.0003
	miss := hit + m.Transmit + m.Seek + 2*m.Read
	if r := run(t, c); r.HitRate != 0 || math.Abs(r.DelayMean-miss) > 1e-9 {
		t.Errorf("from disk: %+v, want a delay of %v", r, miss)
	}
}

// Two clients want the same document: the disk reads it once for both.
func TestReadOnce(t *testing.T) {
	c := one()
	c.Low, c.High, c.Set = 3, 3, 1.0003
	m := c.Machine
	r := run(t, c)
	// Together they take one read and two processors' times, of which some overlap.
	if rate := 2 / (m.Seek + 2*m.Read); r.Throughput < 0.9*rate || r.Throughput > rate {
		t.Errorf("%v a second, want a little less than %v", r.Throughput, rate)
	}
}

// Handovers cost the first host, and only if there are any.
func TestHandovers(t *testing.T) {
	c := Default()
	c.Set, c.Requests, c.Warmup = 0.5, 20_000, 1
	r := run(t, c)
	// Of three hosts, two others serve two requests of three, about.
	if math.Abs(r.Handed-2.0/3) > 0.05 || r.HitRate < 0.95 {
		t.Errorf("%+v, want two thirds handed over", r)
	}
	c.Machine.Handover *= 20
	if dear := run(t, c); dear.Throughput > 0.7*r.Throughput {
		t.Errorf("%.0f requests a second with handovers 20 times as dear, %.0f before", dear.Throughput, r.Throughput)
	}
}

func TestDeterministic(t *testing.T) {
	c := Default()
	c.Requests, c.Warmup = 5000, 0.5
	a, b := run(t, c), run(t, c)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("the same seed gives %+v and %+v", a, b)
	}
	c.Seed++
	if d := run(t, c); d.Throughput == a.Throughput {
		t.Error("another seed gives the same")
	}
}

// The paper's result in small: locality serves more where the documents are three
// times as large as a host's memory, and no more where they fit.
func TestLocalityPays(t *testing.T) {
	c := Default()
	c.Memory, c.Requests = 16<<20, 30_000
	throughput := func(set float64, policy string) float64 {
		c.Set, c.Policy = set, policy
		return run(t, c).Throughput
	}
	if locality, lowest := throughput(3, Locality), throughput(3, Lowest); locality < 2*lowest {
		t.Errorf("documents of 3 memories: locality %.0f, lowest %.0f", locality, lowest)
	}
	if locality, lowest := throughput(0.5, Locality), throughput(0.5, Lowest); locality > 1.1*lowest {
		t.Errorf("documents that fit: locality %.0f, lowest %.0f", locality, lowest)
	}
}

// Without spilling, a document has one host: no host reads what another one has.
func TestSpill(t *testing.T) {
	c := Default()
	c.Set, c.Memory, c.Requests = 2, 16<<20, 30_000
	c.Spill = 1000
	strict := run(t, c)
	c.Spill = 0
	loose := run(t, c)
	if strict.HitRate < loose.HitRate || strict.CPULeast > loose.CPULeast {
		t.Errorf("spill of 1000 %%: hits %.4f, least busy %.3f; of 0 %%: %.4f, %.3f; want more hits and less balance",
			strict.HitRate, strict.CPULeast, loose.HitRate, loose.CPULeast)
	}
}
