// SPDX-License-Identifier: MIT

//go:build lab

package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dpr/testbed/lab"
)

// nsdPackages are NSD and what it needs besides what every Debian has.
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
	files := unpack(t, "/usr/sbin/nsd", nsdDir, nsdPackages...)
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

// build builds a program of this module for a server.
func build(t *testing.T, pkg, to string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, pkg)
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
