// SPDX-License-Identifier: MIT

package apply

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A kernel is a configuration with services; refuse makes a command fail.
type kernel struct {
	config   dprnl.Config
	services []dprnl.Service
	refuse   func(what string) error
	fails    map[string]error // of what reads: "config", "services"
	log      []string
	rulesets map[uint16]dprnl.Ruleset // by port
	backends []dprnl.BackendStatus
}

func (k *kernel) step(what string) error {
	k.log = append(k.log, what)
	if k.refuse != nil {
		return k.refuse(what)
	}
	return nil
}

func (k *kernel) Config(context.Context) (dprnl.Config, error) { return k.config, k.fails["config"] }

func (k *kernel) SetConfig(_ context.Context, u dprnl.ConfigUpdate) error {
	if err := k.step("config"); err != nil {
		return err
	}
	keep(&k.config, u)
	return nil
}

// keep changes a configuration as the kernel does: all that an update names.
func keep(c *dprnl.Config, u dprnl.ConfigUpdate) {
	set(&c.Address, u.Address)
	set(&c.Policy, u.Policy)
	set(&c.Hash, u.Hash)
	set(&c.Estimate, u.Estimate)
	set(&c.Marker, u.Marker)
	set(&c.Forwarding, u.Forwarding)
	set(&c.Answers, u.Answers)
	set(&c.Orphans, u.Orphans)
	set(&c.Group, u.Group)
	set(&c.State, u.State)
	set(&c.MaxLoad, u.MaxLoad)
	set(&c.Weights.Connections, u.WeightConnections)
	set(&c.Weights.CPU, u.WeightCPU)
	set(&c.Weights.Redirected, u.WeightRedirected)
	set(&c.Weights.Sockets, u.WeightSockets)
	set(&c.Weight, u.Weight)
	set(&c.MaxFlows, u.MaxFlows)
	set(&c.ReportMaxAge, u.ReportMaxAge)
	set(&c.SlowStart, u.SlowStart)
	set(&c.Affinity, u.Affinity)
	set(&c.AffinityTime, u.AffinityTime)
	set(&c.Affinity6, u.Affinity6)
	set(&c.SpliceFirstPort, u.SpliceFirstPort)
	set(&c.SpliceLastPort, u.SpliceLastPort)
	set(&c.MaxSplices, u.MaxSplices)
	set(&c.Timeouts.Syn, u.TimeoutSyn)
	set(&c.Timeouts.Established, u.TimeoutEstablished)
	set(&c.Timeouts.Fin, u.TimeoutFin)
	set(&c.Timeouts.Rst, u.TimeoutRst)
	if u.HandoverKeys != nil {
		c.HandoverKeyIDs = [dprnl.MaxHandoverKeys]uint32{}
		for i, k := range *u.HandoverKeys {
			c.HandoverKeyIDs[i] = k.ID
		}
	}
}

func set[T any](p, v *T) {
	if v != nil {
		*p = *v
	}
}

func (k *kernel) Services(context.Context) ([]dprnl.Service, error) {
	return slices.Clone(k.services), k.fails["services"]
}

func (k *kernel) AddService(_ context.Context, s dprnl.Service) error {
	if err := k.step("add " + s.String()); err != nil {
		return err
	}
	k.services = append(k.services, s)
	return nil
}

func (k *kernel) SetService(_ context.Context, s dprnl.Service) error {
	if err := k.step("set " + s.String()); err != nil {
		return err
	}
	k.services[slices.IndexFunc(k.services, s.Same)].Rules = s.Rules
	return nil
}

func (k *kernel) DeleteService(_ context.Context, s dprnl.Service) error {
	if err := k.step("del " + s.String()); err != nil {
		return err
	}
	k.services = slices.DeleteFunc(k.services, s.Same)
	delete(k.rulesets, s.Port)
	return nil
}

func (k *kernel) Ruleset(_ context.Context, s dprnl.Service) (dprnl.Ruleset, error) {
	if !slices.ContainsFunc(k.services, s.Same) {
		return dprnl.Ruleset{}, fs.ErrNotExist
	}
	return k.rulesets[s.Port], k.fails["ruleset "+s.String()]
}

func (k *kernel) Backends(context.Context) ([]dprnl.BackendStatus, error) {
	return slices.Clone(k.backends), k.fails["backends"]
}

