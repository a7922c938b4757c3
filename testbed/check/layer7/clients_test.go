// SPDX-License-Identifier: MIT

//go:build lab

package layer7

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest/data"
)

// An entry is an address that clients know: any host's, of either family.
type entry struct {
	host   string
	family family.Family
	// at is the address as URLs have it.
	at string
}

func entries() []entry {
	var all []entry
	for _, s := range shared.Servers() {
		all = append(all, entry{s.Name, family.V4, s.Address}, entry{s.Name, family.V6, "[" + s.Address6 + "]"})
	}
	return all
}

// few are an address of each host, for what takes seconds.
func few() []entry {
	all := entries()
	return []entry{all[0], all[3], all[4]}
}

// url is that of a path of a server at an entry.
func (e entry) url(s server, path string) string {
	scheme := "http"
	if s.tls {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s:%d%s", scheme, e.at, s.port, path)
}

// named is the same with a name, and what makes curl look for it at the entry.
func (e entry) named(s server, name, path string) []string {
	scheme := "http"
	if s.tls {
		scheme = "https"
	}
	return []string{"--connect-to", fmt.Sprintf("%s:%d:%s:%[2]d", name, s.port, e.at), fmt.Sprintf("%s://%s:%d%s", scheme, name, s.port, path)}
}

// curlCommand is curl as all tests call it. Without TLS it speaks HTTP/2 only where the
// server speaks nothing else.
func curlCommand(s server, args ...string) []string {
	c := []string{"curl", "-q", "-s", "-S", "-k", "-f", "--max-time", "60", "--noproxy", "*"}
	switch {
	case s.only:
		c = append(c, "--http2-prior-knowledge")
	default:
		c = append(c, "--http1.1")
	}
	return append(c, args...)
}

// wantWho asks by a command for who serves, and says what is wrong with the answer. A client
// that says nothing for a second gets the default group's host, as one does on a machine that
// is too busy: what took longer is asked again.
func wantWho(t *testing.T, host string, command []string) error {
	t.Helper()
	for tries := 1; ; tries++ {
		begun := time.Now()
		out, err := ask(t, command...)
		if err != nil {
			return err
		}
		got := strings.TrimSpace(out)
		if got == host {
			return nil
		}
		if got != defaultHost || time.Since(begun) < time.Second || tries == 3 {
			return fmt.Errorf("%s: %q served, want %q", strings.Join(command, " "), got, host)
		}
		t.Logf("%s took %v, and the default group served: again", strings.Join(command, " "), time.Since(begun))
	}
}

// wantFile wants a file to be as it should.
func wantFile(path, name string) error {
	want, err := data.Sum(sizeOf(name))
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
		return fmt.Errorf("%s: %d bytes, not the right %d", name, len(content), sizeOf(name))
	}
	return nil
}

// download gets a file by a command, to which the file's name is added.
func download(t *testing.T, name string, command ...string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if _, err := ask(t, append(command, path)...); err != nil {
		return err
	}
	defer os.Remove(path)
	return wantFile(path, name)
}

// upload puts a file of some size at an entry; the rules have s3 take it. Curl asks first
// whether it may (Expect: 100-continue).
func upload(t *testing.T, s server, e entry, size string) error {
	t.Helper()
	file := fileOf(t, size)
	name := fmt.Sprintf("/up/%s-%d-%d", e.host, e.family, s.port)
	if _, err := ask(t, curlCommand(s, "-H", "Expect: 100-continue", "-T", file, e.url(s, name))...); err != nil {
		return err
	}
	want, err := data.Sum(sizeOf(size))
	if err != nil {
		return err
	}
	out, err := shared.Output(t.Context(), "s3", "sh", "-c", "sha256sum <"+root+name+" && rm "+root+name)
	if err != nil {
		return err
	}
	if got, _, _ := strings.Cut(out, " "); got != want {
		return fmt.Errorf("%s has other bytes", name)
	}
	return nil
}

// fileOf returns a file of data.
func fileOf(t *testing.T, size string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), size)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.ReadFrom(data.Reader(sizeOf(size)))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

var succeeded = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored`)

// h2load makes requests of some connections at once; all must succeed.
func h2load(t *testing.T, requests, connections int, args ...string) error {
	t.Helper()
	out, err := ask(t, append([]string{"h2load", "-n", fmt.Sprint(requests), "-c", fmt.Sprint(connections)}, args...)...)
	if err != nil {
		return err
	}
	m := succeeded.FindStringSubmatch(out)
	if m == nil || m[1] != fmt.Sprint(requests) || m[2] != "0" || m[3] != "0" {
		return fmt.Errorf("h2load %s: %s", strings.Join(args, " "), out)
	}
	return nil
}
