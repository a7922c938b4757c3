// SPDX-License-Identifier: MIT

package apply

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// What is planned is what Apply does, value by value, and planning changes nothing.
func TestPlan(t *testing.T) {
	for name, d := range decided {
		k := fresh(80)
		if _, err := Apply(t.Context(), k, file(80)); err != nil {
			t.Fatal(err)
		}
		c := file(80)
		if changes, err := Plan(t.Context(), k, c); err != nil || len(changes) != 0 {
			t.Errorf("%s: %+v after it was applied (%v)", name, changes, err)
		}
		d.set(c)
		before := k.config
		k.log = nil
		changes, err := Plan(t.Context(), k, c)
		if err != nil || len(changes) != 1 || changes[0].Kernel == changes[0].File || changes[0].Key == "" {
			t.Errorf("%s: %+v (%v), want one change", name, changes, err)
		}
		if k.config != before || len(k.log) != 0 {
			t.Errorf("%s: planning did %v", name, k.log)
		}
		if _, err := Apply(t.Context(), k, c); err != nil {
			t.Fatal(err)
		}
		if changes, err := Plan(t.Context(), k, c); err != nil || len(changes) != 0 {
			t.Errorf("%s: %+v after it was applied (%v)", name, changes, err)
		}
	}
}

func TestPlanOfServicesAndState(t *testing.T) {
	k := fresh(80, 81)
	c := file(81, 443)
	c.Start = dprnl.StateDraining
	k.config = target(c.Address, c)
	k.config.Address, k.config.MaxLoad = netip.IPv4Unspecified(), 9
	changes, err := Plan(t.Context(), k, c)
	const want = "[{address 0.0.0.0 192.0.2.1} {max_load 9 5} {start active draining} {service 80 } {service  443}]"
	if err != nil || fmt.Sprint(changes) != want {
		t.Errorf("%v (%v), want %s", changes, err, want)
	}
	k.config.Address = c.Address
	changes, err = Plan(t.Context(), k, c)
	if err != nil || len(changes) != 3 {
		t.Errorf("%v (%v), want that the state of a host that runs stays", changes, err)
	}
	c.Address = netip.Addr{}
	if _, err := Plan(t.Context(), k, c); err == nil {
		t.Error("a host without address has a plan")
	}
	k, c = fresh(80), file(80)
	k.config = target(c.Address, c)
	k.services[0].Rules = dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyTwo), Hash: dprnl.Own(dprnl.HashPort)}
	c.Services[0].Rules = dprnl.Rules{Policy: dprnl.Own(dprnl.PolicyOffer), MaxLoad: dprnl.Own(uint64(dprnl.MaxLoadAuto)), Forwarding: dprnl.Own(dprnl.ForwardingDirect)}
	changes, err = Plan(t.Context(), k, c)
	const rules = "[{service 80 policy two offer} {service 80 hash port } {service 80 forwarding  direct} {service 80 max_load  auto}]"
	if err != nil || fmt.Sprint(changes) != rules {
		t.Errorf("%v (%v), want %s", changes, err, rules)
	}
	c = file()
	for _, what := range []string{"config", "services"} {
		k := fresh()
		k.fails = map[string]error{what: errors.New("broken")}
		if _, err := Plan(t.Context(), k, c); err == nil {
			t.Errorf("%s cannot be read, and there is a plan", what)
		}
	}
}

