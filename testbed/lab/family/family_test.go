// SPDX-License-Identifier: MIT

package family

import (
	"slices"
	"testing"
)

func TestMix(t *testing.T) {
	for _, tt := range []struct {
		mix     Mix
		clients []Family // of the first three
		all     []Family
		own     Family
		name    string
	}{
		{Only4, []Family{V4, V4, V4}, []Family{V4}, V4, "IPv4"},
		{Only6, []Family{V6, V6, V6}, []Family{V6}, V6, "IPv6"},
		{Both, []Family{V4, V6, V4}, []Family{V4, V6}, V4, "IPv4 and IPv6"},
	} {
		clients := []Family{tt.mix.Of(0), tt.mix.Of(1), tt.mix.Of(2)}
		if !slices.Equal(clients, tt.clients) || !slices.Equal(tt.mix.Families(), tt.all) || tt.mix.Own() != tt.own || tt.mix.Name() != tt.name {
			t.Errorf("%s: clients %v of %v, own address %v, called %s", tt.mix, clients, tt.mix.Families(), tt.mix.Own(), tt.mix.Name())
		}
	}
	if V4.Header() != 20 || V6.Header() != 40 {
		t.Errorf("headers of %d and %d bytes", V4.Header(), V6.Header())
	}
}

func TestFlags(t *testing.T) {
	f, m := V4, Both
	one, mix := Flag(&f, "{range}"), MixFlag(&m, "{range}")
	if one.Usage != "4, 6" || one.Default != "4" || mix.Usage != "4, 6, both" || mix.Default != "both" {
		t.Errorf("%+v\n%+v", one, mix)
	}
	if err := one.Set("6"); err != nil || f != V6 {
		t.Errorf("--family 6 gives %v, %v", f, err)
	}
	for _, bad := range []string{"", "5", "10", "both", "v6"} {
		if err := one.Set(bad); err == nil {
			t.Errorf("--family %q gives %v", bad, f)
		}
	}
	if err := mix.Set("5"); err == nil {
		t.Errorf("--family 5 gives %v", m)
	}
	f, m = 0, ""
	if one.Check() == nil || mix.Check() == nil {
		t.Error("no family is one")
	}
}
