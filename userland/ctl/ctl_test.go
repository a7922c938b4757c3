// SPDX-License-Identifier: MIT

package ctl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// Wrong arguments are named, exit with status 2, and reach no kernel.
func TestWrongArguments(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       "missing command",
		"frob":                                   `unknown command "frob"`,
		"--frob":                                 "-frob",
		"status x":                               `status: unexpected argument "x"`,
		"status --frob":                          "-frob",
		"service":                                "service: missing command",
		"statsu":                                 `unknown command "statsu"; do you mean status?`,
		"help frob":                              `unknown command "frob"`,
		"version x":                              `unknown command "version"`,
		"service lst":                            `service: unknown command "lst"; do you mean list?`,
		"flows --adress 192.0.2.1":               "flows: unknown flag --adress; do you mean --address?\n",
		"flows -adress 192.0.2.1":                "flows: unknown flag --adress; do you mean --address?\n",
		"flows --frob":                           "flows: unknown flag --frob\n",
		"--versio":                               "unknown flag --versio; do you mean --version?\n",
		"--json":                                 "unknown flag --json\n",
		"--json drain x":                         `drain: unexpected argument "x"`,
		"status --cluster --check":               "status: --check is for this host: leave out --cluster",
		"key":                                    "key: missing command",
		"key id a b":                             `key id: unexpected argument "b"`,
		"key new a b":                            `key new: unexpected argument "b"`,
		"config diff x":                          `config diff: unexpected argument "x"`,
		"config diff --config /nonexistent":      "/nonexistent: cannot read the file",
		"apply --dry-run x":                      `apply: unexpected argument "x"`,
		"service frob":                           `service: unknown command "frob"`,
		"service add":                            "service add: missing argument PORT",
		"service add x":                          `PORT "x" is not a port`,
		"service add 0":                          `PORT "0" is not a port`,
		"service add 65536":                      `PORT "65536" is not a port`,
		"service add -1":                         "-1",
		"service add 80 81":                      `service add: unexpected argument "81"`,
		"service add 80 --address x":             `"x" is not an IPv4 or IPv6 address`,
		"service add 80 --address fe80::1%lo":    `"fe80::1%lo" is an address with a zone`,
		"service add 80 --address":               "address",
		"service del":                            "missing argument PORT",
		"service del 80 --port 80":               "-port",
		"service add 80 --policy best":           `"best" is not a policy`,
		"service add 80 --hash x":                `"x" is not a hash`,
		"service set":                            "service set: missing argument PORT",
		"service set 80 --load both":             `"both" is not a load; want one of host, service`,
		"service set 80 --forwarding tunnel":     `"tunnel" is not a forwarding; want one of ipip, auto, direct`,
		"service set 80 --affinity 33":           `"33" is not a number from 0 to 32`,
		"service set 80 --max-load -1":           `"-1" is neither auto nor a whole number`,
		"service list x":                         `service list: unexpected argument "x"`,
		"policy x":                               `policy: unknown command "x"`,
		"policy set":                             "policy set: missing argument NAME",
		"policy set best":                        `NAME "best" is not a policy; want one of off, stateless, lowest, inverse`,
		"policy set lowest inverse":              `unexpected argument "inverse"`,
		"policy set lowest --max-load x":         `"x" is neither auto nor a whole number`,
		"policy set lowest --max-load -1":        `"-1" is neither auto nor a whole number`,
		"policy set lowest --hash x":             `"x" is not a hash; want one of address-port, port`,
		"policy set lowest --estimate x":         `"x" is not an estimate; want one of corrected, reported`,
		"policy set lowest --marker x":           `"x" is not a marker; want one of fragbit, source`,
		"config x":                               `config: unknown command "x"`,
		"config show x":                          `unexpected argument "x"`,
		"config set":                             "nothing to change",
		"config set x --weight 1":                `unexpected argument "x"`,
		"config set --weight 0":                  `"0" is not a whole number from 1 to 65535`,
		"config set --weight-cpu 65536":          `"65536" is not a whole number from 0 to 65535`,
		"config set --max-flows 0":               `"0" is not a whole number from 1 to 16777216`,
		"config set --state gone":                `"gone" is not a state; want one of active, draining, leaving`,
		"config set --forwarding default":        `"default" is not a forwarding; want one of ipip, auto, direct`,
		"config set --answers back":              `"back" is not a way of answers; want one of direct, through`,
		"config set --policy best":               `"best" is not a policy`,
		"config set --address 1.2.3":             `"1.2.3" is not an IPv4 or IPv6 address`,
		"config set --timeout-syn 5":             `"5" is not a duration`,
		"config set --timeout-syn 0s":            `"0s" is not a duration`,
		"config set --timeout-fin 200h":          `"200h" is not a duration from 1ms to 168h0m0s`,
		"config set --timeout-rst 1500us":        `"1500us" is not a duration`,
		"config set --report-max-age -1s":        `"-1s" is not a duration`,
		"peers x":                                `peers: unknown command "x"`,
		"peers add":                              "missing argument ADDRESS",
		"peers add x":                            `ADDRESS "x" is not an IPv4 or IPv6 address`,
		"peers add 1.2.3.4 5":                    `unexpected argument "5"`,
		"peers add 1.2.3.4 --weight 0":           `"0" is not a whole number`,
		"peers del":                              "missing argument ADDRESS",
		"peers del ::g":                          `ADDRESS "::g" is not an IPv4 or IPv6 address`,
		"flows x":                                `flows: unknown command "x"`,
		"flows --client x":                       `"x" is not an IPv4 or IPv6 address`,
		"flows --port 0":                         `"0" is not a whole number from 1 to 65535`,
		"flows --port 65536":                     `"65536" is not a whole number from 1 to 65535`,
		"flows --client-port 0":                  `"0" is not a whole number from 1 to 65535`,
		"flows --client-port 65536":              `"65536" is not a whole number from 1 to 65535`,
		"flows --state dead":                     `"dead" is not a flow state; want one of syn, established, fin, rst, ended`,
		"flows del 1.2.3.4:1":                    "missing argument ADDRESS:PORT",
		"flows del 1.2.3.4 1.2.3.4:1":            `CLIENT:PORT "1.2.3.4" is not an address with a port`,
		"flows del 1.2.3.4:1 1.2.3.4:0":          `ADDRESS:PORT "1.2.3.4:0" is not`,
		"load x":                                 `load: unexpected argument "x"`,
		"stats x":                                `stats: unexpected argument "x"`,
		"events x":                               `events: unexpected argument "x"`,
		"drain x":                                `drain: unexpected argument "x"`,
		"undrain x":                              `undrain: unexpected argument "x"`,
		"leave x":                                `leave: unexpected argument "x"`,
		"drain --timeout 1s":                     "drain: --timeout needs --wait",
		"drain --json":                           "drain: --json needs --wait",
		"leave --wait --timeout soon":            `"soon" is not a duration`,
		"top x":                                  `top: unexpected argument "x"`,
		"top --interval 0s":                      `"0s" is not a duration`,
		"reports x":                              `reports: unexpected argument "x"`,
		"reports --config /nonexistent":          "/nonexistent: cannot read the file",
		"completion":                             "completion: missing argument SHELL",
		"completion tcsh":                        `SHELL "tcsh" is not one of bash, zsh, fish`,
		"zone":                                   "zone: missing argument NAME",
		"zone a..b":                              `zone: NAME "a..b" is not a DNS name`,
		"zone example.org x":                     `zone: unexpected argument "x"`,
		"zone example.org --ttl 1500ms":          "--ttl 1.5s is not a whole number of seconds",
		"zone example.org --ttl 5":               `"5" is not a duration`,
		"zone example.org --host a.example.com.": `--host "a.example.com." is not in the zone example.org.`,
		"zone example.org --host a;b":            `--host "a;b" is not a DNS name`,
		"zone example.org --ns ns1":              `--ns "ns1": a server inside the zone needs an address`,
		"zone example.org --ns ns1.a.=192.0.2.1": "one outside must not have one",
		"zone example.org --ns ns1=::x":          `--ns "::x" is not an IPv4 or IPv6 address`,
		"flows del 2001:db8::1:80 [::1]:80":      `CLIENT:PORT "2001:db8::1:80" is not an address with a port, such as 192.0.2.1:80 or [2001:db8::1]:80`,
		"zone example.org --hostmaster a@b":      `--hostmaster "a@b" is not a DNS name`,
		"zone example.org --order random":        `"random" is not one of address, rotate`,
		"zone example.org --every 1s":            "--reload-command and --every need --output",
		"zone example.org --reload-command true": "--reload-command and --every need --output",
		"expire --budget 0":                      `"0" is not a whole number from 1 to 65536`,
		"apply x":                                `apply: unexpected argument "x"`,
		"apply --config /nonexistent":            "/nonexistent: cannot read the file",
		"check a b":                              `check: unexpected argument "b"`,
		"check a --config b":                     `conflicting files: --config and the argument "a"`,
		"check --name x.example b":               `check: --name is for this host: leave out the argument "b"`,
		"check /nonexistent":                     "/nonexistent: cannot read the file",
		"check --config /nonexistent --json":     "/nonexistent: cannot read the file",
		"service add --address 1.2.3.4 -- -80x":  `PORT "-80x" is not a port`,
	} {
		t.Run(line, func(t *testing.T) {
			k := healthy()
			r := dprctl(t, k, line)
			if r.status != ExitUsage || !strings.Contains(r.err, want) {
				t.Errorf("status %d, stderr %q", r.status, r.err)
			}
			if r.dialled || len(k.log) > 0 {
				t.Errorf("the kernel was asked: %v", k.log)
			}
			if r.out != "" && !strings.Contains(line, "--json") {
				t.Errorf("stdout %q", r.out)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	for line, want := range map[string]string{
		"service add 80":                                  "service add 80",
		"service add 80 --address 192.0.2.1":              "service add 192.0.2.1:80",
		"service add --address=192.0.2.1 80":              "service add 192.0.2.1:80",
		"service del 80 --address 192.0.2.1":              "service del 192.0.2.1:80",
		"service del 443":                                 "service del 443",
		"service set 80 --policy two":                     "service set 80",
		"service set 5 --policy two":                      "service set 5",
		"service set 443 --address 192.0.2.1 --hash port": "service set 192.0.2.1:443",
		"peers add 192.0.2.9":                             "peer 192.0.2.9",
		"peers add 192.0.2.9 --weight 1":                  "peer 192.0.2.9",
		"peers del 192.0.2.9":                             "peer del 192.0.2.9 false",
		"peers del 192.0.2.9 --dead":                      "peer del 192.0.2.9 true",
		"peers del --dead 192.0.2.9":                      "peer del 192.0.2.9 true",
		"flows del 192.0.2.9:1234 192.0.2.1:80":           "flow del 192.0.2.9:1234 192.0.2.1:80",
		"policy set off":                                  "config",
		"drain":                                           "config",
		"leave":                                           "config",
		"undrain":                                         "config",
		"expire --budget 7":                               "expire",
		"config set --timeout-syn 1.5s --max-load 0":      "config",
	} {
		k := healthy()
		if r := dprctl(t, k, line); r.status != ExitOK || r.err != "" || !slices.Equal(k.log, []string{want}) {
			t.Errorf("%s: status %d, %q, commands %v", line, r.status, r.err, k.log)
		}
	}
}

// "service set" changes the rules that it names, and no others.
func TestServiceRules(t *testing.T) {
	own := dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyTwo), Hash: dprnl.Own(dprnl.HashPort)}
	for line, want := range map[string]dprnl.Rules{
		"service add 81": {},
		"service add 81 --policy off --max-load 7 --hash address-port":                   {Policy: dprnl.Own(dprnl.PolicyOff), MaxLoad: dprnl.Own[uint64](7), Hash: dprnl.Own(dprnl.HashAddressPort)},
		"service add 81 --load service":                                                  {Load: dprnl.Own(dprnl.LoadOfService)},
		"service set 80 --load host --policy default --hash default":                     {Load: dprnl.Own(dprnl.LoadOfHost)},
		"service add 81 --forwarding auto":                                               {Forwarding: dprnl.Own(dprnl.ForwardingAuto)},
		"service set 80 --forwarding ipip":                                               {Policy: own.Policy, Hash: own.Hash, Forwarding: dprnl.Own(dprnl.ForwardingIpip)},
		"service add 81 --policy default":                                                {},
		"service set 80 --max-load auto":                                                 {Policy: own.Policy, Hash: own.Hash, MaxLoad: dprnl.Own(uint64(dprnl.MaxLoadAuto))},
		"service set 80 --max-load default --policy offer":                               {Policy: dprnl.Own(dprnl.PolicyOffer), Hash: own.Hash},
		"service set 80 --affinity 32 --affinity6 128 --affinity-time 1h --hash default": {Policy: own.Policy, Affinity: dprnl.Own[uint32](32), Affinity6: dprnl.Own[uint32](128), AffinityTime: dprnl.Own(time.Hour)},
		"service set 80 --hash default --policy default":                                 {},
	} {
		k := healthy()
		k.services[0].Rules = own
		if r := dprctl(t, k, line); r.status != ExitOK || k.rules != want {
			t.Errorf("%s: status %d %s, rules %+v, want %+v", line, r.status, r.err, k.rules, want)
		}
	}
	k := healthy()
	if r := dprctl(t, k, "service set 80"); r.status == ExitOK || len(k.log) != 0 || !strings.Contains(r.err, "nothing to change") {
		t.Errorf("%+v, %v", r, k.log)
	}
	k.services[0].Rules = own
	k.services[1].Rules.MaxLoad = dprnl.Own(uint64(dprnl.MaxLoadAuto))
	k.services[0].Rules.Affinity = dprnl.Own[uint32](24)
	k.services[1].Rules.Affinity6 = dprnl.Own[uint32](56)
	k.services[1].Rules.Load = dprnl.Own(dprnl.LoadOfService)
	const table = `PORT  ADDRESS    STATE  CONNS  POLICY   MAX LOAD  HASH     AFFINITY            LOAD
80    all        up     0      two      default   port     24/default/default  host
443   192.0.2.1  up     0      default  auto      default  default/56/default  service
`
	if r := dprctl(t, k, "service list"); r.out != table {
		t.Errorf("%s", r.out)
	}
	const list = `[{"port":80,"address":"0.0.0.0","policy":"two","hash":"port","affinity":24,"state":"up","connections":0},{"port":443,"address":"192.0.2.1","max_load":"auto","affinity6":56,"load":"service","state":"up","connections":0}]`
	if r := dprctl(t, k, "service list --json"); strings.Join(strings.Fields(r.out), "") != list {
		t.Errorf("%s", r.out)
	}
	// Its own forwarding has a column if a service has one; it can be given back.
	k.services[1].Rules.Forwarding = dprnl.Own(dprnl.ForwardingDirect)
	const wider = `PORT  ADDRESS    STATE  CONNS  POLICY   MAX LOAD  HASH     AFFINITY            LOAD     FORWARDING
80    all        up     0      two      default   port     24/default/default  host     default
443   192.0.2.1  up     0      default  auto      default  default/56/default  service  direct
`
	if r := dprctl(t, k, "service list"); r.out != wider {
		t.Errorf("%s", r.out)
	}
	if r := dprctl(t, k, "service list --json"); strings.Count(r.out, `"forwarding": "direct"`) != 1 || strings.Count(r.out, "forwarding") != 1 {
		t.Errorf("%s", r.out)
	}
	if r := dprctl(t, k, "service set 443 --address 192.0.2.1 --forwarding default"); r.status != ExitOK || k.rules.Forwarding.Own || !k.rules.Load.Own {
		t.Errorf("%+v, %+v", r, k.rules)
	}
}

func TestConfigSet(t *testing.T) {
	k := healthy()
	line := "config set --address 192.0.2.5 --policy inverse --hash port --estimate reported --marker source --forwarding direct --answers through --orphans ask --state leaving" +
		" --max-load 1 --weight 2 --weight-connections 3 --weight-cpu 4 --weight-redirected 5 --weight-sockets 6 --max-flows 7" +
		" --report-max-age 8ms --timeout-syn 9s --timeout-established 10m --timeout-fin 11h --timeout-rst 12s --slow-start 0s --affinity 24 --affinity6 48 --affinity-time 14m --splice-ports 2000-3000 --max-splices 15"
	if r := dprctl(t, k, line); r.status != ExitOK {
		t.Fatalf("%+v", r)
	}
	want := dprnl.Config{
		Address: netip.MustParseAddr("192.0.2.5"), Policy: dprnl.PolicyInverse, Hash: dprnl.HashPort,
		Estimate: dprnl.EstimateReported, Marker: dprnl.MarkerSource, Forwarding: dprnl.ForwardingDirect, Answers: dprnl.AnswersThrough, Orphans: dprnl.OrphansAsk, State: dprnl.StateLeaving, MaxLoad: 1, Weight: 2,
		Weights: dprnl.Weights{Connections: 3, CPU: 4, Redirected: 5, Sockets: 6}, MaxFlows: 7, ReportMaxAge: 8 * time.Millisecond, Affinity: 24, Affinity6: 48, AffinityTime: 14 * time.Minute,
		Timeouts:        dprnl.Timeouts{Syn: 9 * time.Second, Established: 10 * time.Minute, Fin: 11 * time.Hour, Rst: 12 * time.Second},
		SpliceFirstPort: 2000, SpliceLastPort: 3000, MaxSplices: 15,
	}.Update()
	want.Group = nil // the file's alone
	if !reflect.DeepEqual(k.update, want) {
		t.Errorf("got  %+v\nwant %+v", k.update, want)
	}
	dprctl(t, k, "policy set lowest --max-load 0 --marker fragbit")
	policy, marker, load := dprnl.PolicyLowest, dprnl.MarkerFragbit, uint64(0)
	if want := (dprnl.ConfigUpdate{Policy: &policy, Marker: &marker, MaxLoad: &load}); !reflect.DeepEqual(k.update, want) {
		t.Errorf("policy set: %+v", k.update)
	}
	dprctl(t, k, "undrain")
	if *k.update.State != dprnl.StateActive {
		t.Errorf("undrain: %v", *k.update.State)
	}
	dprctl(t, k, "peers add 192.0.2.9 --weight 3")
	if *k.peer.Weight != 3 || k.peer.Metrics != nil {
		t.Errorf("peers add: %+v", k.peer)
	}
}

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{
		{&dprnl.Error{Op: "adding service 80", Errno: syscall.EEXIST, Message: "port 80 is a service already"}, ExitFailure},
		{&dprnl.Error{Op: "adding service 80", Errno: syscall.EPERM, Message: "no"}, ExitNoRight},
		{fmt.Errorf("looking: %w", dprnl.ErrNotLoaded), ExitNoModule},
		{errors.New("anything"), ExitFailure},
	} {
		k := healthy()
		k.err = tt.err
		r := dprctl(t, k, "service add 80")
		if r.status != tt.status || r.err != "dprctl: "+tt.err.Error()+"\n" {
			t.Errorf("%v: status %d, stderr %q", tt.err, r.status, r.err)
		}
	}
}

