// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"slices"
	"strings"
)

// A FastPathMode says whether packets of redirected connections pass by most of the stack.
type FastPathMode int

// The modes of the fast path.
const (
	FastPathOff    FastPathMode = iota
	FastPathXDP                 // where nobody else would have seen the packets
	FastPathForced              // even if somebody would have
)

var fastPathWords = []string{"off", "xdp", "xdp-forced"}

// String returns the word for the mode.
func (m FastPathMode) String() string { return fastPathWords[m] }

// UnmarshalText reads the word for a mode.
func (m *FastPathMode) UnmarshalText(text []byte) error {
	i := slices.Index(fastPathWords, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(fastPathWords, ", "))
	}
	*m = FastPathMode(i)
	return nil
}

// MaxFastPathDevices is how many devices the fast path can be on.
const MaxFastPathDevices = 16

// A FastPath says on which devices packets take it.
type FastPath struct {
	Mode    FastPathMode
	Devices []string
}

// fastPath reads the keys of the fast path.
func (t table) fastPath(f *FastPath) {
	t.word("fast_path", &f.Mode)
	v, given := t.take("fast_path_devices")
	if !given {
		if f.Mode != FastPathOff {
			t.d.mistake(t.key("fast_path"), `%q needs the devices: fast_path_devices, for example [ "eth0" ]`, f.Mode)
		}
		return
	}
	key := t.key("fast_path_devices")
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > MaxFastPathDevices {
		t.d.mistake(key, "want a list of 1 to %d names of network interfaces", MaxFastPathDevices)
		return
	}
	for _, e := range list {
		name, ok := e.(string)
		switch {
		case !ok || !interfaceName(name):
			t.d.mistake(key, "%s is not the name of a network interface", show(e))
		case slices.Contains(f.Devices, name):
			t.d.mistake(key, "%q is there twice", name)
		default:
			f.Devices = append(f.Devices, name)
		}
	}
}

// interfaceName tells whether the kernel takes a name for one of a network interface.
func interfaceName(s string) bool {
	return s != "" && len(s) <= 15 && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\v\f\r")
}
