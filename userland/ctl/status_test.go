// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/report"
)

func TestStatusHealthy(t *testing.T) {
	r := dprctl(t, healthy(), "status --check")
	if r.status != ExitOK {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"192.0.2.1", "lowest", "1 usable, 1 in the load table, 2 known", "yes"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	var v statusView
	r = dprctl(t, healthy(), "status --json")
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatal(err)
	}
	if !v.Module || !v.Configured || !v.Healthy || v.Services != 2 || v.Peers != (peersSummary{2, 1, 1}) || v.Load.Load != 1 ||
		v.Config.Policy != dprnl.PolicyLowest || !strings.Contains(r.out, `"problems": []`) {
		t.Errorf("%+v\n%s", v, r.out)
	}
}

// After an upgrade the module may still be the old one.
func TestStatusVersions(t *testing.T) {
	for module, want := range map[string]string{
		"":               "module    loaded\n",
		daemon.Version(): "module    loaded, version " + daemon.Version() + "\n",
		"0.1.0":          "module    loaded, version 0.1.0 (dprctl is of " + daemon.Version() + ")\n",
	} {
		k := healthy()
		k.module = module
		if r := dprctl(t, k, "status --check"); r.status != ExitOK || !strings.Contains(r.out, want) {
			t.Errorf("%q: %+v", module, r)
		}
		var v statusView
		if err := json.Unmarshal([]byte(dprctl(t, k, "status --json").out), &v); err != nil || v.Version != module || v.Tools != daemon.Version() {
			t.Errorf("%q: %+v, %v", module, v, err)
		}
	}
}

func TestStatusProblems(t *testing.T) {
	for want, change := range map[string]func(*kernel){
		"no address configured":    func(k *kernel) { k.config.Address = netip.IPv4Unspecified() },
		"no service is configured": func(k *kernel) { k.services = nil },
		"this host is draining":    func(k *kernel) { k.config.State = dprnl.StateDraining },
		"no peer is usable":        func(k *kernel) { k.peers[0].Usable = false },
		"nothing listens on port 80 of this host": func(k *kernel) {
			k.states = map[uint16]dprnl.ServiceState{80: dprnl.ServiceNoListener, 443: dprnl.ServiceNoListener}
		},
		"nothing listens on port 192.0.2.1:443 of this host": func(k *kernel) {
			k.states = map[uint16]dprnl.ServiceState{443: dprnl.ServiceNoListener}
			k.peers[0].Usable = false
		},
		"the accept queue of port 192.0.2.1:443 of this host is full": func(k *kernel) {
			k.states = map[uint16]dprnl.ServiceState{443: dprnl.ServiceFull}
		},
	} {
		k := healthy()
		change(k)
		r := dprctl(t, k, "status --check")
		if r.status != ExitUnhealthy || !strings.Contains(r.out, want) || r.err != "" {
			t.Errorf("%s: %+v", want, r)
		}
		if r := dprctl(t, k, "status"); r.status != ExitOK {
			t.Errorf("without --check: %+v", r)
		}
	}
	k := healthy()
	k.peers = append(k.peers, dprnl.Peer{Address: netip.MustParseAddr("192.0.2.9"), State: dprnl.StateLeaving, Reported: true, Age: time.Hour})
	if r := dprctl(t, k, "status --check"); r.status != ExitOK {
		t.Errorf("a peer that left may be silent: %+v", r)
	}
	k.config.Policy, k.peers = dprnl.PolicyOff, nil
	if r := dprctl(t, k, "status --check"); r.status != ExitOK {
		t.Errorf("policy off needs no peers: %+v", r)
	}
}

