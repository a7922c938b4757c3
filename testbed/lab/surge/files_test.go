// SPDX-License-Identifier: MIT

package surge

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var spec = FileSpec{Files: 2000, MaxSize: 1_000_000, Seed: 1}

func generate(t *testing.T, s FileSpec) *FileSet {
	t.Helper()
	f, err := s.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A file set has the sizes' law, and its matching the requests'.
func TestFileSet(t *testing.T) {
	f := generate(t, spec)
	sizes := make([]float64, len(f.Sizes))
	for i, s := range f.Sizes {
		sizes[i] = float64(s)
		if i > 0 && s <= f.Sizes[i-1] {
			t.Fatalf("sizes %d and %d: want rising ones", f.Sizes[i-1], s)
		}
	}
	if d := ks(sizes, FileSizes(float64(spec.MaxSize))); d > ksLimit(len(sizes)) {
		t.Errorf("sizes: D = %.4f, want at most %.4f", d, ksLimit(len(sizes)))
	}
	sorted := slices.Clone(f.Popularity)
	slices.SortFunc(sorted, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
	for r, p := range sorted {
		if want := sorted[0] / float64(r+1); math.Abs(p-want) > 1e-12 {
			t.Fatalf("popularity %d is %g, want Zipf's %g", r+1, p, want)
		}
	}
	// The weights of the files are given, so requests' sizes jump by the most
	// popular file's: no matching is always nearer than half of that.
	most, sum := 0.0, 0.0
	for i, p := range f.Popularity {
		most = max(most, math.Abs(sum-RequestSizes.CDF(sizes[i])))
		sum += p
		if i < len(sizes)-1 {
			most = max(most, math.Abs(sum-RequestSizes.CDF(sizes[i])))
		}
	}
	t.Logf("%d files, %.1f MB; mean request %.0f bytes; request sizes: D = %.4f; most popular %.4f",
		len(sizes), float64(f.Bytes())/1e6, f.MeanRequest(), most, sorted[0])
	if most > sorted[0] {
		t.Errorf("request sizes: D = %.4f, want at most the most popular file's share, %.4f", most, sorted[0])
	}
	// Popularity given to files at random is far off.
	shuffled := generate(t, spec)
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(sorted), func(i, j int) { sorted[i], sorted[j] = sorted[j], sorted[i] })
	shuffled.Popularity = sorted
	sum, far := 0.0, 0.0
	for i, p := range shuffled.Popularity {
		sum += p
		far = max(far, math.Abs(sum-RequestSizes.CDF(sizes[i])))
	}
	if far < 2*most {
		t.Errorf("a random matching has D = %.4f, this one %.4f: it does nothing", far, most)
	}
}

// A seed determines the set; another gives another.
func TestFileSetSeed(t *testing.T) {
	a, b := generate(t, spec), generate(t, spec)
	if !slices.Equal(a.Sizes, b.Sizes) || !slices.Equal(a.Popularity, b.Popularity) {
		t.Error("the same spec gave two sets")
	}
	other := spec
	other.Seed = 2
	if slices.Equal(a.Sizes, generate(t, other).Sizes) {
		t.Error("another seed gave the same set")
	}
}

func TestFileSpecBounds(t *testing.T) {
	for _, bad := range []FileSpec{
		{Files: MinFiles - 1, MaxSize: MinMaxSize}, {Files: MaxFiles + 1, MaxSize: MinMaxSize},
		{Files: MinFiles, MaxSize: MinMaxSize - 1}, {Files: MinFiles, MaxSize: MaxFileSize + 1},
	} {
		if _, err := bad.Generate(); err == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
}

// Sizes that crowd at the largest still differ, and do not exceed it.
func TestSpread(t *testing.T) {
	sizes := []int64{1, 1, 1, 9, 10, 10, 10}
	spread(sizes, 10)
	if want := []int64{1, 2, 3, 7, 8, 9, 10}; !slices.Equal(sizes, want) {
		t.Errorf("got %v, want %v", sizes, want)
	}
}

// All clients' lists together have each file as often as its popularity says,
// to one request.
func TestCounts(t *testing.T) {
	f := generate(t, spec)
	const parts, length = 30, 400
	sum := make([]int, len(f.Sizes))
	for part := range parts {
		for i, n := range f.counts(part, parts, length) {
			sum[i] += n
		}
	}
	total := 0
	for i, n := range sum {
		total += n
		if want := f.Popularity[i] * parts * length; math.Abs(float64(n)-want) > 1 {
			t.Errorf("file %d is asked for %d times, want %.2f", i, n, want)
		}
	}
	if total != parts*length {
		t.Errorf("%d requests, want %d", total, parts*length)
	}
}

// The distances in a list, as a cache would see them, have their law, and those
// of the same requests in random order do not.
func TestTemporalLocality(t *testing.T) {
	f := generate(t, spec)
	rng := rand.New(rand.NewPCG(4, 4))
	list := f.sequence(rng, 0, 1, sample)
	law := textLaw(func(x float64) float64 {
		if x < 1 {
			return 0
		}
		return lognormal(1.5, 0.80).CDF(math.Floor(x) + 0.5)
	})
	got := distances(list)
	d := ks(got, law)
	t.Logf("%d of %d requests ask again; D = %.4f", len(got), len(list), d)
	// Files that are done leave the generator's stack but not a cache's, and
	// the list ends with what is left: the law is met up to that.
	if d > localityLimit {
		t.Errorf("D = %.4f, want at most %v", d, localityLimit)
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if d := ks(distances(list), law); d < 5*localityLimit {
		t.Errorf("in random order D = %.4f: the order does nothing", d)
	}
}

const localityLimit = 0.08

// distances are the LRU stack distances of a list's requests but the first of
// each file.
func distances(list []int32) []float64 {
	var stack []int32
	var d []float64
	for _, file := range list {
		at := slices.Index(stack, file)
		if at >= 0 {
			d = append(d, float64(len(stack)-at))
			stack = slices.Delete(stack, at, at+1)
		}
		stack = append(stack, file)
	}
	return d
}