// object reads one JSON object and compares it with the fields of want.
func object(t *testing.T, text, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// The JSON is written out: its names must not change by accident.
func TestJSON(t *testing.T) {
	for line, want := range map[string]string{
		"service list --json": `[{"port":80,"address":"0.0.0.0","state":"up","connections":0},{"port":443,"address":"192.0.2.1","state":"up","connections":0}]`,
		"load --json":         `{"connections":1,"cpu":20,"redirected":3,"sockets":4,"load":1}`,
		"peers --json": `[{"address":"192.0.2.2","state":"active","weight":1,"connections":5,"cpu":123,"redirected":6,"sockets":7,
			"load":5,"estimate":4,"age_ms":250,"usable":true,"listed":true,"flows":8,"live":7,"redirects":1099511627776,"barred":"no","down":[],
			"service_loads":[{"port":80,"estimate":6,"live":2},{"port":443,"estimate":null,"live":0}],"forwarding":"direct"},
			{"address":"192.0.2.3","state":"active","weight":1,"connections":0,"cpu":0,"redirected":0,"sockets":0,
			"load":0,"estimate":0,"age_ms":null,"usable":false,"listed":false,"flows":0,"live":0,"redirects":0,"barred":"no","down":[],"forwarding":null}]`,
		"config --json": `{"configured":true,"address":"192.0.2.1","policy":"lowest","hash":"address-port","estimate":"corrected",
			"marker":"fragbit","forwarding":"ipip","answers":"direct","state":"active","orphans":"reset","group":"","max_load":9,"weight":2,
			"weights":{"connections":1,"cpu":0,"redirected":0,"sockets":0},"max_flows":1000,"report_max_age_ms":3000,
			"timeouts":{"syn_ms":1000,"established_ms":3600000,"fin_ms":60000,"rst_ms":1500},"slow_start_ms":4000,"affinity":0,"affinity6":64,"affinity_time_ms":0,
			"splice_ports":{"first":61000,"last":65535},"max_splices":65536}`,
		"drain --wait --timeout 1ms --json": `{"connections":0,"flows":0,"flows_live":0,"done":false}`,
		"expire --json":                     `{"scanned":1,"expired":2,"reset":3,"flows":4,"done":true}`,
	} {
		r := dprctl(t, healthy(), line)
		if r.status != ExitOK && r.status != ExitTimeout {
			t.Errorf("%s: %+v", line, r)
		}
		object(t, r.out, want)
	}
	policy, config := dprctl(t, healthy(), "policy --json"), dprctl(t, healthy(), "config show --json")
	object(t, policy.out, config.out)
	if r := dprctl(t, &kernel{}, "peers --json"); strings.TrimSpace(r.out) != "[]" {
		t.Errorf("no peers: %q", r.out)
	}
	var stats map[string]uint64
	if r := dprctl(t, healthy(), "stats --json"); json.Unmarshal([]byte(r.out), &stats) != nil || len(stats) < 40 {
		t.Errorf("stats: %s", r.out)
	}
}

func TestFlows(t *testing.T) {
	k := healthy()
	r := dprctl(t, k, "flows --json --client 10.0.0.1 --client-port 5 --address 192.0.2.1 --port 80 --peer 192.0.2.2 --state fin")
	fin := dprnl.FlowFin
	want := dprnl.FlowFilter{Client: netip.MustParseAddr("10.0.0.1"), ClientPort: 5, Address: netip.MustParseAddr("192.0.2.1"),
		Port: 80, Peer: netip.MustParseAddr("192.0.2.2"), State: &fin}
	if !reflect.DeepEqual(k.filter, want) {
		t.Errorf("filter %+v", k.filter)
	}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), r.out)
	}
	object(t, lines[1], `{"client":"10.0.0.1","client_port":1234,"address":"192.0.2.1","port":80,"peer":"192.0.2.2",
		"state":"fin","idle_ms":1000,"expires_ms":60000}`)
	r = dprctl(t, k, "flows")
	if !reflect.DeepEqual(k.filter, dprnl.FlowFilter{}) || !strings.Contains(r.out, "10.0.0.1:1234") || !strings.HasPrefix(r.out, "CLIENT") {
		t.Errorf("filter %+v, output %s", k.filter, r.out)
	}
	k.readErr = errors.New("interrupted")
	if r := dprctl(t, k, "flows"); r.status != ExitFailure || !strings.Contains(r.out, "10.0.0.1") || !strings.Contains(r.err, "interrupted") {
		t.Errorf("an error in the middle: %+v", r)
	}
}

