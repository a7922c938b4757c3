// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseLDD(t *testing.T) {
	out := `	linux-vdso.so.1 (0x00007ffd6a9f2000)
	libcrypt.so.1 => /lib/x86_64-linux-gnu/libcrypt.so.1 (0x00007f3f1d000000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3f1ce00000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f3f1d400000)
`
	got, err := parseLDD(out)
	want := []string{"/lib/x86_64-linux-gnu/libcrypt.so.1", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := parseLDD("\tlibx.so.1 => not found\n"); err == nil || !strings.Contains(err.Error(), "libx.so.1") {
		t.Errorf("error %v does not name the library", err)
	}
}

func TestGuestPath(t *testing.T) {
	for in, want := range map[string]string{
		"/lib/x/libc.so": "/usr/lib/x/libc.so", "/lib64/ld.so": "/usr/lib64/ld.so", "/bin/sh": "/usr/bin/sh", "/sbin/ip": "/usr/sbin/ip",
		"/usr/bin/x": "/usr/bin/x", "/library/x": "/library/x", "/etc/../lib/y": "/usr/lib/y",
	} {
		if got := guestPath(in); got != want {
			t.Errorf("guestPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestImageSum(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	im := Image{}
	if err := im.File("/bin/f", path); err != nil {
		t.Fatal(err)
	}
	im.Text("/etc/x", 0o600, "text")
	im.Link("/bin/f", "/elsewhere") // there already
	if im["/usr/bin/f"].source != path {
		t.Errorf("the file was replaced by a link: %+v", im["/usr/bin/f"])
	}
	sum := func() string {
		s, err := im.sum()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := sum()
	if sum() != first {
		t.Error("the digest differs the second time")
	}
	if err := os.WriteFile(path, []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	second := sum()
	im.Text("/etc/x", 0o644, "text")
	if third := sum(); first == second || second == third {
		t.Error("a change of content or mode leaves the digest as it was")
	}
	var a, b bytes.Buffer
	if im.write(&a) != nil || im.write(&b) != nil || !bytes.Equal(a.Bytes(), b.Bytes()) || a.Len()%4 != 0 {
		t.Error("the archive is not the same every time, or not aligned")
	}
	if err := im.File("/x", "/no/such/file"); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestPackages(t *testing.T) {
	got := Packages()
	for _, p := range []string{"qemu-system-x86", "nginx-light", "iproute2", "make", "gcc"} {
		if !slices.Contains(got, p) {
			t.Errorf("%s is missing in %q", p, got)
		}
	}
	sorted := slices.Sorted(slices.Values(got))
	if len(slices.Compact(sorted)) != len(got) {
		t.Errorf("something is twice in %q", got)
	}
}
