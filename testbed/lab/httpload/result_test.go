// SPDX-License-Identifier: MIT

package httpload

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// sample is a result with n answers of 1 ms, 2 ms … and one failure.
func sample(t *testing.T, n int, class Class) *Result {
	t.Helper()
	r := NewResult(10 * time.Second)
	for i := 1; i <= n; i++ {
		if err := r.succeeded(time.Duration(i)*time.Millisecond, 100, i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	r.failed(&failure{class, errors.New("because")}, 7)
	return r
}

func TestResultMergeAndJSON(t *testing.T) {
	total := NewResult(10 * time.Second)
	for _, part := range []*Result{sample(t, 100, ClassReset), sample(t, 50, ClassTimeout)} {
		data, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		var decoded Result
		if err := json.Unmarshal(data, &decoded); err != nil {
			t.Fatal(err)
		}
		if err := total.Merge(&decoded); err != nil {
			t.Fatal(err)
		}
	}
	if total.Requests != 152 || total.Failed != 2 || total.InTime != 75 || total.Bytes != 15014 {
		t.Errorf("counts: %+v", total)
	}
	if total.Failures[ClassReset] != 1 || total.Failures[ClassTimeout] != 1 || len(total.Examples) != 2 {
		t.Errorf("failures: %v %q", total.Failures, total.Examples)
	}
	// (1+…+100 + 1+…+50) / 150 ms
	if got, want := total.DelayMean(), 6325*time.Millisecond/150; got != want {
		t.Errorf("mean %v, want %v", got, want)
	}
	if got := total.DelayQuantile(1); got < 99900*time.Microsecond || got > 100100*time.Microsecond {
		t.Errorf("maximum %v, want 100ms", got)
	}
	if got := total.DelayQuantile(0.5); got < 37*time.Millisecond || got > 39*time.Millisecond {
		t.Errorf("median %v, want 38ms", got)
	}
	if got := total.Throughput(); got != 7.5 {
		t.Errorf("throughput %v, want 7.5", got)
	}
	if err := total.Merge(NewResult(time.Second)); err == nil {
		t.Error("results of different durations merged")
	}
}

func TestResultRefusesContradictions(t *testing.T) {
	data, err := json.Marshal(sample(t, 3, ClassReset))
	if err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		`"requests":4`: `"requests":5`,
		`"failed":1`:   `"failed":9`,
		`"delays":"`:   `"delays":"AAAA`,
		`{"requests"`:  `["requests"`,
	} {
		bad := strings.Replace(string(data), old, changed, 1)
		if bad == string(data) {
			t.Fatalf("%s not found in %s", old, data)
		}
		var r Result
		if err := json.Unmarshal([]byte(bad), &r); err == nil {
			t.Errorf("%s accepted", changed)
		}
	}
}