// Troubles of others are told, and this host is healthy all the same.
func TestStatusTroubles(t *testing.T) {
	for want, change := range map[string]func(*kernel){
		"cluster   silent peers: 192.0.2.2 for": func(k *kernel) { k.peers[0].Age = 4 * time.Second },
		"and 3 more":                            silentPeersOf(8),
		"cluster   peer does not hear this host: 192.0.2.2: no new": func(k *kernel) { k.peers[0].Barred = dprnl.BarredUnheard },
		"peer does not get what is redirected to it: 192.0.2.2: no new": func(k *kernel) {
			k.peers[0].Barred = dprnl.BarredLost
		},
		"cluster   port 80 is left to other hosts: nothing listens on it here": func(k *kernel) {
			k.states = map[uint16]dprnl.ServiceState{80: dprnl.ServiceNoListener}
		},
		"peer has another marker: 192.0.2.2: no new": func(k *kernel) { k.peers[0].Barred = dprnl.BarredSettings },
		"peer cannot serve port 443: 192.0.2.2\n":    func(k *kernel) { k.peers[0].Down = []uint16{443, 8080} },
		"cluster   backend is down: b: no new":       func(k *kernel) { k.backends = withBackend().backends },
		"backend is down: b0, b1, b2, b3, b4, and 2 more: no new": func(k *kernel) {
			for n := range 7 {
				k.backends = append(k.backends, dprnl.BackendStatus{Backend: dprnl.Backend{Name: fmt.Sprintf("b%d", n), Down: true}})
			}
		},
	} {
		k := healthy()
		change(k)
		r := dprctl(t, k, "status --check")
		if r.status != ExitOK || !strings.Contains(r.out, want) || !strings.Contains(r.out, "healthy   yes") || r.err != "" {
			t.Errorf("%s: %+v", want, r)
		}
		var v statusView
		if err := json.Unmarshal([]byte(dprctl(t, k, "status --json").out), &v); err != nil || !v.Healthy || len(v.Problems) != 0 || len(v.Cluster) != 1 {
			t.Errorf("%s: %v, %+v", want, err, v)
		}
	}
}

// Where there are networks for reports, dpr-receive should run.
func TestStatusAsksTheReceiver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	text := "address = \"192.0.2.1\"\nruntime_directory = \"/run/elsewhere\"\n[report]\nauthentication = \"none\"\n"
	network := "[[report.network]]\nunicast = \"192.0.2.2:7743\"\n"
	for _, tt := range []struct {
		text string
		err  error
		sick bool
	}{
		{text + network, nil, false},
		{text + network, fs.ErrNotExist, true},
		{text + network, syscall.ECONNREFUSED, true},
		{text + network, syscall.EACCES, false}, // not for this user
		{text, fs.ErrNotExist, false},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		k := healthy()
		k.host = wellHost()
		k.reportsErr = tt.err
		r := dprctl(t, k, "status --check --config "+path)
		if sick := strings.Contains(r.out, "dpr-receive does not run"); sick != tt.sick || (r.status == ExitUnhealthy) != tt.sick {
			t.Errorf("%v, %q: %+v", tt.err, tt.text, r)
		}
		if strings.Contains(tt.text, network) && k.path != "/run/elsewhere/receive.sock" {
			t.Errorf("asked at %s", k.path)
		}
	}
}

// wellHost is a host on which all is as it should be.
func wellHost() HostFacts {
	return HostFacts{
		Links: map[string]string{"eth0": LinkUp, "eth1": LinkUp}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Processes: []string{"init", "dpr-broadcast", "dpr-cleanup"}, Synced: true,
	}
}

// Who may not read the key can say whether the host is healthy all the same: a program that
// watches needs no more than CAP_NET_ADMIN.
func TestStatusWithoutRightToTheKey(t *testing.T) {
	dir := t.TempDir()
	path, key := filepath.Join(dir, "dpr.toml"), filepath.Join(dir, "key")
	if _, err := report.WriteKey(key); err != nil {
		t.Fatal(err)
	}
	write := func(file, text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	text := "[report]\nkey_file = \"" + key + "\"\n[[report.network]]\ninterface = \"eth0\"\ngroup = \"239.1.1.1\"\n"
	write(path, text, 0o644)
	if err := errors.Join(os.Chmod(key, 0), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	k := healthy()
	k.host = wellHost()
	status := func() result {
		// Root may read anything, unless it reads as somebody else.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if os.Getuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := syscall.Setfsuid(0); err != nil {
					t.Error(err)
				}
			}()
		}
		if _, err := os.Open(key); !errors.Is(err, fs.ErrPermission) {
			t.Fatalf("the key can be read: %v", err)
		}
		return dprctl(t, k, "status --check --json --config "+path)
	}
	var v statusView
	r := status()
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.status != ExitOK || v.Host == nil || len(v.Host.Keys) != 0 {
		t.Errorf("%v, %+v", err, r)
	}
	// Other mistakes are no less wrong.
	for _, wrong := range []string{"frob = 1\n" + text, strings.Replace(text, key, filepath.Join(dir, "none"), 1), strings.Replace(text, "key_file = \""+key+"\"\n", "", 1)} {
		write(path, wrong, 0o644)
		if r := status(); r.status != ExitUnhealthy || !strings.Contains(r.out, "the configuration is wrong") {
			t.Errorf("%s: %+v", wrong, r)
		}
	}
}