func TestEvents(t *testing.T) {
	r := dprctl(t, healthy(), "events --json")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 2 || !strings.Contains(r.err, "lost") || r.status != ExitOK {
		t.Fatalf("%+v", r)
	}
	object(t, lines[0], `{"time":"2026-01-02T03:04:05.006Z","event":"peer-state","peer":"192.0.2.2","state":"draining"}`)
	object(t, lines[1], `{"time":"2026-01-02T03:04:05.006Z","event":"table-full"}`)
	if r := dprctl(t, healthy(), "watch"); r.out != "03:04:05.006  peer-state  192.0.2.2  draining\n03:04:05.006  table-full\n" {
		t.Errorf("for people: %q", r.out)
	}
}

func TestColumnsAreAligned(t *testing.T) {
	for _, line := range []string{"peers", "service list", "flows"} {
		r := dprctl(t, healthy(), line)
		sc := bufio.NewScanner(strings.NewReader(r.out))
		sc.Scan()
		second := strings.Index(sc.Text(), strings.Fields(sc.Text())[1])
		for sc.Scan() {
			if l := sc.Text(); l[second] == ' ' || l[second-1] != ' ' {
				t.Errorf("%s: column 2 does not start at %d in %q", line, second, l)
			}
		}
	}
}

func TestApplyAndCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("address = \"192.0.2.1\"\n[[service]]\nport = 80\n[[service]]\nport = 8080\n")
	k := healthy()
	r := dprctl(t, k, "apply --json --config "+path)
	if r.status != ExitOK || !slices.Equal(k.log, []string{"config", "service del 192.0.2.1:443", "service add 8080"}) {
		t.Errorf("%+v, %v", r, k.log)
	}
	object(t, r.out, `{"address":"192.0.2.1","added":[{"port":8080,"address":"0.0.0.0"}],"removed":[{"port":443,"address":"192.0.2.1"}],"changed":[],"rules":[],"backends_set":[],"backends_removed":[]}`)
	if r := dprctl(t, k, "check "+path); r.status != ExitOK || !strings.Contains(r.out, "no mistakes") || r.dialled {
		t.Errorf("%+v", r)
	}

	write("policy = \"best\"\nfoo = 1\n")
	k = healthy()
	for _, line := range []string{"apply --config " + path, "check " + path, "check --config " + path} {
		r := dprctl(t, k, line)
		if r.status != ExitUsage || !strings.Contains(r.err, path+": line 1: policy: ") || !strings.Contains(r.err, path+": line 2: foo: ") ||
			r.dialled || len(k.log) > 0 {
			t.Errorf("%s: %+v", line, r)
		}
	}
	r = dprctl(t, k, "check --json "+path)
	var v checkView
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v.OK || len(v.Mistakes) != 2 || v.Mistakes[1].Line != 2 || r.status != ExitUsage {
		t.Errorf("%+v, %v", r, err)
	}
}

