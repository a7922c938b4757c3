// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/progress"
)

func TestKernelMatches(t *testing.T) {
	tests := []struct {
		want, release string
		ok            bool
	}{
		{"6.1", "6.1.0-56-cloud-amd64", true},
		{"6.1", "6.12.117+deb12-cloud-amd64", false},
		{"6.12", "6.12.117+deb12-cloud-amd64", true},
		{"6.12", "6.12+deb13-cloud-amd64", true},
		{"6.12", "6.12.117+deb12-amd64", false},
		{"6.12", "6.12.117+deb12-cloud-amd64-unsigned", false},
		{"6.12.117+deb12-amd64", "6.12.117+deb12-amd64", true},
		{"6.12", "6.1.0-56-cloud-amd64", false},
		{"6.1.0-5", "6.1.0-56-cloud-amd64", false},
	}
	for _, tt := range tests {
		if got := matches(tt.want, tt.release); got != tt.ok {
			t.Errorf("matches(%q, %q) = %v", tt.want, tt.release, got)
		}
	}
}

func TestCompareReleases(t *testing.T) {
	sorted := []string{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "6.12.9+deb12-cloud-amd64", "6.12.107+deb12-cloud-amd64", "7.3.1+deb13-cloud-amd64"}
	got := slices.Clone(sorted)
	slices.Reverse(got)
	slices.SortFunc(got, compareReleases)
	if !slices.Equal(got, sorted) {
		t.Errorf("sorted %q, want %q", got, sorted)
	}
}

func TestNewestKernel(t *testing.T) {
	root := t.TempDir()
	touch := func(name string) {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []string{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "6.1.0-60-cloud-amd64"} {
		touch("boot/vmlinuz-" + r)
		touch("lib/modules/" + r + "/modules.dep")
		if r != "6.1.0-60-cloud-amd64" { // the newest has no headers
			touch("usr/src/linux-headers-" + r + "/Makefile")
		}
	}
	k, err := newest(root, func(r string) bool { return matches("6.1", r) })
	if err != nil || k.Release != "6.1.0-56-cloud-amd64" || k.Image != root+"/boot/vmlinuz-6.1.0-56-cloud-amd64" {
		t.Errorf("found %+v, %v", k, err)
	}
	if _, err := newest(root, func(string) bool { return false }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestRelocateHeaders(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "usr/src/linux-headers-6.12-x")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte("include /usr/src/linux-headers-6.12-common/Makefile\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := relocateHeaders(root, "/final/place", "6.12-x"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if want := "include /final/place/usr/src/linux-headers-6.12-common/Makefile\n"; string(b) != want || err != nil {
		t.Errorf("Makefile %q, %v; want %q", b, err, want)
	}
}

func TestParseDeb(t *testing.T) {
	d := parseDeb("Package: linux-headers-6.12\nVersion: 6.12-1\nDescription: a\n Depends: not this\nDepends: linux-kbuild-6.12, gcc-12\nSHA256: abc\n")
	want := deb{Package: "linux-headers-6.12", Version: "6.12-1", SHA256: "abc", Depends: "linux-kbuild-6.12, gcc-12"}
	if d != want {
		t.Errorf("got %+v, want %+v", d, want)
	}
}

func TestModulesClosure(t *testing.T) {
	dep, err := parseModulesDep(strings.NewReader(`kernel/net/ipv4/ipip.ko: kernel/net/ipv4/ip_tunnel.ko kernel/net/ipv4/tunnel4.ko
kernel/net/ipv4/ip_tunnel.ko:
kernel/net/ipv4/tunnel4.ko:
kernel/drivers/net/virtio-net.ko.xz: kernel/drivers/net/net_failover.ko.xz
kernel/drivers/net/net_failover.ko.xz:
kernel/unused.ko:
`))
	if err != nil {
		t.Fatal(err)
	}
	got := dep.closure([]string{"virtio_net", "ipip", "tunnel4", "no_such_module"})
	want := []string{"kernel/drivers/net/net_failover.ko.xz", "kernel/drivers/net/virtio-net.ko.xz",
		"kernel/net/ipv4/ip_tunnel.ko", "kernel/net/ipv4/ipip.ko", "kernel/net/ipv4/tunnel4.ko"}
	if !slices.Equal(got, want) {
		t.Errorf("closure %q, want %q", got, want)
	}
	if _, err := parseModulesDep(strings.NewReader("nonsense\n")); err == nil {
		t.Error("a line without a colon is taken")
	}
}

func TestParseDepends(t *testing.T) {
	if got := parseDepends("license=GPL\x00depends=a,b\x00name=x\x00"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	if got := parseDepends("depends=\x00"); got != nil {
		t.Errorf("got %q, want none", got)
	}
}

func TestModuleSource(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"kmod/a.c", "kmod/a.h", "kmod/Kbuild", "kmod/Makefile", "kmod/a.o", "kmod/dpr.mod.c", "kmod/dpr.ko", "include/dpr.h", "other/x.c"} {
		if err := disk.Copy("/dev/null", filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := DPR(root).source()
	want := []string{"kmod/Kbuild", "kmod/Makefile", "kmod/a.c", "kmod/a.h", "include/dpr.h"}
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// fakeApt puts an apt-get and an apt-cache first that know kernel 0.2 only after
// an update, and nothing else. It returns the file where they write what they are
// asked for.
func fakeApt(t *testing.T) (log string) {
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	script := "#!/bin/sh\necho \"$*\" >>" + log + "\n" + `case "$*" in
*"pkgnames linux-image-") ! grep -q update ` + log + ` || echo linux-image-0.2.1-cloud-amd64 ;;
*"show --no-all-versions linux-image-0.2.1-cloud-amd64")
	printf 'Package: linux-image-0.2.1-cloud-amd64\nVersion: 1\nSHA256: 00\n' ;;
*update) ;;
*) echo "asked for $*" >&2; exit 100 ;;
esac
`
	for _, name := range []string{"apt-get", "apt-cache"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	return log
}

func TestFindNamesWhatIsMissing(t *testing.T) {
	fakeApt(t)
	_, err := find(context.Background(), "0.1", progress.New(&strings.Builder{}))
	if err == nil || !strings.Contains(err.Error(), "0.1") {
		t.Errorf("error %v does not name the kernel", err)
	}
}

func TestFindUpdatesOldLists(t *testing.T) {
	log := fakeApt(t)
	_, err := find(context.Background(), "0.2", progress.New(&strings.Builder{}))
	asked, readErr := os.ReadFile(log)
	if readErr != nil {
		t.Fatal(readErr)
	}
	// It is known then, and its headers are the next thing that is missing.
	if n := strings.Count(string(asked), "update"); n != 1 || err == nil || !strings.Contains(err.Error(), "linux-headers-0.2.1-cloud-amd64") {
		t.Errorf("%d updates, then: %v; asked apt for\n%s", n, err, asked)
	}
}
