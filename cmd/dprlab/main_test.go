// SPDX-License-Identifier: MIT

package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestReorder(t *testing.T) {
	tests := []struct{ in, want string }{
		{"dprlab capture c1 f --filter x --seconds 3", "dprlab capture --filter x --seconds 3 c1 f"},
		{"dprlab --name a capture c1 --filter=x f", "dprlab --name a capture --filter=x c1 f"},
		{"dprlab logs s1 -f", "dprlab logs -f s1"},
		{"dprlab logs -f s1", "dprlab logs -f s1"},
		{"dprlab status --name", "dprlab status --name"},
		{"dprlab push s1 -- --name x", "dprlab push s1 -- --name x"},
		{"dprlab exec s1 ls -l --name x", "dprlab exec s1 ls -l --name x"},
		{"dprlab --name x", "dprlab --name x"},
		{"dprlab nonsense -x", "dprlab nonsense -x"},
	}
	for _, tt := range tests {
		if got := reorder(app(tasks()), strings.Fields(tt.in)); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s becomes %q, want %s", tt.in, got, tt.want)
		}
	}
}

// TestBadArguments runs command lines that must fail before anything is done, and
// checks that the error names what is wrong.
func TestBadArguments(t *testing.T) {
	tests := []struct{ args, names string }{
		{"dance", "dance"},
		{"up now", "now"},
		{"up --servers 0", "--servers 0"},
		{"up --servers x", "x"},
		{"up --servers 81", "--servers 81: want 1 to 80"},
		{"up --clients -1", "--clients -1"},
		{"up --clients 101", "101"},
		{"up --memory 10", "10"},
		{"up --family 5", "want 4, 6"},
		{"up --cpus 0", "--cpus 0"},
		{"up --cpus 9", "9"},
		{"up --kernel latest", "latest"},
		{"up --link fast", "fast"},
		{"up --access-rate 5x", "5x"},
		{"up --nonsense", "nonsense"},
		{"up --name Lab_1", "Lab_1"},
		{"--name Lab_1 down", "Lab_1"},
		{"down all", "all"},
		{"status --name absent0", "absent0"},
		{"exec --name absent0 s1 -- true", "absent0"},
		{"bench now", "now"},
		{"bench --flows 0", "--flows 0: want 1 to 8000000"},
		{"bench --peers 5,3", "--peers 5,3"},
		{"bench --parts all", "all"},
		{"bench --family 5", "--family 5: want 4, 6, both"},
		{"bench-diff --family both HEAD", "want 4, 6"},
		{"demo --family 5", "want 4, 6, both"},
		{"reproduce --family x", "want 4, 6, both"},
		{"bench-diff", "COMMIT"},
		{"bench-diff --threshold 0 HEAD", "--threshold 0"},
		{"bench-diff --rounds 0 HEAD", "--rounds 0"},
		{"bench-diff --possible-cpus -1 HEAD", "--possible-cpus -1"},
		{"chaos now", "now"},
		{"chaos --events 0", "--events 0"},
		{"chaos --seconds -1", "--seconds -1"},
		{"soak --seconds 5", "--seconds 5: want at least 30"},
		{"exec", "HOST"},
		{"exec s1", "HOST"},
		{"exec s1 --", "COMMAND"},
		{"logs", "HOST"},
		{"logs s1 s2", "s2"},
		{"gdb", "HOST"},
		{"gdb --name absent0 s1 -- -batch", "absent0"},
		{"capture s1", "FILE"},
		{"capture --name absent0 s1 f --seconds -1", "-1"},
		{"boot", "HOST"},
		{"push s1 x", "PATH"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			a := app(tasks())
			a.Writer, a.ErrWriter = io.Discard, io.Discard
			err := a.RunContext(t.Context(), reorder(a, append([]string{"dprlab"}, strings.Fields(tt.args)...)))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.names) {
				t.Errorf("error %q does not name %q", err, tt.names)
			}
		})
	}
}
