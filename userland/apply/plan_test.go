// SPDX-License-Identifier: MIT

package apply

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

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
