// SPDX-License-Identifier: MIT

package apply

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// faulty fails at one call of an operation, the nth.
type faulty struct {
	*kernel
	operation string
	at        int
	calls     map[string]int
}

func (f *faulty) call(operation string) error {
	f.calls[operation]++
	if f.operation == operation && f.calls[operation] == f.at {
		return errors.New(operation + " is broken")
	}
	return nil
}

func (f *faulty) Config(ctx context.Context) (dprnl.Config, error) {
	if err := f.call("Config"); err != nil {
		return dprnl.Config{}, err
	}
	return f.kernel.Config(ctx)
}

func (f *faulty) SetConfig(ctx context.Context, u dprnl.ConfigUpdate) error {
	if err := f.call("SetConfig"); err != nil {
		return err
	}
	return f.kernel.SetConfig(ctx, u)
}

func (f *faulty) Services(ctx context.Context) ([]dprnl.Service, error) {
	if err := f.call("Services"); err != nil {
		return nil, err
	}
	return f.kernel.Services(ctx)
}

func (f *faulty) AddService(ctx context.Context, s dprnl.Service) error {
	if err := f.call("AddService"); err != nil {
		return err
	}
	return f.kernel.AddService(ctx, s)
}

func (f *faulty) SetService(ctx context.Context, s dprnl.Service) error {
	if err := f.call("SetService"); err != nil {
		return err
	}
	return f.kernel.SetService(ctx, s)
}

func (f *faulty) DeleteService(ctx context.Context, s dprnl.Service) error {
	if err := f.call("DeleteService"); err != nil {
		return err
	}
	return f.kernel.DeleteService(ctx, s)
}

// Whatever operation fails, applying fails and says so, and nothing else does.
func TestEveryOperationFails(t *testing.T) {
	for operation, times := range map[string]int{"Config": 1, "SetConfig": 1, "Services": 1, "AddService": 2, "DeleteService": 2} {
		for at := 1; at <= times; at++ {
			k := &faulty{fresh(80, 81, 82), operation, at, map[string]int{}}
			k.config.Address = netip.MustParseAddr("192.0.2.9")
			old := k.config
			_, err := Apply(t.Context(), k, file(81, 443, 444))
			if err == nil || err.Error() != operation+" is broken" {
				t.Errorf("%s, call %d: error %v", operation, at, err)
			}
			if ports(k.services) != "80 81 82" || k.config != old {
				t.Errorf("%s, call %d: services %s, configuration %+v", operation, at, ports(k.services), k.config)
			}
			if (operation == "Config" || operation == "Services") && len(k.log) > 0 {
				t.Errorf("%s failed, and then came %v", operation, k.log)
			}
		}
	}
}

// If what was changed cannot be put back either, both are said.
func TestPuttingBackFails(t *testing.T) {
	for fails, want := range map[string]string{
		"add 80": "restoring the services: refused: add 80",
		"config": "restoring the configuration: refused: config",
	} {
		k := fresh(80, 81)
		first := true
		k.refuse = func(what string) error {
			if what == "add 443" || what == fails && (what != "config" || !first) {
				return errors.New("refused: " + what)
			}
			first = first && what != "config"
			return nil
		}
		_, err := Apply(t.Context(), k, file(81, 443))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "refused: add 443") {
			t.Errorf("%s: %v", fails, err)
		}
	}
}

// An address cannot be taken away: that of a host that had none stays.
func TestRestoreLeavesTheAddress(t *testing.T) {
	k := fresh()
	k.refuse = func(what string) error {
		if what == "add 443" {
			return errors.New("refused")
		}
		return nil
	}
	if _, err := Apply(t.Context(), k, file(443)); err == nil {
		t.Fatal("no error")
	}
	if k.config.Address != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("address %v", k.config.Address)
	}
	if k.config.State != dprnl.StateDraining {
		t.Errorf("state %v", k.config.State)
	}
}

// interrupted is a kernel to which no command goes once ctx is done; it is done with the nth
// service.
type interrupted struct {
	*kernel
	nth    int
	cancel func()
}

func (i *interrupted) AddService(ctx context.Context, s dprnl.Service) error {
	if i.nth--; i.nth == 0 {
		i.cancel()
	}
	return errors.Join(ctx.Err(), i.kernel.AddService(ctx, s))
}

func (i *interrupted) DeleteService(ctx context.Context, s dprnl.Service) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return i.kernel.DeleteService(ctx, s)
}

func (i *interrupted) SetConfig(ctx context.Context, u dprnl.ConfigUpdate) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return i.kernel.SetConfig(ctx, u)
}

