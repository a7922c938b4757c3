// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/progress"
)

// deb is a binary package as apt knows it.
type deb struct{ Package, Version, SHA256, Depends string }

// helperPackage matches the packages of a kernel's headers that headers depend on.
var helperPackage = regexp.MustCompile(`^linux-(headers-.*-common|kbuild-.*)$`)

// download fetches the newest matching kernel that apt offers, with its
// headers, and unpacks it into the cache, without installing it. A machine's
// package lists may be older than the kernel, or name files that the archive no
// longer has: they are updated if it cannot be had by them.
func download(ctx context.Context, match func(string) bool, p *progress.Progress) (Kernel, error) {
	k, err := downloadOffered(ctx, match, p)
	if err == nil || ctx.Err() != nil {
		return k, err
	}
	done := p.Step("updating apt's package lists: the archive has no kernel that they name")
	if out, failed := exec.CommandContext(ctx, "apt-get", "-q", "update").CombinedOutput(); failed != nil {
		return Kernel{}, fmt.Errorf("%w, and apt-get update failed: %w: %s", err, failed, bytes.TrimSpace(out))
	}
	done()
	return downloadOffered(ctx, match, p)
}

// downloadOffered is downloadKernel by the package lists as they are.
func downloadOffered(ctx context.Context, match func(string) bool, p *progress.Progress) (Kernel, error) {
	release, err := offeredRelease(ctx, match)
	if err != nil {
		return Kernel{}, err
	}
	done := p.Step("downloading kernel " + release)
	debs, err := kernelPackages(ctx, release)
	if err != nil {
		return Kernel{}, err
	}
	cache, err := disk.CacheDir("kernels")
	if err != nil {
		return Kernel{}, err
	}
	sum := sha256.New()
	for _, d := range debs {
		fmt.Fprintln(sum, d.SHA256)
	}
	final := filepath.Join(cache, hex.EncodeToString(sum.Sum(nil))[:16])
	if !disk.Exists(final) {
		if err := unpackDebs(ctx, debs, release, final); err != nil {
			return Kernel{}, fmt.Errorf("downloading kernel %s: %w", release, err)
		}
	}
	done()
	return newest(final, func(r string) bool { return r == release })
}

// offeredRelease returns the newest matching release that apt can download.
func offeredRelease(ctx context.Context, match func(string) bool) (string, error) {
	out, err := aptCache(ctx, "pkgnames", "linux-image-")
	if err != nil {
		return "", err
	}
	var releases []string
	for name := range strings.FieldsSeq(out) {
		release := strings.TrimPrefix(name, "linux-image-")
		// The series without a patch level is a meta package's.
		if match(release) && !strings.HasSuffix(release, "-unsigned") && !metaPackage.MatchString(release) {
			releases = append(releases, release)
		}
	}
	slices.SortFunc(releases, compareReleases)
	for _, r := range slices.Backward(releases) {
		if _, err := showDeb(ctx, "linux-image-"+r); err == nil {
			return r, nil
		}
	}
	return "", fmt.Errorf("no matching kernel to download: %w", fs.ErrNotExist)
}

var metaPackage = regexp.MustCompile(`^[0-9]+\.[0-9]+` + flavour + `$`)

// kernelPackages returns the packages of a kernel and of its headers.
func kernelPackages(ctx context.Context, release string) ([]deb, error) {
	image, err := showDeb(ctx, "linux-image-"+release)
	if err != nil {
		return nil, err
	}
	headers, err := showDeb(ctx, "linux-headers-"+release)
	if err != nil {
		return nil, err
	}
	debs := []deb{image, headers}
	for dep := range strings.SplitSeq(headers.Depends, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(dep), " ")
		if !helperPackage.MatchString(name) {
			continue
		}
		d, err := showDeb(ctx, name)
		if err != nil {
			return nil, err
		}
		debs = append(debs, d)
	}
	return debs, nil
}

// showDeb asks apt for the version of a package that it would install.
func showDeb(ctx context.Context, name string) (deb, error) {
	out, err := aptCache(ctx, "show", "--no-all-versions", name)
	if err != nil {
		return deb{}, err
	}
	d := parseDeb(out)
	if d.Package != name || d.SHA256 == "" {
		return deb{}, fmt.Errorf("apt offers no package %s: %w", name, fs.ErrNotExist)
	}
	return d, nil
}

func parseDeb(record string) deb {
	var d deb
	s := bufio.NewScanner(strings.NewReader(record))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		key, value, _ := strings.Cut(s.Text(), ": ")
		switch key {
		case "Package":
			d.Package = value
		case "Version":
			d.Version = value
		case "SHA256":
			d.SHA256 = value
		case "Depends":
			d.Depends = value
		}
	}
	return d
}

func aptCache(ctx context.Context, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "apt-cache", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("apt-cache %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// unpackDebs downloads packages and unpacks them to final, which appears when
// all is done.
func unpackDebs(ctx context.Context, debs []deb, release, final string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(final), "unpack-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root := filepath.Join(tmp, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	args := []string{"download", "-q"}
	for _, d := range debs {
		args = append(args, d.Package+"="+d.Version)
	}
	get := exec.CommandContext(ctx, "apt-get", args...)
	get.Dir = tmp
	if out, err := get.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	files, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", f, root).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(f), err, bytes.TrimSpace(out))
		}
	}
	if err := finish(ctx, root, final, release); err != nil {
		return err
	}
	return os.Rename(root, final)
}
