// SPDX-License-Identifier: MIT

package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
)

// faulty fails at operations by their names, and counts how often it was closed.
type faulty struct {
	*kernel
	fails  map[string]error
	closed int
}

func (f *faulty) Config(ctx context.Context) (dprnl.Config, error) {
	c, _ := f.kernel.Config(ctx)
	return c, f.fails["Config"]
}

func (f *faulty) SetConfig(ctx context.Context, u dprnl.ConfigUpdate) error {
	return errors.Join(f.fails["SetConfig"], f.kernel.SetConfig(ctx, u))
}

func (f *faulty) Services(ctx context.Context) ([]dprnl.Service, error) {
	s, _ := f.kernel.Services(ctx)
	return s, f.fails["Services"]
}

func (f *faulty) ServiceStates(ctx context.Context) ([]dprnl.ServiceStatus, error) {
	s, _ := f.kernel.ServiceStates(ctx)
	return s, f.fails["ServiceStates"]
}

func (f *faulty) AddService(ctx context.Context, s dprnl.Service) error {
	return errors.Join(f.fails["AddService"], f.kernel.AddService(ctx, s))
}

func (f *faulty) SetService(ctx context.Context, s dprnl.Service) error {
	return errors.Join(f.fails["SetService"], f.kernel.SetService(ctx, s))
}

func (f *faulty) DeleteService(ctx context.Context, s dprnl.Service) error {
	return errors.Join(f.fails["DeleteService"], f.kernel.DeleteService(ctx, s))
}

func (f *faulty) Ruleset(ctx context.Context, s dprnl.Service) (dprnl.Ruleset, error) {
	r, _ := f.kernel.Ruleset(ctx, s)
	return r, f.fails["Ruleset"]
}

func (f *faulty) Backends(ctx context.Context) ([]dprnl.BackendStatus, error) {
	l, _ := f.kernel.Backends(ctx)
	return l, f.fails["Backends"]
}

func (f *faulty) SetBackend(ctx context.Context, b dprnl.Backend) error {
	return errors.Join(f.fails["SetBackend"], f.kernel.SetBackend(ctx, b))
}

func (f *faulty) SetBackendDown(ctx context.Context, name string, down bool) error {
	return errors.Join(f.fails["SetBackendDown"], f.kernel.SetBackendDown(ctx, name, down))
}

func (f *faulty) DeleteBackend(ctx context.Context, name string) error {
	return errors.Join(f.fails["DeleteBackend"], f.kernel.DeleteBackend(ctx, name))
}

func (f *faulty) SetRuleset(ctx context.Context, s dprnl.Service, r dprnl.Ruleset) error {
	return errors.Join(f.fails["SetRuleset"], f.kernel.SetRuleset(ctx, s, r))
}

func (f *faulty) TestRuleset(ctx context.Context, s dprnl.Service, data []byte, final bool, client netip.AddrPort) (dprnl.RulesResult, error) {
	r, _ := f.kernel.TestRuleset(ctx, s, data, final, client)
	return r, f.fails["TestRuleset"]
}

func (f *faulty) SetPeer(ctx context.Context, u dprnl.PeerUpdate) error {
	return errors.Join(f.fails["SetPeer"], f.kernel.SetPeer(ctx, u))
}

func (f *faulty) DeletePeer(ctx context.Context, a netip.Addr, dead bool) error {
	return errors.Join(f.fails["DeletePeer"], f.kernel.DeletePeer(ctx, a, dead))
}

func (f *faulty) Peers(ctx context.Context) ([]dprnl.Peer, error) {
	p, _ := f.kernel.Peers(ctx)
	return p, f.fails["Peers"]
}

func (f *faulty) Flows(ctx context.Context, filter dprnl.FlowFilter) iter.Seq2[dprnl.Flow, error] {
	f.kernel.readErr = f.fails["Flows"]
	return f.kernel.Flows(ctx, filter)
}

func (f *faulty) DeleteFlow(ctx context.Context, k dprnl.FlowKey) error {
	return errors.Join(f.fails["DeleteFlow"], f.kernel.DeleteFlow(ctx, k))
}

func (f *faulty) Expire(ctx context.Context, budget uint32) (dprnl.Expiry, error) {
	x, _ := f.kernel.Expire(ctx, budget)
	return x, f.fails["Expire"]
}

func (f *faulty) Load(ctx context.Context) (dprnl.Load, error) {
	l, _ := f.kernel.Load(ctx)
	return l, f.fails["Load"]
}

func (f *faulty) Stats(ctx context.Context) (dprnl.Stats, error) {
	s, _ := f.kernel.Stats(ctx)
	return s, f.fails["Stats"]
}