// What --save saves is what the next apply applies; a refusal changes nothing.
func TestSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	if err := os.WriteFile(path, []byte("weight = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(filepath.Dir(path), "conf.d/99-saved.toml")
	k := healthy()
	r := dprctl(t, k, "policy set two --max-load auto --save --config "+path)
	if r.status != ExitOK || !strings.Contains(r.out, saved) || *k.update.Policy != dprnl.PolicyTwo {
		t.Errorf("%+v, %+v", r, k.update)
	}
	k = healthy()
	if r := dprctl(t, k, "config set --weight 7 --weight-cpu 2 --timeout-fin 5m --address 192.0.2.7 --max-load 4 --forwarding auto --answers through --save --config "+path); r.status != ExitOK {
		t.Errorf("%+v", r)
	}
	c, err := config.Load(path)
	if err != nil || c.Policy != dprnl.PolicyTwo || c.MaxLoad != 4 || c.Weight != 7 || c.Weights.CPU != 2 || c.Timeouts.Fin != 5*time.Minute || c.Address.String() != "192.0.2.7" || c.Forwarding != dprnl.ForwardingAuto || c.Answers != dprnl.AnswersThrough {
		t.Errorf("%+v, %v", c, err)
	}
	before, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"policy set off --config " + path:                                "--config is for --save",
		"config set --state draining --save --config " + path:            "--state is not saved",
		"config set --report-max-age 500ms --save --config " + path:      "report_max_age: 500ms is not longer",
		"policy set off --save --config " + filepath.Dir(path) + "/none": "cannot read the file",
	} {
		k := healthy()
		if r := dprctl(t, k, line); r.status == ExitOK || !strings.Contains(r.err, want) || len(k.log) > 0 {
			t.Errorf("%s: %+v, %q", line, r, k.log)
		}
	}
	k = healthy()
	k.err = errors.New("the kernel refuses")
	if r := dprctl(t, k, "policy set off --save --config "+path); r.status == ExitOK || !strings.Contains(r.err, "the kernel refuses") {
		t.Errorf("%+v", r)
	}
	after, err := os.ReadFile(saved)
	if err != nil || string(after) != string(before) {
		t.Errorf("saved %q, %v; before %q", after, err, before)
	}
}