func (k *kernel) SetBackend(_ context.Context, b dprnl.Backend) error {
	if err := k.step("backend " + b.Name); err != nil {
		return err
	}
	old, _ := backend(k.backends, b.Name)
	b.Down = b.Down || old.Down
	k.backends = slices.DeleteFunc(k.backends, func(o dprnl.BackendStatus) bool { return o.Name == b.Name })
	k.backends = append(k.backends, dprnl.BackendStatus{Backend: b})
	slices.SortFunc(k.backends, func(a, b dprnl.BackendStatus) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (k *kernel) DeleteBackend(_ context.Context, name string) error {
	if err := k.step("del backend " + name); err != nil {
		return err
	}
	k.backends = slices.DeleteFunc(k.backends, func(o dprnl.BackendStatus) bool { return o.Name == name })
	return nil
}

func (k *kernel) SetRuleset(_ context.Context, s dprnl.Service, r dprnl.Ruleset) error {
	if err := k.step("ruleset " + s.String()); err != nil {
		return err
	}
	if !slices.ContainsFunc(k.services, s.Same) {
		return fs.ErrNotExist
	}
	if k.rulesets == nil {
		k.rulesets = make(map[uint16]dprnl.Ruleset)
	}
	k.rulesets[s.Port] = r
	return nil
}

func service(port uint16) dprnl.Service {
	return dprnl.Service{Port: port, Address: netip.IPv4Unspecified()}
}

func file(ports ...uint16) *config.Config {
	c := config.Defaults()
	c.Address = netip.MustParseAddr("192.0.2.1")
	c.MaxLoad, c.Weight = 5, 7
	for _, p := range ports {
		c.Services = append(c.Services, service(p))
	}
	return &c
}

func fresh(ports ...uint16) *kernel {
	k := &kernel{config: dprnl.Config{Address: netip.IPv4Unspecified(), State: dprnl.StateDraining}}
	for _, p := range ports {
		k.services = append(k.services, service(p))
	}
	return k
}

func ports(list []dprnl.Service) string {
	var names []string
	for _, s := range list {
		names = append(names, s.String())
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// A module that has just been loaded begins as the file says; later, the operator
// decides, and before that, too.
func TestStart(t *testing.T) {
	c := file(80)
	for _, tt := range []struct {
		start, state, want dprnl.State
		configured         bool
	}{
		{dprnl.StateActive, dprnl.StateActive, dprnl.StateActive, false},
		{dprnl.StateDraining, dprnl.StateActive, dprnl.StateDraining, false},
		{dprnl.StateActive, dprnl.StateDraining, dprnl.StateDraining, false},
		{dprnl.StateDraining, dprnl.StateActive, dprnl.StateActive, true},
		{dprnl.StateActive, dprnl.StateDraining, dprnl.StateDraining, true},
	} {
		k := fresh()
		k.config.State = tt.state
		if tt.configured {
			k.config.Address = c.Address
		}
		c.Start = tt.start
		if _, err := Apply(t.Context(), k, c); err != nil || k.config.State != tt.want {
			t.Errorf("%+v: %v (%v)", tt, k.config.State, err)
		}
	}
}

func TestApply(t *testing.T) {
	k := fresh(80, 81, 82)
	r, err := Apply(t.Context(), k, file(81, 443))
	if err != nil {
		t.Fatal(err)
	}
	if ports(r.Added) != "443" || ports(r.Removed) != "80 82" || r.Address != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("result %+v", r)
	}
	if ports(k.services) != "443 81" || k.config.MaxLoad != 5 || k.config.Weight != 7 || k.config.Address != r.Address {
		t.Errorf("kernel %+v", k)
	}
	if k.config.State != dprnl.StateDraining {
		t.Error("applying a file ended the draining")
	}
	// The address must be there before the first service.
	if k.log[0] != "config" {
		t.Errorf("order %v", k.log)
	}
	k.log = nil
	if r, err := Apply(t.Context(), k, file(81, 443)); err != nil || len(r.Added)+len(r.Removed) > 0 || len(k.log) != 1 {
		t.Errorf("again: %+v, %v, %v", r, err, k.log)
	}
}

// A service has the rules of the file, and no other ones any more.
func TestApplyRules(t *testing.T) {
	k, c := fresh(80, 81, 82), file(80, 81, 82, 443)
	own := dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOffer)}
	k.services[1].Rules, k.services[2].Rules = own, own
	c.Services[0].Rules.MaxLoad = dprnl.Own[uint64](0)
	c.Services[0].Rules.Load = dprnl.Own(dprnl.LoadOfService)
	c.Services[0].Rules.Forwarding = dprnl.Own(dprnl.ForwardingIpip)
	c.Services[0].Rules.Dispatch = dprnl.Own(dprnl.DispatchConnection)
	c.Services[2].Rules, c.Services[3].Rules = own, own
	r, err := Apply(t.Context(), k, c)
	if err != nil || ports(r.Changed) != "80 81" || ports(r.Added) != "443" || len(r.Removed) != 0 {
		t.Errorf("%+v (%v)", r, err)
	}
	if !slices.Equal(k.services, c.Services) {
		t.Errorf("services %+v, want %+v", k.services, c.Services)
	}
	if r, err := Apply(t.Context(), k, c); err != nil || len(r.Changed) != 0 {
		t.Errorf("again: %+v (%v)", r, err)
	}
}

// The keys of handovers are others than those of reports, as many, and in their order.
func TestApplyHandoverKeys(t *testing.T) {
	c := file()
	one, two := report.NewKey([report.KeyLen]byte{1}), report.NewKey([report.KeyLen]byte{2})
	c.Report.Keys = []*report.Key{one, two}
	u := update(netip.MustParseAddr("192.0.2.1"), c)
	keys := *u.HandoverKeys
	if len(keys) != 2 || keys[0].ID != one.ID() || keys[1].ID != two.ID() || keys[0].Secret == keys[1].Secret {
		t.Errorf("keys %v", keys)
	}
	// HMAC-SHA-256 of the purpose and the byte 1, its first half.
	h := hmac.New(sha256.New, append([]byte{1}, make([]byte, report.KeyLen-1)...))
	h.Write([]byte("dpr handover 1\x01"))
	if !bytes.Equal(keys[0].Secret[:], h.Sum(nil)[:dprnl.HandoverKeyLen]) {
		t.Errorf("derived %x", keys[0].Secret)
	}
	if _, err := Apply(t.Context(), fresh(), c); err != nil {
		t.Error(err)
	}
}

// Whatever step fails, all is as it was.
func TestApplyAllOrNothing(t *testing.T) {
	for _, fails := range []string{"config", "del 80", "del 82", "add 443", "add 444", "set 83", "set 84"} {
		t.Run(fails, func(t *testing.T) {
			k := fresh(80, 81, 82, 83, 84)
			k.services[3].Rules.Hash = dprnl.Own(dprnl.HashPort)
			k.config.Address = netip.MustParseAddr("192.0.2.9")
			old := k.config
			k.refuse = func(what string) error {
				if what == fails {
					return errors.New("refused: " + what)
				}
				return nil
			}
			c := file(81, 83, 84, 443, 444)
			c.Services[2].Rules.Policy = dprnl.Own(dprnl.PolicyTwo)
			_, err := Apply(t.Context(), k, c)
			if err == nil || !strings.Contains(err.Error(), "refused: "+fails) {
				t.Errorf("error %v", err)
			}
			for _, s := range k.services {
				if want := (dprnl.Rules{Hash: dprnl.Rule[dprnl.Hash]{Own: s.Port == 83, Value: dprnl.HashPort}}); s.Port == 83 && s.Rules != want || s.Port != 83 && s.Rules != (dprnl.Rules{}) {
					t.Errorf("service %v has %+v", s, s.Rules)
				}
			}
			if ports(k.services) != "80 81 82 83 84" || k.config != old {
				t.Errorf("services %s, configuration %+v", ports(k.services), k.config)
			}
		})
	}
}

func TestApplyNeedsAnAddress(t *testing.T) {
	k, c := fresh(), file(80)
	c.Address = netip.Addr{}
	if _, err := Apply(t.Context(), k, c); err == nil || len(k.log) > 0 {
		t.Errorf("error %v, steps %v", err, k.log)
	}
}

// Somebody else applies the same file at the same time: dpr-receive does when the
// module is new. Then what is to be done may be done already. That is no error, and
// it is not taken back if something else fails.
func TestApplyBesideAnother(t *testing.T) {
	other := func(k *kernel, fails string) func(string) error {
		return func(what string) error {
			switch what {
			case "add 443":
				k.services = append(k.services, service(443))
				return &dprnl.Error{Op: "adding service 443", Errno: syscall.EEXIST}
			case "del 80":
				k.services = slices.DeleteFunc(k.services, func(s dprnl.Service) bool { return s == service(80) })
				return &dprnl.Error{Op: "removing service 80", Errno: syscall.ENOENT}
			case fails:
				return errors.New("refused: " + what)
			}
			return nil
		}
	}
	k := fresh(80, 81, 82)
	k.refuse = other(k, "")
	r, err := Apply(t.Context(), k, file(81, 443, 444))
	if err != nil {
		t.Fatal(err)
	}
	if ports(k.services) != "443 444 81" || k.config.MaxLoad != 5 {
		t.Errorf("services %s, configuration %+v", ports(k.services), k.config)
	}
	if ports(r.Added) != "444" || ports(r.Removed) != "82" {
		t.Errorf("result %+v", r)
	}
	k = fresh(80, 81, 82)
	k.refuse = other(k, "add 444")
	if _, err := Apply(t.Context(), k, file(81, 443, 444)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
	if ports(k.services) != "443 81 82" {
		t.Errorf("after a failure: %s", ports(k.services))
	}
}
