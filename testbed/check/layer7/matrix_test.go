// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// An outcome is what a client got of a server.
type outcome struct {
	right, wrong int
}

// results are the outcomes by server and client, in the order of their coming.
var results struct {
	sync.Mutex
	servers, clients []string
	of               map[[2]string]*outcome
}

// judge counts what a client got of a server, and fails the test if it is wrong.
func judge(t *testing.T, s server, client string, err error) {
	t.Helper()
	results.Lock()
	defer results.Unlock()
	if results.of == nil {
		results.of = make(map[[2]string]*outcome)
	}
	key := [2]string{s.name, client}
	if results.of[key] == nil {
		results.of[key] = &outcome{}
		if !slices.Contains(results.servers, s.name) {
			results.servers = append(results.servers, s.name)
		}
		if !slices.Contains(results.clients, client) {
			results.clients = append(results.clients, client)
		}
	}
	if err != nil {
		results.of[key].wrong++
		t.Errorf("%s, %s: %v", s.name, client, err)
		return
	}
	results.of[key].right++
}

// writeMatrix writes all outcomes as a table.
func writeMatrix(t *testing.T) {
	t.Helper()
	results.Lock()
	defer results.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "Kernel %s: right answers of all; -: not tried\n\n| server | %s |\n|%s\n", shared.Kernel().Release,
		strings.Join(results.clients, " | "), strings.Repeat(" --- |", len(results.clients)+1))
	for _, s := range results.servers {
		fmt.Fprintf(&b, "| %s |", s)
		for _, c := range results.clients {
			o := results.of[[2]string{s, c}]
			if o == nil {
				b.WriteString(" - |")
				continue
			}
			fmt.Fprintf(&b, " %d of %d |", o.right, o.right+o.wrong)
		}
		b.WriteByte('\n')
	}
	t.Logf("\n%s", b.String())
	out := "../../../out"
	if err := errors.Join(os.MkdirAll(out, 0o755), os.WriteFile(filepath.Join(out, "layer7.md"), []byte(b.String()), 0o644)); err != nil {
		t.Error(err)
	}
}
