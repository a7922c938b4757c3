// SPDX-License-Identifier: MIT

package dprnl

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A module is a kernel whose family can go and come back.
type module struct {
	id      uint16 // of the family; 0: not loaded
	refuse  error
	control int // requests to find the family
	served  int // commands that reached the family
}

func (m *module) answer(req genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
	if nreq.Header.Type == 0 { // the connection looks for an answer
		return nil, nil
	}
	if nreq.Header.Type == unix.GENL_ID_CTRL {
		m.control++
		if m.id == 0 {
			return nil, genltest.Error(int(syscall.ENOENT))
		}
		return genltest.ServeFamily(family(m.id), nil)(req, nreq)
	}
	if uint16(nreq.Header.Type) != m.id {
		return nil, genltest.Error(int(syscall.ENOENT))
	}
	m.served++
	return nil, m.refuse
}

func TestReload(t *testing.T) {
	m := &module{id: 30}
	c, err := initClient(genltest.Dial(m.answer), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	add := func() error { return c.AddService(t.Context(), Service{Port: 80}) }
	if err := add(); err != nil || m.control != 1 || m.served != 1 {
		t.Fatalf("%v; %+v", err, m)
	}
	m.id = 0
	if err := add(); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("removed: %v", err)
	}
	m.id = 31
	if err := add(); err != nil || m.served != 2 {
		t.Errorf("back: %v; %+v", err, m)
	}
	control := m.control
	if err := add(); err != nil || m.control != control {
		t.Errorf("the new number is not remembered: %v; %+v", err, m)
	}
}

// A refusal with ENOENT is not a reload: the command reaches the module once.
func TestRefusalIsNotReload(t *testing.T) {
	m := &module{id: 30, refuse: genltest.Error(int(syscall.ENOENT))}
	c, err := initClient(genltest.Dial(m.answer), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.DeletePeer(t.Context(), netip.MustParseAddr("192.0.2.1"), false)
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotLoaded) || m.served != 1 {
		t.Errorf("%v; %+v", err, m)
	}
}

// The kernel's own words are part of the error.
func TestExtendedAck(t *testing.T) {
	err := wrap("adding service 80", &netlink.OpError{Op: "receive", Err: syscall.EEXIST, Message: "port 80 is a service already"})
	if err.Error() != "adding service 80: port 80 is a service already (file exists)" {
		t.Error(err)
	}
	if !errors.Is(err, fs.ErrExist) {
		t.Error("it is not fs.ErrExist")
	}
	if mayBeStale(&netlink.OpError{Err: syscall.ENOENT, Message: "no such peer"}) {
		t.Error("the module's own ENOENT is taken for a lost family")
	}
	err = wrap("x", &netlink.OpError{Op: "receive", Err: syscall.EPERM})
	if !errors.Is(err, ErrNoRight) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Error(err)
	}
}
