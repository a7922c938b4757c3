// SPDX-License-Identifier: MIT

package apply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

// some is a backend.
func some(name string, weight uint32) dprnl.Backend {
	return dprnl.Backend{Name: name, Address: netip.MustParseAddr("192.0.2.50"), Port: 8080, Weight: weight, Services: []uint16{80}}
}

// Each value of a backend is applied, what the file does not have goes last, what is as it
// should be is left alone, and one that is down stays so. When something fails all is as it
// was.
func TestApplyBackends(t *testing.T) {
	with := func(list ...dprnl.Backend) *kernel {
		k := fresh(80)
		for _, b := range list {
			k.backends = append(k.backends, dprnl.BackendStatus{Backend: b})
		}
		return k
	}
	down := some("down", 1)
	down.Down = true
	k := with(down, some("gone", 1), some("same", 1))
	c := file(80)
	c.Backends = []dprnl.Backend{some("new", 1), some("same", 1), some("down", 2)}
	plan, err := Plan(t.Context(), k, c)
	if err != nil {
		t.Fatal(err)
	}
	var planned []string
	for _, p := range plan {
		if p.Key == "backend" {
			planned = append(planned, p.Kernel+" -> "+p.File)
		}
	}
	if got, want := strings.Join(planned, "; "), "gone at 192.0.2.50:8080 for [80], weight 1 -> ;  -> new at 192.0.2.50:8080 for [80], weight 1; "+
		"down at 192.0.2.50:8080 for [80], weight 1 -> down at 192.0.2.50:8080 for [80], weight 2"; got != want {
		t.Errorf("the plan is %q, want %q", got, want)
	}
	r, err := Apply(t.Context(), k, c)
	if err != nil || !slices.Equal(r.BackendsSet, []string{"new", "down"}) || !slices.Equal(r.BackendsRemoved, []string{"gone"}) {
		t.Errorf("%+v, %v", r, err)
	}
	if got := strings.Join(k.log, ", "); !strings.HasSuffix(got, "config, backend new, backend down, del backend gone") {
		t.Errorf("the steps are %s", got)
	}
	if len(k.backends) != 3 || !k.backends[0].Down || k.backends[0].Weight != 2 {
		t.Errorf("%+v", k.backends)
	}
	for name, change := range map[string]func(*dprnl.Backend){
		"address":  func(b *dprnl.Backend) { b.Address = netip.MustParseAddr("192.0.2.51") },
		"port":     func(b *dprnl.Backend) { b.Port = 0 },
		"weight":   func(b *dprnl.Backend) { b.Weight = 7 },
		"limit":    func(b *dprnl.Backend) { b.Limit = 7 },
		"proxy":    func(b *dprnl.Backend) { b.Proxy = true },
		"services": func(b *dprnl.Backend) { b.Services = []uint16{443} },
	} {
		k, c := with(some("b", 1)), file(80)
		b := some("b", 1)
		change(&b)
		c.Backends = []dprnl.Backend{b}
		if _, err := Apply(t.Context(), k, c); err != nil || fmt.Sprint(k.backends[0].Backend) != fmt.Sprint(b) {
			t.Errorf("%s: %+v, %v", name, k.backends, err)
		}
	}
	k = with(some("a", 1), some("b", 1))
	before := fmt.Sprint(k.backends)
	c = file(80)
	c.Backends = []dprnl.Backend{some("b", 2), some("c", 1)}
	refused := errors.New("refused")
	k.refuse = func(what string) error {
		if what == "backend c" {
			return refused
		}
		return nil
	}
	if _, err := Apply(t.Context(), k, c); !errors.Is(err, refused) || fmt.Sprint(k.backends) != before {
		t.Errorf("%v: %v, want %s", err, k.backends, before)
	}
	k.fails = map[string]error{"backends": refused}
	if _, err := Apply(t.Context(), k, c); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if _, err := Plan(t.Context(), k, c); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	// What is refused has removed nothing.
	for _, what := range []string{"config", "add 443", "backend c"} {
		k := with(some("a", 1), some("b", 1))
		k.refuse = func(step string) error { return map[string]error{what: refused}[step] }
		c := file(80, 443)
		c.Backends = []dprnl.Backend{some("b", 2), some("c", 1)}
		if _, err := Apply(t.Context(), k, c); !errors.Is(err, refused) || fmt.Sprint(k.backends) != before || slices.Contains(k.log, "del backend a") {
			t.Errorf("%s: %v, the steps are %v", what, err, k.log)
		}
	}
	// What cannot be restored is said.
	k = with(some("a", 1), some("b", 1))
	k.refuse = func(what string) error {
		if what == "del backend b" || what == "del backend c" {
			return refused
		}
		return nil
	}
	c.Backends = []dprnl.Backend{some("c", 1)}
	if _, err := Apply(t.Context(), k, c); err == nil || !strings.Contains(err.Error(), "restoring the backends") {
		t.Errorf("%v", err)
	}
	if len(k.backends) != 3 || k.backends[0].Name != "a" {
		t.Errorf("a is not restored: %v", k.backends)
	}
}

