// SPDX-License-Identifier: MIT

package surge

import (
	"math"
	"math/rand/v2"
)

// sequence makes one of several clients' list of requests, as indices of files.
// Every file is in it as often as its popularity says, as far as whole numbers
// can, and over all clients together exactly to one request; they stand in an
// order whose LRU stack distances follow StackDistances.
//
// part, from 0 to parts-1, is the client; length is that of each list.
func (f *FileSet) sequence(rng *rand.Rand, part, parts, length int) []int32 {
	return order(rng, f.counts(part, parts, length))
}

// counts returns how often each file is in a client's list. It cuts the
// popularities, the files in order of size, at as many equal steps as all
// lists have requests, and gives every parts-th to this client: so no list has
// more of the large files than another, but for one.
func (f *FileSet) counts(part, parts, length int) []int {
	counts := make([]int, len(f.Sizes))
	step := 1 / float64(parts*length)
	file, sum := 0, f.Popularity[0]
	for i := range length {
		u := (float64(i*parts+part) + 0.5) * step
		for u >= sum && file < len(counts)-1 {
			file++
			sum += f.Popularity[file]
		}
		counts[file]++
	}
	return counts
}

// order puts files into a stack, at random, and goes on to take the one at a
// stack distance that it draws: that file is the next request, and comes to the
// top, or leaves the stack when it was there as often as counts has it.
func order(rng *rand.Rand, counts []int) []int32 {
	var stack []int32 // its top is its end
	total := 0
	for file, n := range counts {
		if n > 0 {
			stack = append(stack, int32(file))
			total += n
		}
	}
	rng.Shuffle(len(stack), func(i, j int) { stack[i], stack[j] = stack[j], stack[i] })
	left := append([]int(nil), counts...)
	requests := make([]int32, 0, total)
	for range total {
		depth := min(distance(rng), len(stack))
		at := len(stack) - depth
		file := stack[at]
		copy(stack[at:], stack[at+1:])
		if left[file]--; left[file] > 0 {
			stack[len(stack)-1] = file
		} else {
			stack = stack[:len(stack)-1]
		}
		requests = append(requests, file)
	}
	return requests
}

// distance draws a stack distance.
func distance(rng *rand.Rand) int {
	return max(1, int(math.Round(draw(StackDistances, rng))))
}