// Who is interrupted undoes what was done, and says so to whoever goes on with an address that
// stays.
func TestInterrupted(t *testing.T) {
	for _, configured := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		k := &interrupted{fresh(80), 2, cancel}
		k.refuse = func(what string) error {
			if what == "add 444" {
				return errors.New("it ends")
			}
			return nil
		}
		if configured {
			k.config.Address = netip.MustParseAddr("192.0.2.9")
		}
		before := k.config
		c := file(80, 443, 444)
		c.MaxFlows = before.MaxFlows + 1
		r, err := Apply(ctx, k, c)
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "restoring") {
			t.Errorf("configured %v: %v", configured, err)
		}
		if ports(k.services) != "80" || k.config.MaxFlows != before.MaxFlows {
			t.Errorf("configured %v: services %s, configuration %+v", configured, ports(k.services), k.config)
		}
		want := netip.MustParseAddr("192.0.2.1")
		if configured {
			want = netip.Addr{}
		}
		if !reflect.DeepEqual(r, Result{Address: want}) {
			t.Errorf("configured %v: %+v", configured, r)
		}
	}
}

// The kernel gets the keys of handovers if it has others, in the file's order, which says
// which one signs; and one that had some keeps the new ones if it restores the rest.
func TestHandoverKeys(t *testing.T) {
	a, b := report.NewKey([report.KeyLen]byte{1}), report.NewKey([report.KeyLen]byte{2})
	c := file(80)
	for _, keys := range [][]*report.Key{nil, {a}, {a, b}, {b, a}} {
		c.Report.Keys = keys
		var ids [dprnl.MaxHandoverKeys]uint32
		var want []dprnl.HandoverKey
		for i, k := range keys {
			ids[i] = k.ID()
			want = append(want, dprnl.HandoverKey{ID: k.ID(), Secret: k.Derive("dpr handover 1")})
		}
		if u := HandoverKeys(dprnl.Config{HandoverKeyIDs: ids}, c); u != nil {
			t.Errorf("%x: %+v", ids, u)
		}
		u := HandoverKeys(dprnl.Config{HandoverKeyIDs: [dprnl.MaxHandoverKeys]uint32{7}}, c)
		if u == nil || !slices.Equal(*u.HandoverKeys, want) {
			t.Errorf("%x: %+v", ids, u)
			continue
		}
		if u.HandoverKeys = nil; *u != (dprnl.ConfigUpdate{}) {
			t.Errorf("%x: it changes more: %+v", ids, u)
		}
	}
	for _, before := range [][dprnl.MaxHandoverKeys]uint32{{}, {7}} {
		k := fresh(80)
		k.config.Address, k.config.HandoverKeyIDs = netip.MustParseAddr("192.0.2.9"), before
		k.refuse = func(what string) error {
			if what == "add 443" {
				return errors.New("refused")
			}
			return nil
		}
		c := file(443)
		c.Report.Keys = []*report.Key{a}
		want := before
		if before[0] != 0 {
			want[0] = a.ID()
		}
		if _, err := Apply(t.Context(), k, c); err == nil || k.config.HandoverKeyIDs != want {
			t.Errorf("%v, keys %x, want %x", err, k.config.HandoverKeyIDs, want)
		}
	}
}

// A host that begins draining does so when the file is applied again, too.
func TestRestoreLeavesTheState(t *testing.T) {
	k := fresh()
	k.config.State = dprnl.StateActive
	c := file(443)
	c.Start = dprnl.StateDraining
	k.refuse = func(what string) error {
		if what == "add 443" {
			return errors.New("refused")
		}
		return nil
	}
	if _, err := Apply(t.Context(), k, c); err == nil {
		t.Fatal("no error")
	}
	k.refuse = nil
	if _, err := Apply(t.Context(), k, c); err != nil || k.config.State != dprnl.StateDraining {
		t.Errorf("%v, state %v", err, k.config.State)
	}
}