// A file without backends sets other ports of splices last. If the kernel refuses these, all is as
// it was.
func TestApplyPortsLast(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		k, c := fresh(80), file(80)
		k.config.SpliceFirstPort, k.config.SpliceLastPort = 50000, 50001
		k.backends = []dprnl.BackendStatus{{Backend: some("a", 1)}}
		k.refuse = func(what string) error {
			if refuses && what == "config" && len(k.backends) == 0 {
				return errors.New("refused")
			}
			return nil
		}
		_, err := Apply(t.Context(), k, c)
		if refuses && (err == nil || len(k.backends) != 1 || k.config.SpliceFirstPort != 50000 || k.config.MaxLoad != 0) {
			t.Errorf("refused: %v, %+v, %v", err, k.config, k.backends)
		}
		if !refuses && (err != nil || len(k.backends) != 0 || k.config.SpliceFirstPort != 61000 || k.config.SpliceLastPort != 65535) {
			t.Errorf("%v, %+v, %v", err, k.config, k.backends)
		}
	}
}

// full is a kernel that has room for so many backends.
type full struct {
	*kernel
	room int
}

func (f *full) SetBackend(ctx context.Context, b dprnl.Backend) error {
	if _, ok := backend(f.backends, b.Name); !ok && len(f.backends) >= f.room {
		return &dprnl.Error{Op: "setting", Errno: syscall.ENOSPC}
	}
	return f.kernel.SetBackend(ctx, b)
}

// A full table gets room by what goes, and what went is back if the room does not do.
func TestApplyFullTable(t *testing.T) {
	for _, room := range []int{2, 3} {
		k := &full{fresh(80), room}
		down := some("a", 1)
		down.Down = true
		k.backends = []dprnl.BackendStatus{{Backend: down}, {Backend: some("b", 1)}}
		c := file(80)
		c.Backends = []dprnl.Backend{some("b", 2), some("c", 1), some("d", 1)}
		before := fmt.Sprint(k.backends)
		_, err := Apply(t.Context(), k, c)
		if room == 2 && (!errors.Is(err, syscall.ENOSPC) || fmt.Sprint(k.backends) != before) {
			t.Errorf("too many: %v, %v, want %s", err, k.backends, before)
		}
		if room == 3 && (err != nil || len(k.backends) != 3 || k.backends[0].Name != "b") {
			t.Errorf("%v, %v", err, k.backends)
		}
	}
}

// picky is a kernel that refuses an update of the ports of splices while it has backends, and new
// backends, if the first port is one of this host's own.
type picky struct {
	*kernel
	own uint32
}

func (p *picky) SetConfig(ctx context.Context, u dprnl.ConfigUpdate) error {
	first := p.config.SpliceFirstPort
	set(&first, u.SpliceFirstPort)
	if (u.SpliceFirstPort != nil || u.SpliceLastPort != nil) && len(p.backends) > 0 && first == p.own {
		return &dprnl.Error{Op: "setting", Errno: syscall.EADDRINUSE}
	}
	return p.kernel.SetConfig(ctx, u)
}

func (p *picky) SetBackend(ctx context.Context, b dprnl.Backend) error {
	old, _ := backend(p.backends, b.Name)
	if (old.Address != b.Address || old.Port != b.Port) && p.config.SpliceFirstPort == p.own {
		return &dprnl.Error{Op: "setting backend", Errno: syscall.EADDRINUSE}
	}
	return p.kernel.SetBackend(ctx, b)
}

