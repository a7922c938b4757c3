// SPDX-License-Identifier: MIT

package qemu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/progress"
)

// accelVariable overrides the choice of QEMU's accelerator.
const accelVariable = "DPRLAB_ACCEL"

// probeLimit is what a guest under KVM may take to its first process: it takes
// less than one second where KVM works, and for ever where it does not.
const probeLimit = 5 * time.Second

// Choose returns the accelerator for a machine. A /dev/kvm says little: some
// take a guest and never run it. So KVM is used only after it booted this very
// kernel and initramfs once; the outcome is kept until the machine or QEMU
// changes.
func Choose(ctx context.Context, m Machine, p *progress.Progress) (string, error) {
	switch v := os.Getenv(accelVariable); v {
	case TCG, KVM:
		return v, nil
	case "":
	default:
		return "", fmt.Errorf("%s=%q: want %s or %s", accelVariable, v, TCG, KVM)
	}
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return TCG, nil
	}
	kvm.Close()
	record, err := probeRecord(m)
	if err != nil {
		return "", err
	}
	if b, err := os.ReadFile(record); err == nil {
		if v := strings.TrimSpace(string(b)); v == TCG || v == KVM {
			return v, nil
		}
	}
	defer p.Step("trying whether KVM boots a guest")()
	accel := TCG
	if probe(ctx, m) {
		accel = KVM
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return accel, disk.Write(record, []byte(accel+"\n"), 0o644)
}

// probeRecord returns the file that holds a probe's outcome.
func probeRecord(m Machine) (string, error) {
	dir, err := disk.CacheDir("probes")
	if err != nil {
		return "", err
	}
	version, err := exec.Command(program, "-version").Output()
	if err != nil {
		return "", fmt.Errorf("asking QEMU for its version: %w", err)
	}
	h := sha256.New()
	h.Write(version)
	for _, f := range []string{"/proc/version", "/proc/sys/kernel/random/boot_id"} {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", fmt.Errorf("naming this machine: %w", err)
		}
		h.Write(b)
	}
	fmt.Fprintln(h, m.Kernel)
	return filepath.Join(dir, hex.EncodeToString(h.Sum(nil))[:16]), nil
}

// probe tells whether a guest under KVM comes to life within the time limit.
func probe(ctx context.Context, m Machine) bool {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	m.accel = KVM
	args := append(m.Args("dprlab-probe", guest.ProbeParam), "-serial", "stdio")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Whatever went wrong, the console has not said it.
	out, _ := cmd.Output()
	return bytes.Contains(out, []byte(guest.Alive))
}
