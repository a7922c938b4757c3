// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"fmt"
	"strings"
	"testing"

	"dpr/testbed/lab"
	"dpr/testbed/lab/guest/data"
)

// large is the size of the files that must arrive intact: 100 MB.
const large = 100_000_000

// A large file through a redirected connection, each way, arrives intact.
func TestLargeTransfers(t *testing.T) {
	policyEverywhere(t, start(t), "lowest")
	want, err := data.Sum(large)
	if err != nil {
		t.Fatal(err)
	}
	dprctl(t, "s1", "drain")
	url := "http://" + address(t, "s1")

	t.Run("download", func(t *testing.T) {
		for _, host := range []string{"s2", "s3"} {
			run(t, host, "labdata", "100m")
			t.Cleanup(func() { run(t, host, "rm", "-f", "/srv/www/100m") })
		}
		before := stats(t, "s1")["redirected"]
		got := run(t, "c1", "sh", "-c", fmt.Sprintf("curl -sS --fail --max-time 55 %s/100m | sha256sum", url))
		if sum, _, _ := strings.Cut(got, " "); sum != want {
			t.Errorf("SHA-256 %s, want %s", sum, want)
		}
		if n := stats(t, "s1")["redirected"] - before; n != 1 {
			t.Errorf("%d connections redirected, want 1", n)
		}
	})

	t.Run("upload", func(t *testing.T) {
		before := stats(t, "s1")["redirected"]
		var stderr strings.Builder
		status, err := shared.Exec(t.Context(), "c1", lab.Cmd{
			Args:   []string{"curl", "-sS", "--fail", "--max-time", "55", "-T", "-", "-H", "Expect:", url + "/upload/large"},
			Stdin:  data.Reader(large),
			Stderr: &stderr,
		})
		if err != nil || status != 0 {
			t.Fatalf("upload: status %d, %v: %s", status, err, stderr.String())
		}
		if n := stats(t, "s1")["redirected"] - before; n != 1 {
			t.Errorf("%d connections redirected, want 1", n)
		}
		found := 0
		for _, s := range shared.Servers() {
			r := try(t, s.Name, "sha256sum", "/srv/upload/large")
			if r.status != 0 {
				continue
			}
			found++
			t.Cleanup(func() { run(t, s.Name, "rm", "-f", "/srv/upload/large") })
			if sum, _, _ := strings.Cut(r.stdout, " "); sum != want || s.Name == "s1" {
				t.Errorf("on %s: SHA-256 %s, want %s on s2 or s3", s.Name, sum, want)
			}
		}
		if found != 1 {
			t.Errorf("%d hosts have the file, want 1", found)
		}
	})
}