// Somebody has let this host have the ports of splices for its own connections, while there are
// backends: the file can be applied and taken back, as long as it does not change the ports or add
// backends; with others that are free, or without backends, also then. Nothing is lost otherwise.
func TestApplyWithPortsTaken(t *testing.T) {
	taken := func(list ...string) *picky {
		k := fresh(80)
		c := file(80)
		for _, name := range list {
			c.Backends = append(c.Backends, some(name, 1))
		}
		if _, err := Apply(t.Context(), k, c); err != nil {
			t.Fatal(err)
		}
		k.log = nil
		return &picky{k, k.config.SpliceFirstPort}
	}
	c := file(80, 443)
	c.MaxFlows++
	c.Backends = []dprnl.Backend{some("a", 7)}
	k := taken("a", "b")
	if _, err := Apply(t.Context(), k, c); err != nil || ports(k.services) != "443 80" || len(k.backends) != 1 || k.backends[0].Weight != 7 || k.config.MaxFlows != c.MaxFlows {
		t.Errorf("%v, services %v, backends %v", err, ports(k.services), k.backends)
	}
	k = taken("a")
	was, has := k.config, fmt.Sprint(k.backends)
	c.Backends = []dprnl.Backend{some("b", 1)}
	if _, err := Apply(t.Context(), k, c); !errors.Is(err, syscall.EADDRINUSE) || fmt.Sprint(k.backends) != has || k.config != was || ports(k.services) != "80" {
		t.Errorf("another backend: %v, services %v, backends %v", err, ports(k.services), k.backends)
	}
	if strings.Contains(strings.Join(k.log, ";"), "del backend") {
		t.Errorf("another backend: %v", k.log)
	}
	c.Backends = []dprnl.Backend{some("a", 1)}
	for _, change := range []func(){func() { c.SplicePorts.First++ }, func() { c.SplicePorts.First--; c.SplicePorts.Last--; c.Backends = nil }} {
		change()
		if k = taken("a"); true {
			_, err := Apply(t.Context(), k, c)
			if err != nil || k.config.SpliceLastPort != uint32(c.SplicePorts.Last) || k.config.SpliceFirstPort != uint32(c.SplicePorts.First) {
				t.Errorf("%v: %v, the kernel has %d", c.SplicePorts, err, k.config.SpliceFirstPort)
			}
		}
	}
	// It fails, and all that can be is as before.
	refuse := func(what string) error {
		if what == "add 443" {
			return errors.New("refused")
		}
		return nil
	}
	for what, change := range map[string]func(*config.Config){
		"the same ports":      func(c *config.Config) { c.Backends = []dprnl.Backend{some("b", 1)} },
		"no backends":         func(c *config.Config) { c.SplicePorts.Last-- },
		"ports that are free": func(c *config.Config) { c.SplicePorts.First++; c.Backends = []dprnl.Backend{some("a", 2)} },
	} {
		c := file(80, 443)
		c.MaxFlows++
		change(c)
		k := taken("a")
		k.refuse = refuse
		before, backends := k.config, fmt.Sprint(k.backends)
		_, err := Apply(t.Context(), k, c)
		if k.config.SpliceFirstPort = before.SpliceFirstPort; err == nil || k.config != before || fmt.Sprint(k.backends) != backends || ports(k.services) != "80" {
			t.Errorf("%s: %v, configuration %+v, backends %v, services %v", what, err, k.config, k.backends, ports(k.services))
		}
		if said := strings.Contains(err.Error(), "restoring the configuration"); said != (what == "ports that are free") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whoever checks backends may find one up, or down, while the file is applied or taken back: that
// stays.
func TestApplyWhileBackendsChange(t *testing.T) {
	for _, down := range []bool{true, false} {
		for _, fails := range []bool{true, false} {
			k := fresh(80)
			k.backends = []dprnl.BackendStatus{{Backend: some("a", 1)}}
			k.backends[0].Down = !down
			k.refuse = func(what string) error {
				switch what {
				case "config":
					k.backends[0].Down = down
				case "backend b":
					return map[bool]error{true: errors.New("refused")}[fails]
				}
				return nil
			}
			c := file(80)
			c.Backends = []dprnl.Backend{some("a", 2), some("b", 1)}
			if _, err := Apply(t.Context(), k, c); (err != nil) != fails || k.backends[0].Down != down || fails != (k.backends[0].Weight == 1) {
				t.Errorf("down %v, fails %v: %v, %+v", down, fails, err, k.backends)
			}
		}
	}
}
