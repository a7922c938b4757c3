// SPDX-License-Identifier: MIT

//go:build lab

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dpr/testbed/lab"
)

// nsdPackages are NSD and what it needs besides what every Debian has; they
// are unpacked, not installed, so that no server starts on this machine.
var nsdPackages = []string{"nsd", "libprotobuf-c1", "libfstrm0", "libevent-2.1-7"}

// Where it is on a server.
const nsdDir = "/opt/nsd"

const nsdConfig = `server:
	ip-address: %s
	do-ip6: no
	server-count: 1
	round-robin: yes
	username: ""
	database: ""
	pidfile: "` + nsdDir + `/pid"
	xfrdfile: "` + nsdDir + `/xfrd"
	zonelistfile: "` + nsdDir + `/zones"
	xfrdir: "` + nsdDir + `"
	zonesdir: "` + nsdDir + `"
	logfile: "` + nsdDir + `/log"
remote-control:
	control-enable: no
zone:
	name: ` + dnsName + `
	zonefile: "` + nsdDir + `/zone"
`

// startNSD runs NSD on a server until the test ends, fed by dprctl zone.
func startNSD(t *testing.T, l *lab.Lab, server string) {
	t.Helper()
	files := unpackNSD(t)
	config := filepath.Join(t.TempDir(), "nsd.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nsdConfig, address(t, server)), 0o644); err != nil {
		t.Fatal(err)
	}
	files[config] = nsdDir + "/conf"
	for from, to := range files {
		if err := l.Push(t.Context(), server, from, to); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { run(t, server, "rm", "-rf", nsdDir) })
	zone := []string{"dprctl", "zone", dnsName, "--ttl", dnsTTL.String(), "--output", nsdDir + "/zone"}
	run(t, server, zone...)
	background(t, l, server, nsdDir+"/ld.so", "--library-path", nsdDir, nsdDir+"/nsd", "-d", "-c", nsdDir+"/conf")
	until(t, 30*time.Second, "nsd runs", func() bool { return try(t, server, "test", "-s", nsdDir+"/pid").status == 0 })
	// On SIGHUP NSD reads the zones that changed.
	background(t, l, server, append(zone, "--every", "250ms", "--reload-command", "kill -HUP $(cat "+nsdDir+"/pid)")...)
}

// unpackNSD downloads the packages and returns the files that a server needs,
// here and there.
func unpackNSD(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	here := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir+"/usr/lib/x86_64-linux-gnu")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	here("apt-get", append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, nsdPackages...)...)
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != len(nsdPackages) {
		t.Fatalf("downloaded %q, %v", debs, err)
	}
	for _, d := range debs {
		here("dpkg-deb", "-x", d, dir)
	}
	program := filepath.Join(dir, "usr/sbin/nsd")
	files := map[string]string{program: nsdDir + "/nsd"}
	for line := range strings.Lines(here("ldd", program)) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[1] == "=>" && strings.HasPrefix(f[2], "/"):
			files[f[2]] = nsdDir + "/" + f[0]
		case strings.Contains(line, "not found"):
			t.Fatalf("nsd needs another library: %s", line)
		case strings.HasPrefix(f[0], "/"):
			files[f[0]] = nsdDir + "/ld.so"
		}
	}
	return files
}

// build builds a program of this module for a server.
func build(t *testing.T, pkg, to string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, pkg)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
