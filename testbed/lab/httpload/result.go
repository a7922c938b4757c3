// SPDX-License-Identifier: MIT

package httpload

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histogram counts microseconds, from 1 to the longest a request can take
// (MaxTimeout and as much again of waiting for the processor), to three digits.
const (
	histogramMax    = 2 * int64(MaxTimeout/time.Microsecond)
	histogramDigits = 3
)

// maxExamples is how many failures a result describes in words.
const maxExamples = 8

// Result is what one client, or several together, saw.
type Result struct {
	// Requests counts requests started; each succeeded or failed.
	Requests uint64
	// Failed counts requests without a correct answer.
	Failed uint64
	// Failures is Failed by class.
	Failures map[Class]uint64
	// Examples describes the first failures.
	Examples []string
	// InTime counts correct answers complete within the plan's Duration.
	InTime uint64
	// Bytes is the sum of the bodies' bytes, of failed requests too.
	Bytes int64
	// Duration is the plan's.
	Duration time.Duration

	delays   *hdrhistogram.Histogram // of correct answers, in µs
	delaySum time.Duration           // exact, for the mean
}

// NewResult is the result of a client that has done nothing yet.
func NewResult(duration time.Duration) *Result {
	return &Result{
		Failures: make(map[Class]uint64),
		Duration: duration,
		delays:   hdrhistogram.New(1, histogramMax, histogramDigits),
	}
}

// succeeded adds a correct answer.
func (r *Result) succeeded(delay time.Duration, bytes int64, inTime bool) error {
	r.Requests++
	r.Bytes += bytes
	if inTime {
		r.InTime++
	}
	r.delaySum += delay
	if err := r.delays.RecordValue(max(1, delay.Microseconds())); err != nil {
		return fmt.Errorf("delay of %v: %w", delay, err)
	}
	return nil
}

// failed adds a failure.
func (r *Result) failed(f *failure, bytes int64) {
	r.Requests++
	r.Bytes += bytes
	r.Failed++
	r.Failures[f.class]++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, f.Error())
	}
}

// Merge adds another client's result. Results of different durations are
// refused: their throughput would mean nothing.
func (r *Result) Merge(o *Result) error {
	if r.Duration != o.Duration {
		return fmt.Errorf("merge results: durations differ: %v and %v", r.Duration, o.Duration)
	}
	if dropped := r.delays.Merge(o.delays); dropped != 0 {
		return fmt.Errorf("merge results: %d delays out of the histogram's range", dropped)
	}
	r.Requests += o.Requests
	r.Failed += o.Failed
	r.InTime += o.InTime
	r.Bytes += o.Bytes
	r.delaySum += o.delaySum
	for class, n := range o.Failures {
		r.Failures[class] += n
	}
	for _, example := range o.Examples {
		if len(r.Examples) < maxExamples {
			r.Examples = append(r.Examples, example)
		}
	}
	return nil
}

// DelayMean is the mean delay of the correct answers, 0 if there was none.
func (r *Result) DelayMean() time.Duration {
	if ok := r.Requests - r.Failed; ok > 0 {
		return r.delaySum / time.Duration(ok)
	}
	return 0
}

// DelayQuantile is the delay that a fraction q (0 to 1) of the correct answers
// did not exceed, to three digits; 0 if there was none.
func (r *Result) DelayQuantile(q float64) time.Duration {
	n := r.delays.TotalCount()
	if n == 0 {
		return 0
	}
	// The library answers 0 for a quantile below the first value's.
	q = min(1, max(q, 1/float64(n)))
	return time.Duration(r.delays.ValueAtQuantile(q*100)) * time.Microsecond
}

// Throughput is the rate of correct answers complete within Duration, per
// second.
func (r *Result) Throughput() float64 {
	if r.Duration <= 0 {
		return 0
	}
	return float64(r.InTime) / r.Duration.Seconds()
}

// wireResult is the JSON form of a Result.
type wireResult struct {
	Requests   uint64           `json:"requests"`
	Failed     uint64           `json:"failed"`
	Failures   map[Class]uint64 `json:"failures"`
	Examples   []string         `json:"examples"`
	InTime     uint64           `json:"in_time"`
	Bytes      int64            `json:"bytes"`
	DurationNS int64            `json:"duration_ns"`
	DelaySumNS int64            `json:"delay_sum_ns"`
	Delays     []byte           `json:"delays"` // HdrHistogram V2, compressed
}

// MarshalJSON encodes the result with its histogram.
func (r *Result) MarshalJSON() ([]byte, error) {
	delays, err := r.delays.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode delays: %w", err)
	}
	return json.Marshal(wireResult{
		Requests: r.Requests, Failed: r.Failed, Failures: r.Failures, Examples: r.Examples,
		InTime: r.InTime, Bytes: r.Bytes, DurationNS: int64(r.Duration),
		DelaySumNS: int64(r.delaySum), Delays: delays,
	})
}

// UnmarshalJSON decodes what MarshalJSON made, and refuses counts that
// contradict each other.
func (r *Result) UnmarshalJSON(data []byte) error {
	var w wireResult
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("decode result: %w", err)
	}
	delays, err := hdrhistogram.Decode(w.Delays)
	if err != nil {
		return fmt.Errorf("decode delays: %w", err)
	}
	if w.Requests < w.Failed || uint64(delays.TotalCount()) != w.Requests-w.Failed {
		return fmt.Errorf("decode result: %d requests, %d failed, but %d delays", w.Requests, w.Failed, delays.TotalCount())
	}
	fresh := NewResult(time.Duration(w.DurationNS))
	// The decoded histogram has whatever range its encoder had; ours accepts
	// merges.
	if dropped := fresh.delays.Merge(delays); dropped != 0 {
		return fmt.Errorf("decode delays: %d out of range", dropped)
	}
	for class, n := range w.Failures {
		fresh.Failures[class] = n
	}
	fresh.Requests, fresh.Failed, fresh.Examples = w.Requests, w.Failed, w.Examples
	fresh.InTime, fresh.Bytes, fresh.delaySum = w.InTime, w.Bytes, time.Duration(w.DelaySumNS)
	*r = *fresh
	return nil
}