// decided are the fields of the kernel's configuration that a file decides, each with
// another value than the default and what it is called in the file.
var decided = map[string]struct {
	set func(*config.Config)
	get func(dprnl.Config) any
}{
	"Address":           {func(c *config.Config) { c.Address = netip.MustParseAddr("192.0.2.77") }, func(c dprnl.Config) any { return c.Address }},
	"Policy":            {func(c *config.Config) { c.Policy = dprnl.PolicyTwo }, func(c dprnl.Config) any { return c.Policy }},
	"Hash":              {func(c *config.Config) { c.Hash++ }, func(c dprnl.Config) any { return c.Hash }},
	"Estimate":          {func(c *config.Config) { c.Estimate++ }, func(c dprnl.Config) any { return c.Estimate }},
	"Marker":            {func(c *config.Config) { c.Marker++ }, func(c dprnl.Config) any { return c.Marker }},
	"Forwarding":        {func(c *config.Config) { c.Forwarding++ }, func(c dprnl.Config) any { return c.Forwarding }},
	"Answers":           {func(c *config.Config) { c.Answers++ }, func(c dprnl.Config) any { return c.Answers }},
	"Orphans":           {func(c *config.Config) { c.Orphans++ }, func(c dprnl.Config) any { return c.Orphans }},
	"MaxLoad":           {func(c *config.Config) { c.MaxLoad = 99 }, func(c dprnl.Config) any { return c.MaxLoad }},
	"MaxFlows":          {func(c *config.Config) { c.MaxFlows = 777 }, func(c dprnl.Config) any { return c.MaxFlows }},
	"ReportMaxAge":      {func(c *config.Config) { c.ReportMaxAge = 9 * time.Second }, func(c dprnl.Config) any { return c.ReportMaxAge }},
	"Weight":            {func(c *config.Config) { c.Weight = 9 }, func(c dprnl.Config) any { return c.Weight }},
	"WeightConnections": {func(c *config.Config) { c.Weights.Connections = 11 }, func(c dprnl.Config) any { return c.Weights.Connections }},
	"SlowStart":         {func(c *config.Config) { c.SlowStart = 25 * time.Second }, func(c dprnl.Config) any { return c.SlowStart }},
	"Group": {func(c *config.Config) {
		c.Report.Networks = []config.Network{{Group: netip.MustParseAddr("ff02::1")}, {Unicast: netip.MustParseAddrPort("192.0.2.9:1")}, {Group: netip.MustParseAddr("239.1.2.3")}}
	}, func(c dprnl.Config) any { return c.Group }},
	"HandoverKeys": {func(c *config.Config) {
		c.Report.Keys = []*report.Key{report.NewKey([report.KeyLen]byte{9})}
	}, func(c dprnl.Config) any { return c.HandoverKeyIDs }},
	"Affinity":           {func(c *config.Config) { c.Affinity = 24 }, func(c dprnl.Config) any { return c.Affinity }},
	"Affinity6":          {func(c *config.Config) { c.Affinity6 = 48 }, func(c dprnl.Config) any { return c.Affinity6 }},
	"AffinityTime":       {func(c *config.Config) { c.AffinityTime = time.Hour }, func(c dprnl.Config) any { return c.AffinityTime }},
	"SpliceFirstPort":    {func(c *config.Config) { c.SplicePorts.First = 61001 }, func(c dprnl.Config) any { return c.SpliceFirstPort }},
	"SpliceLastPort":     {func(c *config.Config) { c.SplicePorts.Last = 62000 }, func(c dprnl.Config) any { return c.SpliceLastPort }},
	"MaxSplices":         {func(c *config.Config) { c.MaxSplices = 31 }, func(c dprnl.Config) any { return c.MaxSplices }},
	"WeightCPU":          {func(c *config.Config) { c.Weights.CPU = 12 }, func(c dprnl.Config) any { return c.Weights.CPU }},
	"WeightRedirected":   {func(c *config.Config) { c.Weights.Redirected = 13 }, func(c dprnl.Config) any { return c.Weights.Redirected }},
	"WeightSockets":      {func(c *config.Config) { c.Weights.Sockets = 14 }, func(c dprnl.Config) any { return c.Weights.Sockets }},
	"TimeoutSyn":         {func(c *config.Config) { c.Timeouts.Syn = 21 * time.Second }, func(c dprnl.Config) any { return c.Timeouts.Syn }},
	"TimeoutEstablished": {func(c *config.Config) { c.Timeouts.Established = 22 * time.Second }, func(c dprnl.Config) any { return c.Timeouts.Established }},
	"TimeoutFin":         {func(c *config.Config) { c.Timeouts.Fin = 23 * time.Second }, func(c dprnl.Config) any { return c.Timeouts.Fin }},
	"TimeoutRst":         {func(c *config.Config) { c.Timeouts.Rst = 24 * time.Second }, func(c dprnl.Config) any { return c.Timeouts.Rst }},
}

// Each value of a file reaches the kernel, and no other field changes with it.
func TestEachValueIsApplied(t *testing.T) {
	for f := range reflect.TypeFor[dprnl.ConfigUpdate]().NumField() {
		name := reflect.TypeFor[dprnl.ConfigUpdate]().Field(f).Name
		if _, ok := decided[name]; !ok && name != "State" {
			t.Errorf("nothing says whether a file decides %s", name)
		}
	}
	for name, d := range decided {
		k := fresh()
		if _, err := Apply(t.Context(), k, file()); err != nil {
			t.Fatal(err)
		}
		before, c := k.config, file()
		d.set(c)
		if _, err := Apply(t.Context(), k, c); err != nil {
			t.Fatal(err)
		}
		if d.get(before) == d.get(k.config) {
			t.Errorf("%s has no effect", name)
		}
		for other, o := range decided {
			if other != name && o.get(before) != o.get(k.config) {
				t.Errorf("%s changes %s", name, other)
			}
		}
	}
	// Each of them comes back when something fails.
	k := fresh(80)
	c := file(443)
	for _, d := range decided {
		d.set(c)
	}
	k.config = dprnl.Config{Address: netip.MustParseAddr("192.0.2.9"), Weight: 3, MaxFlows: 5, ReportMaxAge: time.Second, State: dprnl.StateLeaving}
	old := k.config
	k.refuse = func(what string) error {
		if strings.HasPrefix(what, "add 443") {
			return errors.New("refused")
		}
		return nil
	}
	if _, err := Apply(t.Context(), k, c); err == nil || k.config != old || !slices.Equal(k.services, []dprnl.Service{service(80)}) {
		t.Errorf("%v: %+v, want %+v", err, k.config, old)
	}
}
