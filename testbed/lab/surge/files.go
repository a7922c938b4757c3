// SPDX-License-Identifier: MIT

package surge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// The bounds of a FileSpec.
const (
	MinFiles    = 10
	MaxFiles    = 100_000
	MinMaxSize  = 200_000       // above the tail's least value
	MaxFileSize = 1_000_000_000 // bytes
)

// FileSpec determines a set of files.
type FileSpec struct {
	// Files is how many, MinFiles to MaxFiles. The article has 2,000.
	Files int `json:"files"`
	// MaxSize cuts their sizes, MinMaxSize to MaxFileSize bytes.
	MaxSize int64 `json:"max_size"`
	// Seed determines the sizes.
	Seed uint64 `json:"seed"`
}

// Validate says what is wrong with the spec, or nil.
func (s FileSpec) Validate() error {
	switch {
	case s.Files < MinFiles || s.Files > MaxFiles:
		return fmt.Errorf("%d files: want %d to %d", s.Files, MinFiles, MaxFiles)
	case s.MaxSize < MinMaxSize || s.MaxSize > MaxFileSize:
		return fmt.Errorf("largest file of %d bytes: want %d to %d", s.MaxSize, MinMaxSize, MaxFileSize)
	}
	return nil
}

// FileSet is the files of a server. No two have the same size, so that a size
// names a file.
type FileSet struct {
	// Sizes are the files' in bytes, rising.
	Sizes []int64
	// Popularity is the probability that a request is for the file of that
	// index.
	Popularity []float64
}

// dir is where a server has the files, below the web's root.
const dir = "surge"

// Path is the request's path of a file of that size.
func Path(size int64) string { return "/" + dir + "/" + strconv.FormatInt(size, 10) }

// Generate makes the set.
func (s FileSpec) Generate() (*FileSet, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("surge: %w", err)
	}
	rng := rand.New(rand.NewPCG(s.Seed, 1))
	law := FileSizes(float64(s.MaxSize))
	f := &FileSet{Sizes: make([]int64, s.Files), Popularity: make([]float64, s.Files)}
	for i := range f.Sizes {
		f.Sizes[i] = max(1, int64(draw(law, rng)))
	}
	slices.Sort(f.Sizes)
	spread(f.Sizes, s.MaxSize)
	f.match(zipf(s.Files))
	return f, nil
}

// spread makes rising sizes differ, by a byte where they do not, and keeps them
// from 1 to most.
func spread(sizes []int64, most int64) {
	for i := 1; i < len(sizes); i++ {
		sizes[i] = max(sizes[i], sizes[i-1]+1)
	}
	for i := len(sizes) - 1; i >= 0 && sizes[i] > most; i-- {
		sizes[i] = most
		most--
	}
}

// zipf returns the popularities of n files, falling.
func zipf(n int) []float64 {
	p := make([]float64, n)
	sum := 0.0
	for i := range p {
		p[i] = 1 / float64(i+1)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// match gives the files popularities, which fall, so that the sizes of requests
// come as close to RequestSizes as such few numbers can.
//
// It halves the files by size, again and again. What the law wants of either
// half is known; the popularities go, the largest first, to the half that lacks
// more a file. So at each cut the law is missed by no more than the least of the
// popularities that could make up for it.
func (f *FileSet) match(popularity []float64) {
	f.halve(0, len(f.Sizes), 0, 1, popularity)
}

// halve gives popularity to the files from lo to hi, whose requests the law has
// between the probabilities from and to.
func (f *FileSet) halve(lo, hi int, from, to float64, popularity []float64) {
	if hi-lo == 1 {
		f.Popularity[lo] = popularity[0]
		return
	}
	mid := (lo + hi) / 2
	// Between two files the law's mass is shared by both.
	at := RequestSizes.CDF(float64(f.Sizes[mid-1]+f.Sizes[mid]) / 2)
	halves := [2]struct {
		free int
		want float64
		got  []float64
	}{{free: mid - lo, want: at - from}, {free: hi - mid, want: to - at}}
	// What is to be shared out need not be what the law wants of both.
	scale, total := to-from, 0.0
	for _, p := range popularity {
		total += p
	}
	for i := range halves {
		if scale > 0 {
			halves[i].want *= total / scale
		}
	}
	for _, p := range popularity {
		a, b := &halves[0], &halves[1]
		if a.free == 0 || b.free > 0 && b.want/float64(b.free) > a.want/float64(a.free) {
			a = b
		}
		a.free--
		a.want -= p
		a.got = append(a.got, p)
	}
	f.halve(lo, mid, from, at, halves[0].got)
	f.halve(mid, hi, at, to, halves[1].got)
}

// Bytes is the size of all files.
func (f *FileSet) Bytes() int64 {
	var sum int64
	for _, s := range f.Sizes {
		sum += s
	}
	return sum
}

// MeanRequest is the mean size of a request, in bytes.
func (f *FileSet) MeanRequest() float64 {
	sum := 0.0
	for i, s := range f.Sizes {
		sum += f.Popularity[i] * float64(s)
	}
	return sum
}

// Files returns the sizes of the files by their paths below the web's root.
func (f *FileSet) Files() map[string]int64 {
	m := make(map[string]int64, len(f.Sizes))
	for _, s := range f.Sizes {
		m[Path(s)] = s
	}
	return m
}