func TestHelp(t *testing.T) {
	for _, line := range []string{"--help", "-h", "service --help", "service add --help", "flows del -h", "--version"} {
		if r := dprctl(t, healthy(), line); r.status != ExitOK || r.out == "" || r.dialled {
			t.Errorf("%s: %+v", line, r)
		}
	}
}

func TestMaxLoadAuto(t *testing.T) {
	k := healthy()
	if r := dprctl(t, k, "policy set two --max-load auto"); r.status != ExitOK {
		t.Fatalf("%+v", r)
	}
	if k.update.MaxLoad == nil || *k.update.MaxLoad != dprnl.MaxLoadAuto || *k.update.Policy != dprnl.PolicyTwo {
		t.Errorf("%+v", k.update)
	}
	k.config.MaxLoad = dprnl.MaxLoadAuto
	for command, want := range map[string]string{
		"config show": "max load auto", "config show --json": `"max_load": "auto"`, "status": "serves below load auto",
	} {
		if r := dprctl(t, k, command); !strings.Contains(strings.Join(strings.Fields(r.out), " "), want) {
			t.Errorf("%s: %q is not in %q", command, want, r.out)
		}
	}
}

// What people are used to type is understood.
func TestHabits(t *testing.T) {
	same := func(line, as string) {
		t.Helper()
		got, want := dprctl(t, healthy(), line), dprctl(t, healthy(), as)
		if got.status != want.status || got.out != want.out || want.out == "" {
			t.Errorf("%s: status %d, %q, and not as %s: %d, %q", line, got.status, got.out, as, want.status, want.out)
		}
	}
	same("help", "--help")
	same("help flows", "flows --help")
	same("help policy set", "policy set --help")
	same("version", "--version")
	same("--json status", "status --json")
	same("--json service list", "service list --json")
	if r := dprctl(t, healthy(), "drain --help"); strings.Contains(r.out, "default: false") {
		t.Errorf("%s", r.out)
	}
}