// Processes, interfaces, address and clock are looked at.
func TestStatusLooksAtTheHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	key := filepath.Join(t.TempDir(), "key")
	k1, err := report.WriteKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := "[report]\nkey_file = \"" + key + "\"\n[[report.network]]\ninterface = \"eth0\"\ngroup = \"239.1.1.1\"\n" +
		"[[report.network]]\ninterface = \"eth1\"\ngroup = \"239.1.1.1\"\n[[report.network]]\nunicast = \"192.0.2.9\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*HostFacts){
		"": func(*HostFacts) {},
		"dpr-broadcast does not run: the other hosts forget this one": func(f *HostFacts) { f.Processes = []string{"dpr-cleanup", "dpr-broadcaster"} },
		"dpr-cleanup does not run: ":                                  func(f *HostFacts) { f.Processes = f.Processes[:2] },
		"interface eth1, which reports leave by: no carrier":          func(f *HostFacts) { f.Links["eth1"] = "no carrier" },
		"interface eth0, which reports leave by: there is no such":    func(f *HostFacts) { f.Links["eth0"] = "there is no such interface" },
		"no interface has this host's address 192.0.2.1":              func(f *HostFacts) { f.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.7")} },
	} {
		k := healthy()
		k.host = wellHost()
		change(&k.host)
		r := dprctl(t, k, "status --check --config "+path)
		if (r.status == ExitOK) != (want == "") || !strings.Contains(r.out, want) || !slices.Equal(k.interfaces, []string{"eth0", "eth1"}) {
			t.Errorf("%q: %+v, %q", want, r, k.interfaces)
		}
	}
	k := healthy()
	k.host = wellHost()
	k.host.Synced = false
	r := dprctl(t, k, "status --check --config "+path)
	for _, want := range []string{"reports   by eth0 up, eth1 up\n", "key       " + report.FormatID(k1.ID()) + "\n", "clock     not synchronised\n", "healthy   yes\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	var v statusView
	if err := json.Unmarshal([]byte(dprctl(t, k, "status --json --config "+path).out), &v); err != nil || v.Format != 1 || v.Host == nil || v.Host.Synced || len(v.Host.Keys) != 1 || v.Host.Links["eth1"] != LinkUp {
		t.Errorf("%+v, %v", v, err)
	}
}

// With a file that is wrong nobody knows what should be there: that is a problem, and all
// processes are looked for.
func TestStatusWithAWrongFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dpr.toml")
	if r := dprctl(t, healthy(), "status --check --config "+path); r.status != ExitOK {
		t.Errorf("without a file: %+v", r)
	}
	for name, text := range map[string]string{
		"syntax": "policy\n", "value": "weight = 0\nmax_flows = 0\n",
		"key": "[report]\nkey_file = \"" + filepath.Join(dir, "none") + "\"\n[[report.network]]\nunicast = \"192.0.2.9\"\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, processes := range [][]string{{"dpr-broadcast", "dpr-cleanup", "dpr-receive"}, {"dpr-broadcast"}} {
			k := healthy()
			k.host = HostFacts{Processes: processes}
			r := dprctl(t, k, "status --check --config "+path)
			if r.status != ExitUnhealthy || strings.Count(r.out, "the configuration is wrong, and no process starts with it: "+path+": ") != 1 {
				t.Errorf("%s: %+v", name, r)
			}
			if n, want := strings.Count(r.out, "does not run: "), 3-len(processes); n != want {
				t.Errorf("%s: %d processes are missing, want %d: %s", name, n, want, r.out)
			}
		}
	}
}

