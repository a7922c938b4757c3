// SPDX-License-Identifier: MIT

package dprnl

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// What the kernel says of a backend is read; without its name, its address or its services it
// is no answer.
func TestDecodeBackend(t *testing.T) {
	row := append(fullBackendAttrs[:len(fullBackendAttrs):len(fullBackendAttrs)], u32(backendAttrConnections, 5), u64(backendAttrSpliced, 1<<40))
	got, err := decodeBackend(marshal(row...))
	if want := (BackendStatus{fullBackend, 5, 1 << 40}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, missing := range []uint16{backendAttrName, backendAttrAddress, backendAttrServices} {
		var some []netlink.Attribute
		for _, a := range row {
			if a.Type != missing {
				some = append(some, a)
			}
		}
		if _, err := decodeBackend(marshal(some...)); err == nil {
			t.Errorf("without attribute %d it is read", missing)
		}
	}
}

// An older module has no backends, and does not hear of the ports of splices.
func TestBackendsOfOlder(t *testing.T) {
	c := testClient(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		t.Error("something was sent")
		return nil, nil
	})
	c.family.Version = knowsBackends - 1
	if list, err := c.Backends(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if err := c.SetBackend(t.Context(), fullBackend); !errors.Is(err, errOlder) {
		t.Errorf("%v", err)
	}
	if err := c.DeleteBackend(t.Context(), "b"); !errors.Is(err, errOlder) {
		t.Errorf("%v", err)
	}
	c.family.Version = knowsDown - 1
	if err := c.SetBackendDown(t.Context(), "b", true); !errors.Is(err, errOlder) {
		t.Errorf("%v", err)
	}
	c.family.Version = knowsProxy - 1
	if err := c.SetBackend(t.Context(), fullBackend); !errors.Is(err, errOlder) {
		t.Errorf("%v", err)
	}
	plain := fullBackend
	plain.Proxy = false
	e := newEncoder(knowsProxy - 1)
	e.backend(plain)
	data, err := e.encode()
	if want := marshal(fullBackendAttrs[:len(fullBackendAttrs)-1]...); err != nil || string(data) != string(want) {
		t.Errorf("% x, %v, want % x", data, err, want)
	}
	e = newEncoder(knowsBackends - 1)
	e.config(ConfigUpdate{MaxLoad: ptr(uint64(0)), SpliceFirstPort: ptr(uint32(1)), SpliceLastPort: ptr(uint32(1)), MaxSplices: ptr(uint32(1))})
	data, err = e.encode()
	if want := marshal(u64(configAttrMaxLoad, 0)); err != nil || string(data) != string(want) {
		t.Errorf("% x, %v, want % x", data, err, want)
	}
}

func TestBackendText(t *testing.T) {
	for _, tt := range []struct {
		b    Backend
		want string
	}{
		{fullBackend, "b.1 at 192.0.2.2:8080 for [80 443], weight 3, limit 4, PROXY protocol"},
		{Backend{Name: "x", Address: six1, Services: []uint16{80}}, "x at " + six1.String() + " for [80], weight 1"},
	} {
		if got := tt.b.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	for name, want := range map[string]bool{"a": true, "A-z_0.9": true, "": false, "a b": false, "ä": false, "a/": false, "a:": false, "@": false, "[": false, "`": false, "{": false,
		strings.Repeat("a", MaxBackendName): true, strings.Repeat("a", MaxBackendName+1): false} {
		if got := ValidBackendName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	many := fullBackend
	many.Services = make([]uint16, MaxBackendServices+1)
	if err := testClient(t, nil).SetBackend(t.Context(), many); err == nil || !strings.Contains(err.Error(), "17 services") {
		t.Errorf("%v", err)
	}
}
