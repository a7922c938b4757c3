// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dpr/userland/doctor"
	"dpr/userland/dprnl"
)

// goodFile writes a configuration file and returns its path.
func goodFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dpr.toml")
	if err := os.WriteFile(path, []byte("address = \"192.0.2.1\"\n[[service]]\nport = 80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Without a FILE, check looks at the host, too: what status says and what the doctor
// finds. Problems decide the exit status, warnings and notes do not.
func TestCheckHost(t *testing.T) {
	file := goodFile(t)
	k := healthy()
	k.facts = doctor.Facts{Loaded: true, Config: k.config, Services: k.services, Name: "www.example", Unread: []string{"nft: broken"},
		Links: []doctor.Link{{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}, Named: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	r := dprctl(t, k, "check --config "+file+" --name www.example")
	want := file + ": no mistakes\nnote: firewall: rules were not looked at: nft: broken\n"
	if r.status != ExitOK || r.out != want || k.gathered.Name != "www.example" || k.gathered.File == nil || k.gathered.Kernel == nil {
		t.Errorf("%+v, want %s", r, want)
	}

	k.facts.Links = nil
	k.config.State = dprnl.StateDraining
	r = dprctl(t, k, "check --config "+file)
	if r.status != ExitUnhealthy || r.err != "" {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		"problem: status: this host is draining",
		"problem: address: no interface has this host's address 192.0.2.1",
		"    remedy: give it to an interface",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in %s", want, r.out)
		}
	}

	r = dprctl(t, k, "check --json --config "+file)
	var v checkView
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.status != ExitUnhealthy || !v.OK || len(v.Findings) < 3 ||
		v.Findings[0].Check != "status" || v.Findings[1].Severity != doctor.Problem || v.Findings[1].Remedy == "" {
		t.Errorf("%+v: %+v, %v", r, v, err)
	}

	k.factsErr = errors.New("broken")
	if r := dprctl(t, k, "check --config "+file); r.status != ExitFailure || !strings.Contains(r.err, "broken") {
		t.Errorf("%+v", r)
	}
}

// A backend that is down, as an operator may want it, is no problem of this host.
func TestCheckDownBackend(t *testing.T) {
	k := withBackend()
	k.facts = doctor.Facts{Loaded: true, Config: k.config, Services: k.services, Links: []doctor.Link{{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}}
	r := dprctl(t, k, "check --config "+goodFile(t))
	if r.status != ExitOK || !strings.Contains(r.out, "warning: status: backend is down: b: no new connections") {
		t.Errorf("%+v", r)
	}
	k.peers[0].Barred = dprnl.BarredUnheard
	r = dprctl(t, k, "check --config "+goodFile(t))
	if r.status != ExitUnhealthy || !strings.Contains(r.out, "problem: status: peer does not hear this host") || !strings.Contains(r.out, "warning: status: backend is down") {
		t.Errorf("%+v", r)
	}
}

// A host without the module is looked at as far as it goes.
func TestCheckWithoutModule(t *testing.T) {
	file := goodFile(t)
	k := healthy()
	k.dialErr = dprnl.ErrNotLoaded
	r := dprctl(t, k, "check --config "+file)
	if r.status != ExitOK || k.gathered.Kernel != nil || !strings.Contains(r.out, "note: module: the kernel module is not loaded") {
		t.Errorf("%+v", r)
	}
	k.dialErr = dprnl.ErrNoRight
	if r := dprctl(t, k, "check --config "+file); r.status != ExitOK || !strings.Contains(r.out, "note: host: only root can look at the host") {
		t.Errorf("without rights: %+v", r)
	}
}