// Each rule of a service is planned by itself, with its name and both values, when the file sets,
// changes or takes it away.
func TestPlanOfRules(t *testing.T) {
	rules := map[string]struct {
		old, new      func(*dprnl.Rules)
		before, after string
	}{
		"policy":        {func(r *dprnl.Rules) { r.Policy = dprnl.Own(dprnl.PolicyTwo) }, func(r *dprnl.Rules) { r.Policy = dprnl.Own(dprnl.PolicyOffer) }, "two", "offer"},
		"hash":          {func(r *dprnl.Rules) { r.Hash = dprnl.Own(dprnl.HashPort) }, func(r *dprnl.Rules) { r.Hash = dprnl.Own(dprnl.HashAddressPort) }, "port", "address-port"},
		"affinity":      {func(r *dprnl.Rules) { r.Affinity = dprnl.Own(uint32(24)) }, func(r *dprnl.Rules) { r.Affinity = dprnl.Own(uint32(16)) }, "24", "16"},
		"affinity6":     {func(r *dprnl.Rules) { r.Affinity6 = dprnl.Own(uint32(64)) }, func(r *dprnl.Rules) { r.Affinity6 = dprnl.Own(uint32(48)) }, "64", "48"},
		"affinity_time": {func(r *dprnl.Rules) { r.AffinityTime = dprnl.Own(time.Hour) }, func(r *dprnl.Rules) { r.AffinityTime = dprnl.Own(time.Minute) }, "1h0m0s", "1m0s"},
		"load":          {func(r *dprnl.Rules) { r.Load = dprnl.Own(dprnl.LoadOfHost) }, func(r *dprnl.Rules) { r.Load = dprnl.Own(dprnl.LoadOfService) }, "host", "service"},
		"forwarding":    {func(r *dprnl.Rules) { r.Forwarding = dprnl.Own(dprnl.ForwardingIpip) }, func(r *dprnl.Rules) { r.Forwarding = dprnl.Own(dprnl.ForwardingDirect) }, "ipip", "direct"},
		"dispatch":      {func(r *dprnl.Rules) { r.Dispatch = dprnl.Own(dprnl.DispatchSyn) }, func(r *dprnl.Rules) { r.Dispatch = dprnl.Own(dprnl.DispatchRequest) }, "syn", "request"},
		"max_load":      {func(r *dprnl.Rules) { r.MaxLoad = dprnl.Own(uint64(7)) }, func(r *dprnl.Rules) { r.MaxLoad = dprnl.Own(uint64(dprnl.MaxLoadAuto)) }, "7", "auto"},
	}
	if n := reflect.TypeFor[dprnl.Rules]().NumField(); n != len(rules) {
		t.Errorf("%d rules are planned of %d", len(rules), n)
	}
	for key, r := range rules {
		for _, step := range []struct {
			old, new func(*dprnl.Rules)
			want     Change
		}{
			{nil, r.old, Change{"service 80 " + key, "", r.before}},
			{r.old, r.new, Change{"service 80 " + key, r.before, r.after}},
			{r.new, nil, Change{"service 80 " + key, r.after, ""}},
			{r.new, r.new, Change{}},
		} {
			k, c := fresh(80), file(80)
			k.config = target(c.Address, c)
			if step.old != nil {
				step.old(&k.services[0].Rules)
			}
			if step.new != nil {
				step.new(&c.Services[0].Rules)
			}
			changes, err := Plan(t.Context(), k, c)
			if err != nil || len(changes) > 1 {
				t.Errorf("%s: %v (%v), want %v", key, changes, err, step.want)
				continue
			}
			if got := append(changes, Change{})[0]; got != step.want {
				t.Errorf("%s: %v, want %v", key, got, step.want)
			}
		}
	}
}

// Apply that was interrupted after any of its steps left a part; before the first and after the
// last one there is none. What somebody else has set is no part either.
func TestInPart(t *testing.T) {
	c := file(80, 443)
	c.Backends = []dprnl.Backend{some("a", 1), some("b", 1)}
	rule(c, "A", 80, 443)
	for name, d := range map[string]struct {
		has  func(*kernel)
		want bool
	}{
		"nothing":              {func(k *kernel) {}, true},
		"a service":            {func(k *kernel) { k.services = c.Services[:1] }, true},
		"all but rules":        {func(k *kernel) { k.services = c.Services }, true},
		"all but a ruleset":    {func(k *kernel) { k.services, k.rulesets[80] = c.Services, ruleset("a") }, true},
		"a foreign service":    {func(k *kernel) { k.services = []dprnl.Service{service(81)} }, false},
		"a service's rules":    {func(k *kernel) { k.services[0].Rules.Policy.Own = true }, false},
		"a foreign ruleset":    {func(k *kernel) { k.services, k.rulesets[80] = c.Services, ruleset("b") }, false},
		"a backend":            {func(k *kernel) { k.backends = []dprnl.BackendStatus{{Backend: c.Backends[0]}} }, true},
		"a foreign backend":    {func(k *kernel) { k.backends = []dprnl.BackendStatus{{Backend: some("c", 1)}} }, false},
		"a backend of another": {func(k *kernel) { k.backends = []dprnl.BackendStatus{{Backend: some("a", 2)}} }, false},
		"all": {func(k *kernel) {
			k.services, k.rulesets[80], k.rulesets[443] = c.Services, ruleset("a"), ruleset("a")
			k.backends = []dprnl.BackendStatus{{Backend: c.Backends[1]}, {Backend: c.Backends[0]}}
		}, false},
	} {
		k := fresh(80)
		k.rulesets = map[uint16]dprnl.Ruleset{}
		d.has(k)
		if got, err := InPart(t.Context(), k, c); err != nil || got != d.want {
			t.Errorf("%s: %v (%v)", name, got, err)
		}
	}
	k := fresh(80)
	k.fails = map[string]error{"services": errors.New("broken")}
	if _, err := InPart(t.Context(), k, c); err == nil {
		t.Error("no error")
	}
}
