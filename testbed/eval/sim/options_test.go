// SPDX-License-Identifier: MIT

package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	o := Defaults()
	configs, err := o.Configs()
	if err != nil || len(configs) != len(Policies()) {
		t.Fatalf("%d simulations, %v", len(configs), err)
	}
	for i, c := range configs {
		if c.Policy != Policies()[i] || c.Users != PaperConfig().Users || c.Seconds != 200 {
			t.Errorf("simulation %d: %+v", i, c)
		}
	}
	for _, tt := range []struct {
		hosts   int
		traffic string
		even    bool
	}{{3, uniform, true}, {10, "", true}, {10, zipf, false}} {
		o := Defaults()
		o.Hosts, o.Traffic, o.Load, o.Policies = tt.hosts, tt.traffic, 0.45, []string{"random"}
		configs, err := o.Configs()
		if err != nil || len(configs) != 1 {
			t.Fatalf("%+v: %d simulations, %v", tt, len(configs), err)
		}
		c := configs[0]
		even := slices.Max(c.Shares) == slices.Min(c.Shares)
		if want := 0.45 * 235 * float64(tt.hosts); c.Users != 0 || math.Abs(c.Rate-want) > 1e-6 || even != tt.even {
			t.Errorf("%+v: users %d, rate %v, want %v, shares %v", tt, c.Users, c.Rate, want, c.Shares)
		}
	}
	o.Hosts = MaxHosts + 1
	if _, err := o.Configs(); err == nil || !strings.Contains(err.Error(), "--hosts 16385: want 1 to 16384") {
		t.Errorf("too many hosts: %v", err)
	}
}
