// SPDX-License-Identifier: MIT

package dprnl

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// knowsBackends is the version of the family from which on there are backends.
const knowsBackends = 8

// knowsProxy is the version from which on backends can get the PROXY protocol, and knowsDown
// that from which on they can be set down by name.
const (
	knowsProxy = 9
	knowsDown  = 9
)

// A Backend is a server that runs nothing of ours, to which this host passes connections on.
type Backend struct {
	Name     string     // 1 to MaxBackendName letters, digits, "-", "_" or "."
	Address  netip.Addr // clients of its family can get it
	Port     uint16     // 0: the service's
	Weight   uint32     // relative capacity, 1 to MaxWeight; 0 stands for 1
	Limit    uint32     // connections that it may have from this host; 0: any number
	Down     bool       // it gets no new connections; see SetBackend
	Services []uint16   // ports of its services, 1 to MaxBackendServices
	Proxy    bool       // it learns the client's address, by the PROXY protocol, version 2
}

// String says where connections go, and what else is set.
func (b Backend) String() string {
	at := b.Address.String()
	if b.Port != 0 {
		at = netip.AddrPortFrom(b.Address, b.Port).String()
	}
	text := fmt.Sprintf("%s at %s for %v, weight %d", b.Name, at, b.Services, max(b.Weight, 1))
	if b.Limit != 0 {
		text += fmt.Sprintf(", limit %d", b.Limit)
	}
	if b.Proxy {
		text += ", PROXY protocol"
	}
	return text
}

// A BackendStatus is a backend, and what connections this host has to it.
type BackendStatus struct {
	Backend
	Connections uint32 // those that are not over
	Spliced     uint64 // that it has got since it was added
}

// ValidBackendName says whether a backend can have a name.
func ValidBackendName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != "" && len(name) <= MaxBackendName
}

// Backends returns the backends of the namespace, by name; none of an older module.
func (c *Client) Backends(ctx context.Context) ([]BackendStatus, error) {
	if c.version() < knowsBackends {
		return nil, nil
	}
	return dump(ctx, c, "listing backends", cmdBackendGet, newEncoder(c.version()), decodeBackend)
}

// SetBackend adds a backend, or replaces what was set of the one of that name, but not Down
// unless that is true: whoever checks backends may be changing it (SetBackendDown). Its
// connections continue, if Address, Port or Proxy change with the old ones. The error is EINVAL
// for an address that is this host's or a peer's, EDESTADDRREQ if the host has no configured
// address, EADDRINUSE if this host could use the ports of splices for connections of its own:
// then a backend that is there keeps its Address and Port, and all else of it can change. The
// error is ENOSPC beyond MaxBackends, if nothing else is wrong.
func (c *Client) SetBackend(ctx context.Context, b Backend) error {
	e := newEncoder(c.version())
	e.backend(b)
	return c.do(ctx, "setting backend "+b.Name, cmdBackendSet, e)
}

// SetBackendDown has a backend get no new connections, or some again. Nothing else of it
// changes, whoever else is changing it. The error is fs.ErrNotExist if there is none of that
// name.
func (c *Client) SetBackendDown(ctx context.Context, name string, down bool) error {
	e := newEncoder(c.version())
	e.backends()
	if e.version < knowsDown {
		e.fail(fmt.Errorf("%w: a backend is set as a whole", errOlder))
	}
	e.ae.String(backendAttrName, name)
	e.down(down)
	return c.do(ctx, "setting backend "+name, cmdBackendSet, e)
}

// DeleteBackend removes a backend: its connections continue. The error is fs.ErrNotExist if
// there is none of that name.
func (c *Client) DeleteBackend(ctx context.Context, name string) error {
	e := newEncoder(c.version())
	e.backends()
	e.ae.String(backendAttrName, name)
	return c.do(ctx, "deleting backend "+name, cmdBackendDel, e)
}

// backends says that the module must know backends.
func (e *encoder) backends() {
	if e.version < knowsBackends {
		e.fail(fmt.Errorf("%w: it has no backends", errOlder))
	}
}

func (e *encoder) down(down bool) {
	value := uint8(0)
	if down {
		value = 1
	}
	e.ae.Uint8(backendAttrDown, value)
}

func (e *encoder) backend(b Backend) {
	e.backends()
	e.ae.String(backendAttrName, b.Name)
	e.addr(backendAttrAddress, "address of the backend", b.Address)
	e.ae.Uint16(backendAttrPort, b.Port)
	e.ae.Uint32(backendAttrWeight, max(b.Weight, 1))
	e.ae.Uint32(backendAttrLimit, b.Limit)
	if b.Down {
		e.down(true)
	}
	if len(b.Services) > MaxBackendServices {
		e.fail(fmt.Errorf("%d services, a backend has at most %d", len(b.Services), MaxBackendServices))
		return
	}
	var ports []byte
	for _, p := range b.Services {
		ports = binary.NativeEndian.AppendUint16(ports, p)
	}
	e.ae.Bytes(backendAttrServices, ports)
	switch {
	case e.version >= knowsProxy:
		version := uint8(0)
		if b.Proxy {
			version = BackendProxy
		}
		e.ae.Uint8(backendAttrProxy, version)
	case b.Proxy:
		e.fail(fmt.Errorf("%w: it has no PROXY protocol", errOlder))
	}
}

func decodeBackend(data []byte) (BackendStatus, error) {
	var b BackendStatus
	var down, proxy uint8
	_, err := decode(data, fields{
		backendAttrName:        &b.Name,
		backendAttrAddress:     &b.Address,
		backendAttrPort:        &b.Port,
		backendAttrWeight:      &b.Weight,
		backendAttrLimit:       &b.Limit,
		backendAttrDown:        &down,
		backendAttrServices:    &b.Services,
		backendAttrConnections: &b.Connections,
		backendAttrSpliced:     &b.Spliced,
		backendAttrProxy:       &proxy,
	}, backendAttrName, backendAttrAddress, backendAttrServices)
	b.Down, b.Proxy = down != 0, proxy != 0
	return b, err
}
