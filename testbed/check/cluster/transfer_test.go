// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
	"dpr/testbed/lab/guest/data"
)

// large is the size of the files that must arrive intact: 100 MB.
const large = 100_000_000

// A large file through a redirected connection, each way, arrives intact: in tunnels, and
// without.
func TestLargeTransfers(t *testing.T) {
	policyEverywhere(t, start(t), "lowest")
	want, err := data.Sum(large)
	if err != nil {
		t.Fatal(err)
	}
	dprctl(t, "s1", "drain")
	t.Cleanup(func() { dprctl(t, "s1", "apply") })
	// A guest has room for one of the files.
	remove := func() {
		run(t, "s2", "rm", "-f", "/srv/www/100m")
		run(t, "s3", "rm", "-f", "/srv/www/100m")
	}
	t.Cleanup(remove)
	for _, forwarding := range []string{"ipip", "auto"} {
		run(t, "s2", "labdata", "100m")
		run(t, "s3", "labdata", "100m")
		dprctl(t, "s1", "config", "set", "--forwarding", forwarding)
		transfer := func(name string, f func(t *testing.T)) {
			t.Run(forwarding+"/"+name, func(t *testing.T) {
				before := stats(t, "s1")
				f(t)
				after := stats(t, "s1")
				if n := after["redirected"] - before["redirected"]; n != 1 {
					t.Errorf("%d connections redirected, want 1", n)
				}
				if n := after["tx_direct"] - before["tx_direct"]; (n > 0) != (forwarding == "auto") {
					t.Errorf("%d packets went without a tunnel", n)
				}
				if n := after["tx_too_big"] + after["tx_fragmented"] - before["tx_too_big"] - before["tx_fragmented"]; n != 0 {
					t.Errorf("%d packets did not fit", n)
				}
			})
		}
		transfer("download", func(t *testing.T) { download(t, want) })
		remove()
		transfer("upload", func(t *testing.T) { upload(t, want) })
	}
}

func largeURL(t *testing.T) string {
	t.Helper()
	return "http://" + address(t, "s1")
}

func download(t *testing.T, want string) {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	got, err := shared.Output(ctx, "c1", "sh", "-c", fmt.Sprintf("curl -sS --fail --max-time 280 %s/100m | sha256sum", largeURL(t)))
	if err != nil {
		t.Fatal(err)
	}
	sayRate(t, begin)
	if sum, _, _ := strings.Cut(got, " "); sum != want {
		t.Errorf("SHA-256 %s, want %s", sum, want)
	}
}

// sayRate logs how fast a transfer was that began then.
func sayRate(t *testing.T, begin time.Time) {
	t.Helper()
	t.Logf("%.0f MB/s", large/time.Since(begin).Seconds()/1e6)
}

func upload(t *testing.T, want string) {
	t.Helper()
	var stderr strings.Builder
	begin := time.Now()
	status, err := shared.Exec(t.Context(), "c1", lab.Cmd{
		Args:   []string{"curl", "-sS", "--fail", "--max-time", "280", "-T", "-", "-H", "Expect:", largeURL(t) + "/upload/large"},
		Stdin:  data.Reader(large),
		Stderr: &stderr,
	})
	if err != nil || status != 0 {
		t.Fatalf("upload: status %d, %v: %s", status, err, stderr.String())
	}
	sayRate(t, begin)
	found := 0
	for _, s := range shared.Servers() {
		r := try(t, s.Name, "sha256sum", "/srv/upload/large")
		if r.status != 0 {
			continue
		}
		found++
		run(t, s.Name, "rm", "-f", "/srv/upload/large")
		if sum, _, _ := strings.Cut(r.stdout, " "); sum != want || s.Name == "s1" {
			t.Errorf("on %s: SHA-256 %s, want %s on s2 or s3", s.Name, sum, want)
		}
	}
	if found != 1 {
		t.Errorf("%d hosts have the file, want 1", found)
	}
}