// Only a user's own processes count, and who began them: anybody can name his own as he likes.
func TestProcesses(t *testing.T) {
	proc := t.TempDir()
	for pid, p := range map[string]struct{ comm, ids string }{
		"1": {"init\n", "0\t0\t0\t0"}, "20": {"dpr-broadcast\n", "0\t0\t0\t0"},
		"300": {"dpr-cleanup\n", "1000\t0\t0\t0"}, "301": {"dpr-receive\n", "1000\t1000\t1000\t1000"}, "302": {"dpr-exporter\n", ""},
	} {
		if err := os.Mkdir(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"comm": p.comm, "status": "Name:\t" + p.comm + "Uid:\t" + p.ids + "\nGid:\t0\t0\t0\t0\n"} {
			if err := os.WriteFile(filepath.Join(proc, pid, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for uid, want := range map[int][]string{0: {"init", "dpr-broadcast"}, 1000: {"dpr-cleanup", "dpr-receive"}, 7: nil} {
		got := processes(proc, uid)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("of user %d: %q, want %q", uid, got, want)
		}
	}
}

// What this machine has is found.
func TestLookAtHost(t *testing.T) {
	f := LookAtHost([]string{"lo", "none0"})
	self, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if f.Links["none0"] != "there is no such interface" || f.Links["lo"] == f.Links["none0"] || !slices.Contains(f.Addresses, netip.MustParseAddr("127.0.0.1")) ||
		slices.Contains(f.Processes, strings.TrimSpace(string(self))) != (os.Getuid() == 0) {
		t.Errorf("%+v, this is %s", f, self)
	}
	dir := t.TempDir()
	for name, carrier := range map[string]string{"eth0": "1\n", "eth1": "0\n"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "carrier"), []byte(carrier), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "eth2", "carrier"), 0o755); err != nil { // cannot be read, as that of one that is down
		t.Fatal(err)
	}
	for name, want := range map[string]string{"eth0": LinkUp, "eth1": "no carrier", "eth2": "down", "eth3": "there is no such interface"} {
		if got := linkState(dir, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func silentPeersOf(n int) func(*kernel) {
	return func(k *kernel) {
		for i := range n {
			k.peers = append(k.peers, dprnl.Peer{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Reported: true, Age: time.Minute})
		}
	}
}

func TestStatusNearlyFull(t *testing.T) {
	c := dprnl.Config{MaxFlows: 1000}
	for flows, want := range map[uint64]bool{899: false, 900: true, 1000: true} {
		list := strings.Join(problems(c, statusView{Configured: true, Services: 1, Flows: flows}, nil), "\n")
		if strings.Contains(list, "nearly full") != want {
			t.Errorf("%d flows: %s", flows, list)
		}
	}
}

func TestStatusWithoutModuleOrRight(t *testing.T) {
	run := func(line string, dial error) result {
		var out, errs bytes.Buffer
		status := Run(t.Context(), append([]string{"dprctl"}, strings.Fields(line)...), Environment{
			Out: &out, Err: &errs, Now: time.Now,
			Dial:   func() (Kernel, error) { return nil, dial },
			Events: func() (EventSource, error) { return nil, dial },
		})
		return result{status: status, out: out.String(), err: errs.String()}
	}
	r := run("status --json", dprnl.ErrNotLoaded)
	var v statusView
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v.Module || v.Healthy || len(v.Problems) != 1 || r.status != ExitNoModule {
		t.Errorf("%+v, %v", r, err)
	}
	if r := run("status", dprnl.ErrNotLoaded); !strings.Contains(r.out, "not loaded") || !strings.Contains(r.err, "not loaded") {
		t.Errorf("%+v", r)
	}
	for _, line := range []string{"peers", "events", "service add 80", "flows", "drain", "stats --json"} {
		if r := run(line, dprnl.ErrNotLoaded); r.status != ExitNoModule || r.out != "" || !strings.Contains(r.err, "not loaded") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	k := healthy()
	k.readErr = &dprnl.Error{Op: "reading", Errno: syscall.EPERM, Message: dprnl.ErrNoRight.Error()}
	for _, line := range []string{"status", "peers", "load", "config", "stats", "service list", "status --json"} {
		if r := dprctl(t, k, line); r.status != ExitNoRight || r.out != "" || !strings.Contains(r.err, "CAP_NET_ADMIN") {
			t.Errorf("%s: %+v", line, r)
		}
	}
	if !errors.Is(k.readErr, dprnl.ErrNoRight) {
		t.Error("the fake does not say what the kernel says")
	}
}

// Without the module "status --check" says that, not that the host is unhealthy.
func TestStatusCheckWithoutModule(t *testing.T) {
	f := &faulty{kernel: healthy(), fails: map[string]error{"dial": dprnl.ErrNotLoaded}}
	env, _, errs := world(f)
	if status := Run(t.Context(), []string{"dprctl", "status", "--check"}, env); status != ExitNoModule {
		t.Errorf("status %d, %s", status, errs)
	}
}

// A mistake is reported once, after the command's words.
func TestMistakesBegin(t *testing.T) {
	for line, want := range map[string]string{"policy x": "dprctl: policy: ", "x": "dprctl: unknown command"} {
		if r := dprctl(t, healthy(), line); !strings.HasPrefix(r.err, want) {
			t.Errorf("%s: %q", line, r.err)
		}
	}
}

// status says where the fast path is on, where it is not, and why; that is no illness, and
// neither is that dpr-fastpath does not run.
func TestStatusFastPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	text := "address = \"192.0.2.1\"\nruntime_directory = \"/run/elsewhere\"\n"
	on := "fast_path = \"xdp-forced\"\nfast_path_devices = [ \"eth0\", \"eth1\" ]\n"
	end := "[report]\nauthentication = \"none\"\n"
	network := "[[report.network]]\nunicast = \"192.0.2.2:7743\"\n"
	three := []fastpath.State{{Device: "eth0", Attached: true}, {Device: "eth1", Attached: true, Forced: true}, {Device: "eth2", Reason: "its driver cannot"}}
	off := func(why string) []fastpath.State {
		return []fastpath.State{{Device: "eth0", Forced: true, Reason: why}, {Device: "eth1", Forced: true, Reason: why}}
	}
	for name, tt := range map[string]struct {
		file   string
		states []fastpath.State
		err    error
		want   string // of the text; empty: nothing
		json   []fastpath.State
	}{
		"off":                      {text + end + network, nil, fs.ErrNotExist, "", nil},
		"it runs and has none":     {text + end + network, nil, nil, "", nil},
		"on":                       {text + on + end + network, three, nil, "fast path eth0 on eth1 on, forced eth2 off: its driver cannot healthy yes", three},
		"without networks":         {text + on + end, three, nil, "fast path eth0 on eth1 on, forced eth2 off: its driver cannot healthy yes", three},
		"on, as it was before":     {text + end + network, three, nil, "fast path eth0 on eth1 on, forced eth2 off: its driver cannot healthy yes", three},
		"it does not run":          {text + on + end + network, nil, fs.ErrNotExist, "fast path eth0 off: " + fastpath.NotRunning + " eth1 off: " + fastpath.NotRunning + " healthy yes", off(fastpath.NotRunning)},
		"it was killed":            {text + on + end + network, nil, syscall.ECONNREFUSED, "fast path eth0 off: " + fastpath.NotRunning + " eth1 off: " + fastpath.NotRunning + " healthy yes", off(fastpath.NotRunning)},
		"it was not reloaded":      {text + on + end + network, []fastpath.State{}, nil, "fast path eth0 off: " + fastpath.NotAsked + " eth1 off: " + fastpath.NotAsked + " healthy yes", off(fastpath.NotAsked)},
		"this user may not ask it": {text + on + end + network, nil, syscall.EACCES, "", nil},
	} {
		if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		k := healthy()
		k.host, k.fastPath.Devices, k.fastErr = wellHost(), tt.states, tt.err
		r := dprctl(t, k, "status --check --config "+path)
		flat := strings.Join(strings.Fields(r.out), " ")
		if r.status != ExitOK || !strings.Contains(flat, tt.want) || strings.Contains(flat, "fast path") != (tt.want != "") {
			t.Errorf("%s: %+v\nwant %s", name, r, tt.want)
		}
		if k.fastAt != "/run/elsewhere-fastpath/socket" {
			t.Errorf("%s: asked at %s", name, k.fastAt)
		}
		r = dprctl(t, k, "status --json --config "+path)
		var v struct {
			FastPath []fastpath.State `json:"fast_path"`
		}
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || !slices.Equal(v.FastPath, tt.json) || strings.Contains(r.out, "fast_path") != (tt.json != nil) {
			t.Errorf("%s: %v, %s", name, err, r.out)
		}
	}
}