// A mistake in the file does not hide the counts.
func TestCountsPath(t *testing.T) {
	good, bad := filepath.Join(t.TempDir(), "good.toml"), filepath.Join(t.TempDir(), "bad.toml")
	for path, text := range map[string]string{good: "runtime_directory = \"/run/elsewhere\"\n", bad: "wieght = 1\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		file   string
		named  bool
		want   string
		failed bool
		said   string
	}{
		{good, false, "/run/elsewhere/receive.sock", false, ""},
		{good, true, "/run/elsewhere/receive.sock", false, ""},
		{bad, false, "/run/dpr/receive.sock", false, "bad.toml has mistakes"},
		{bad, true, "", true, ""},
	} {
		var errs bytes.Buffer
		p := &program{Environment{Err: &errs}}
		got, err := p.countsPath(tt.file, tt.named)
		if got != tt.want || (err != nil) != tt.failed || !strings.Contains(errs.String(), tt.said) || tt.said == "" && errs.Len() > 0 {
			t.Errorf("%s, named %t: %q (%v), said %q", tt.file, tt.named, got, err, errs.String())
		}
	}
}

// What apply would change is said, in both ways to ask, and nothing changes.
func TestDiff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dpr.toml")
	if err := os.WriteFile(path, []byte("address = \"192.0.2.1\"\nmax_load = 5\n[[service]]\nport = 80\n[[service]]\nport = 8080\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var first string
	for _, line := range []string{"config diff", "apply --dry-run"} {
		k := healthy()
		r := dprctl(t, k, line+" --config "+path)
		for _, want := range []string{"KEY ", "max_load ", "  9 ", "service ", "443", "8080"} {
			if r.status != ExitOK || !strings.Contains(r.out, want) {
				t.Errorf("%s: status %d, no %q in\n%s%s", line, r.status, want, r.out, r.err)
			}
		}
		if len(k.log) != 0 {
			t.Errorf("%s: %v", line, k.log)
		}
		if first == "" {
			first = r.out
		}
		if r.out != first {
			t.Errorf("%s:\n%s", line, r.out)
		}
		var v diffView
		if err := json.Unmarshal([]byte(dprctl(t, healthy(), line+" --json --config "+path).out), &v); err != nil || len(v.Changes) < 3 {
			t.Errorf("%s: %v, %+v", line, err, v)
		}
	}
	// What the file says of a new kernel.
	k := healthy()
	d := config.Defaults()
	k.config = dprnl.Config{Address: netip.MustParseAddr("192.0.2.1"), Policy: d.Policy, MaxLoad: 5, Weights: d.Weights, Weight: d.Weight,
		Hash: d.Hash, Estimate: d.Estimate, Marker: d.Marker, Orphans: d.Orphans,
		MaxFlows: d.MaxFlows, ReportMaxAge: d.ReportMaxAge, Timeouts: d.Timeouts, SlowStart: d.SlowStart, Affinity6: d.Affinity6, State: dprnl.StateDraining}
	k.services = []dprnl.Service{{Port: 8080, Address: netip.IPv4Unspecified()}, {Port: 80, Address: netip.IPv4Unspecified()}}
	if r := dprctl(t, k, "config diff --config "+path); r.status != ExitOK || r.out != "the kernel has what "+path+" says\n" {
		t.Errorf("%+v", r)
	}
}