func (f *faulty) Close() error { f.closed++; return nil }

// brokenWriter takes some writes.
type brokenWriter int

func (w *brokenWriter) Write(p []byte) (int, error) {
	if *w--; *w < 0 {
		return 0, errors.New("nobody reads")
	}
	return len(p), nil
}

// world is an environment with a kernel that may fail.
func world(f *faulty) (Environment, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	return Environment{
		Out: &out, Err: &errs, Poll: time.Millisecond,
		Dial: func() (Kernel, error) {
			if err := f.fails["dial"]; err != nil {
				return nil, err
			}
			return f, nil
		},
		Events: func() (EventSource, error) { return events(testEvents), f.fails["events"] },
		Now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC) },
		Module: func() string { return "" },
		Connections: func(context.Context, []uint16) (int, error) {
			return f.kernel.connections(), f.fails["connections"]
		},
		Reports: func(context.Context, string) (receive.Status, error) { return f.kernel.reports, f.fails["reports"] },
		FastPath: func(context.Context, string) (fastpath.Status, error) {
			return f.kernel.fastPath, f.kernel.fastErr
		},
	}, &out, &errs
}

// configuration is a file for what takes one.
func configuration(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dpr.toml")
	text := "address = \"192.0.2.1\"\n[[service]]\nport = 81\n[[service]]\nport = 443\naddress = \"192.0.2.1\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// uses are the operations that each command needs.
func uses(file string) map[string][]string {
	return map[string][]string{
		"status":                          {"dial", "Config", "ServiceStates", "Load", "Peers", "Stats", "Backends"},
		"status --json":                   {"dial", "Config", "ServiceStates", "Load", "Peers", "Stats", "Backends"},
		"service list":                    {"dial", "ServiceStates"},
		"service add 80":                  {"dial", "AddService"},
		"service set 80 --policy off":     {"dial", "Services", "SetService"},
		"service del 80":                  {"dial", "DeleteService"},
		"policy":                          {"dial", "Config"},
		"policy set off":                  {"dial", "SetConfig"},
		"config show":                     {"dial", "Config"},
		"config set --weight 2":           {"dial", "SetConfig"},
		"peers":                           {"dial", "Peers"},
		"peers add 192.0.2.9":             {"dial", "SetPeer"},
		"peers del 192.0.2.9":             {"dial", "DeletePeer"},
		"flows":                           {"dial", "Flows"},
		"flows --json":                    {"dial", "Flows"},
		"flows del 10.0.0.1:1 10.0.0.2:2": {"dial", "DeleteFlow"},
		"load":                            {"dial", "Load"},
		"stats":                           {"dial", "Stats"},
		"expire":                          {"dial", "Expire"},
		"apply --config " + file:          {"dial", "Config", "Services", "SetConfig", "AddService", "DeleteService"},
		"top --once --interval 1ms":       {"dial", "Config", "Load", "Peers", "Stats"},
		"reports --config " + file:        {"reports"},
		"events":                          {"events"},
		"drain":                           {"dial", "SetConfig"},
		"drain --wait":                    {"dial", "SetConfig", "Config", "Services", "Stats", "connections"},
		"undrain":                         {"dial", "SetConfig"},
		"zone www.example.org":            {"dial", "Config", "Peers"},
		"zone www.example.org --output " + file + ".zone": {"dial", "Config", "Peers"},
	}
}

// Commands × operations: whatever fails, the command fails and says so, and its
// connection is closed.
func TestEveryOperationFails(t *testing.T) {
	for line, operations := range uses(configuration(t)) {
		for _, operation := range append(operations, "") {
			f := &faulty{kernel: healthy(), fails: map[string]error{}}
			f.kernel.config.ReportMaxAge = 0
			want := ExitOK
			if operation != "" {
				f.fails[operation], want = errors.New(operation+" is broken"), ExitFailure
			}
			env, _, errs := world(f)
			status := Run(t.Context(), append([]string{"dprctl"}, strings.Fields(line)...), env)
			if status != want || operation != "" && !strings.Contains(errs.String(), operation+" is broken") {
				t.Errorf("%s, %s fails: status %d, %s", line, operation, status, errs)
			}
			if strings.Contains(errs.String(), "Try 'dprctl --help'") {
				t.Errorf("%s: %s", line, errs)
			}
			dials := 0
			if operations[0] == "dial" && operation != "dial" {
				dials = 1
			}
			if f.closed != dials {
				t.Errorf("%s, %s fails: closed %d times", line, operation, f.closed)
			}
		}
	}
}

// What nobody reads is an error of every command that prints.
func TestOutputFails(t *testing.T) {
	file := configuration(t)
	for line := range uses(file) {
		for n := range 2 {
			f := &faulty{kernel: healthy(), fails: map[string]error{}}
			f.kernel.config.ReportMaxAge = 0
			env, out, _ := world(f)
			if Run(t.Context(), append([]string{"dprctl"}, strings.Fields(line)...), env); out.Len() == 0 || n == 1 {
				continue
			}
			env, _, errs := world(f)
			w := brokenWriter(n)
			env.Out = &w
			os.Remove(file + ".zone")
			status := Run(t.Context(), append([]string{"dprctl"}, strings.Fields(line)...), env)
			if status != ExitFailure || !strings.Contains(errs.String(), "nobody reads") || !strings.Contains(errs.String(), "writing") {
				t.Errorf("%s: status %d, %s", line, status, errs)
			}
		}
	}
	for _, line := range []string{"policy --json", "drain --wait --json", "check " + file, "check --json " + file, "completion bash", "complete-words pol", "top --once --json --interval 1ms", "zone --json a.example", "events --json"} {
		f := &faulty{kernel: healthy(), fails: map[string]error{}}
		f.kernel.config.ReportMaxAge = 0
		env, _, errs := world(f)
		w := brokenWriter(0)
		env.Out = &w
		if status := Run(t.Context(), append([]string{"dprctl"}, strings.Fields(line)...), env); status != ExitFailure || !strings.Contains(errs.String(), "nobody reads") {
			t.Errorf("%s: status %d, %s", line, status, errs)
		}
	}
}

// Without dpr-receive the reason is said; other trouble with it is said as it is.
func TestReportsFail(t *testing.T) {
	for _, tt := range []struct {
		err    error
		absent bool
	}{{fs.ErrNotExist, true}, {syscall.ECONNREFUSED, true}, {syscall.EPERM, false}} {
		f := &faulty{kernel: healthy(), fails: map[string]error{"reports": tt.err}}
		env, _, errs := world(f)
		status := Run(t.Context(), []string{"dprctl", "reports", "--config", configuration(t)}, env)
		if status != ExitFailure || strings.Contains(errs.String(), "dpr-receive is not running") != tt.absent {
			t.Errorf("%v: status %d, %s", tt.err, status, errs)
		}
	}
}

// The exit status says what kind of failure it was.
func TestExitStatuses(t *testing.T) {
	usage := usagef("x: %w", fs.ErrInvalid)
	if !errors.Is(usage, fs.ErrInvalid) || usage.Error() != "x: invalid argument" {
		t.Errorf("%v", usage)
	}
	for err, want := range map[error]int{
		nil: ExitOK, usage: ExitUsage, dprnl.ErrNotLoaded: ExitNoModule, error(&dprnl.Error{Op: "x", Errno: syscall.EPERM}): ExitNoRight,
		errUnhealthy: ExitUnhealthy, fmt.Errorf("y: %w", errTimeout): ExitTimeout, fs.ErrExist: ExitFailure,
	} {
		if got := exitStatus(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
	env, _, errs := world(&faulty{kernel: healthy(), fails: map[string]error{}})
	if status := Run(t.Context(), []string{"dprctl", "status", "x"}, env); status != ExitUsage || !strings.Contains(errs.String(), "\nTry 'dprctl --help' or 'dprctl COMMAND --help'.\n") {
		t.Errorf("status %d, %s", status, errs)
	}
}

// Draining waits for each of what is left, with nothing else that would make it wait.
func TestDrainWaitsForEach(t *testing.T) {
	for _, tt := range []struct {
		served int
		flows  uint64
	}{{1, 0}, {0, 1}} {
		k := healthy()
		k.config.ReportMaxAge = 0
		steps := 0
		k.tick = func(k *kernel) {
			if steps++; steps <= 3 {
				k.served, k.stats = tt.served, flows(tt.flows, 0)
				return
			}
			k.served, k.stats = 0, flows(0, 0)
		}
		if r := dprctl(t, k, "drain --wait"); r.status != ExitOK || steps != 4 {
			t.Errorf("%+v after %d looks", r, steps)
		}
	}
	// A kernel that refuses is not waited for.
	f := &faulty{kernel: healthy(), fails: map[string]error{"SetConfig": fs.ErrPermission}}
	f.kernel.served = 1
	env, out, _ := world(f)
	if status := Run(t.Context(), []string{"dprctl", "drain", "--wait", "--timeout", "1s"}, env); status != ExitFailure || out.Len() > 0 {
		t.Errorf("status %d, %s", status, out)
	}
}

// Values of flags are what was given, and nothing before.
func TestFlagValues(t *testing.T) {
	number := &numberValue[uint32]{min: 2, max: 12}
	word := &wordValue[dprnl.Policy, *dprnl.Policy]{}
	duration := &durationValue{max: time.Second}
	for _, tt := range []struct {
		v         cli.Generic
		good, bad []string
	}{
		{number, []string{"2", "12"}, []string{"1", "13", "x", "-2", "2.5", "99999999999999999999"}},
		{word, []string{"two", "off"}, []string{"x", ""}},
		{&maxLoadValue{}, []string{"7", "auto", "0"}, []string{"x", "-1"}},
		{duration, []string{"1ms", "1s"}, []string{"0s", "1001ms", "x", "1500us", "-1s"}},
		{&addrValue{}, []string{"192.0.2.1", "2001:db8::1"}, []string{"x", "fe80::1%lo", ""}},
		{&choiceValue{words: []string{"a", "b"}}, []string{"b", "a"}, []string{"c", ""}},
	} {
		if got := tt.v.String(); got != "" {
			t.Errorf("%T is %q", tt.v, got)
		}
		for _, s := range tt.bad {
			if err := tt.v.Set(s); err == nil || tt.v.String() != "" {
				t.Errorf("%T takes %q: %v", tt.v, s, err)
			}
		}
		for _, s := range tt.good {
			if err := tt.v.Set(s); err != nil || tt.v.String() != s {
				t.Errorf("%T: %q is %q, %v", tt.v, s, tt.v.String(), err)
			}
		}
	}
	var none []cli.Generic = []cli.Generic{(*numberValue[uint32])(nil), (*wordValue[dprnl.Policy, *dprnl.Policy])(nil), (*maxLoadValue)(nil), (*durationValue)(nil), (*choiceValue)(nil)}
	for _, v := range none {
		if v.String() != "" {
			t.Errorf("%T of nothing is %q", v, v.String())
		}
	}
	if *number.pointer() != 12 || *word.pointer() != dprnl.PolicyOff || *duration.pointer() != time.Second {
		t.Error("values are of others")
	}
	for s, ok := range map[string]bool{"192.0.2.1:80": true, "192.0.2.1:0": false, "[2001:db8::1]:80": true, "[2001:db8::1]:0": false, "[fe80::1%lo]:80": false, "2001:db8::1": false, "x": false, "192.0.2.1": false} {
		if _, err := parseAddrPort("A", s); (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
	}
	for s, ok := range map[string]bool{"192.0.2.1": true, "2001:db8::1": true, "fe80::1%lo": false, "x": false} {
		if _, err := parseAddr("A", s); (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
	}
	for s, want := range map[string]maxLoadView{`"auto"`: maxLoadView(dprnl.MaxLoadAuto), "7": 7} {
		var v maxLoadView
		if err := v.UnmarshalJSON([]byte(s)); err != nil || v != want {
			t.Errorf("%s: %d, %v", s, v, err)
		}
	}
	if err := new(maxLoadView).UnmarshalJSON([]byte("x")); err == nil {
		t.Error("x is a MaxLoad")
	}
	if s := viewService(dprnl.Service{Port: 5}); s.Address != netip.IPv4Unspecified() || s.Port != 5 {
		t.Errorf("%+v", s)
	}
	if configured(dprnl.Config{}) || configured(dprnl.Config{Address: netip.IPv4Unspecified()}) || !configured(healthy().config) {
		t.Error("what is configured")
	}
}

// Flags may stand anywhere, and what follows -- is none.
func TestIntersperse(t *testing.T) {
	env, _, _ := world(&faulty{kernel: healthy(), fails: map[string]error{}})
	app := newApp(env)
	for line, want := range map[string]string{
		"":                                   "",
		"dprctl":                             "dprctl",
		"dprctl - status":                    "dprctl -- - status",
		"dprctl -- status":                   "dprctl -- -- status",
		"dprctl service add 80 --address x":  "dprctl service add --address x 80",
		"dprctl service add --address=x 80":  "dprctl service add --address=x 80",
		"dprctl service add 80 --address":    "dprctl service add --address 80",
		"dprctl service add 80 -":            "dprctl service add 80 -",
		"dprctl service add -- -1":           "dprctl service add -- -1",
		"dprctl service add 80 -- -1 --json": "dprctl service add 80 -1 --json",
		"dprctl service list x --json y":     "dprctl service list --json x y",
		"dprctl " + completeWords + " a --b": "dprctl " + completeWords + " a --b",
		"dprctl --version status":            "dprctl --version status",
	} {
		got := strings.Join(intersperse(app, strings.Fields(line)), " ")
		if line == "dprctl -- status" {
			continue // either way it is no command
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
