// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// newestSuite is the suite whose backports package the newest kernel.
	newestSuite = "trixie"
	// newestFor is how long a chroot counts as holding the newest kernel.
	newestFor = 30 * 24 * time.Hour
)

// newestPackages are in the chroot: the kernel, its headers, which bring their
// compiler, and what builds with them.
var newestPackages = []string{"gcc", "make", "kmod", "linux-headers-cloud-amd64", "linux-image-cloud-amd64"}

// Newest returns the newest kernel that Debian packages, and fetches it if none is
// there or it was fetched long ago. Packages that are missing are installed.
func (b Builder) Newest(ctx context.Context) (Tree, error) {
	t, err := b.newest(ctx)
	if err != nil {
		return t, fmt.Errorf("newest kernel: %w", err)
	}
	return t, nil
}

func (b Builder) newest(ctx context.Context) (Tree, error) {
	lock, err := b.lock("newest")
	if err != nil {
		return Tree{}, err
	}
	defer lock.Close()
	root := filepath.Join(b.Cache, "newest")
	info, err := os.Stat(root)
	if err == nil && time.Since(info.ModTime()) < newestFor {
		return newChroot(root)
	}
	// An old one is better than none.
	if failed := b.fetchNewest(ctx, root); failed != nil {
		if err != nil || ctx.Err() != nil {
			return Tree{}, failed
		}
		b.Say("keeping the kernel of %s: %v", info.ModTime().Format(time.DateOnly), failed)
	}
	return newChroot(root)
}

func newChroot(root string) (Tree, error) {
	t, err := newTree(root)
	t.Chroot = true
	return t, err
}

// fetchNewest makes the chroot, in the place of one that is there.
func (b Builder) fetchNewest(ctx context.Context, root string) error {
	if err := b.install(ctx, "packages-newest"); err != nil {
		return err
	}
	list, err := sources(ctx)
	if err != nil {
		return err
	}
	b.Say("fetching %s-backports' kernel and what builds modules for it (500 MB on disk)", newestSuite)
	tmp := root + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	file := filepath.Join(b.Cache, "newest.list")
	if err := os.WriteFile(file, []byte(list), 0o644); err != nil {
		return err
	}
	// Nobody boots the chroot: its initramfs would take minutes.
	_, err = run(ctx, b.Cache, "env", "INITRD=No", "mmdebstrap", "--variant=apt", "--mode=root",
		`--customize-hook=for release in $(ls "$1/usr/lib/modules"); do chroot "$1" depmod "$release"; done`,
		`--aptopt=APT::Default-Release "`+newestSuite+`-backports"`,
		"--include="+strings.Join(newestPackages, ","), newestSuite, tmp, file)
	if err != nil {
		return err
	}
	if _, err := newTree(tmp); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(tmp, now, now); err != nil {
		return err
	}
	return os.Rename(tmp, root)
}

// sources returns an apt sources list of the suite and its backports, on the
// archive that this machine's apt gets its own release from.
func sources(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(COMPONENT) $(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking apt for its archives: %w", err)
	}
	uri, err := archive(string(out))
	if err != nil {
		return "", err
	}
	const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	var list strings.Builder
	for _, suite := range []string{newestSuite, newestSuite + "-backports"} {
		fmt.Fprintf(&list, "deb [signed-by=%s] %s %s main\n", keyring, uri, suite)
	}
	return list.String(), nil
}

// archive returns the address of Debian's main archive in apt's index targets,
// lines of component, origin, label and address. The label tells it from the
// archive of security updates, which has no backports.
func archive(targets string) (string, error) {
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) == 4 && slices.Equal(f[:3], []string{"main", "Debian", "Debian"}) {
			return f[3], nil
		}
	}
	return "", fmt.Errorf("this machine's apt has no archive of Debian itself")
}

// Run runs a command that builds in dir, which is below t.Root if t is a chroot,
// with the tools that t wants: this machine's, or those of the chroot, where /proc
// is mounted for as long as the command lives. It returns all that the command
// printed; an error says it too.
func (t Tree) Run(ctx context.Context, dir string, args ...string) (string, error) {
	if t.Chroot {
		inside, err := filepath.Rel(t.Root, dir)
		if err != nil || strings.HasPrefix(inside, "..") {
			return "", fmt.Errorf("%s is not in the chroot %s", dir, t.Root)
		}
		args = append([]string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
			"--root=" + t.Root, "--wd=/" + inside}, args...)
		dir = "/"
	}
	return run(ctx, dir, args...)
}
