// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"

	"dpr/userland/dprnl"
)

// operation is something that the module is asked for, or that happens to it.
type operation struct {
	name string
	do   func(context.Context, *dprnl.Client) error
	// ready, if there is one, makes sure that it can be done, again and again.
	ready func(context.Context, *dprnl.Client) error
}

// added is a peer that only operations add.
var added = netip.MustParseAddr("10.9.0.40")

// addedService is a service that only operations add.
var addedService = dprnl.Service{Port: 90}

// addedBackend is a backend that only operations add, and to which no client comes.
var addedBackend = dprnl.Backend{Name: "added", Address: backendAddress(0, false), Services: []uint16{addedService.Port}}

// tolerate makes errors that say how things stand none.
func tolerate(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func setPolicy(ctx context.Context, c *dprnl.Client, p dprnl.Policy) error {
	return c.SetConfig(ctx, dprnl.ConfigUpdate{Policy: &p})
}

// commandOperations are the family's commands, each in the ways that take memory
// differently.
func commandOperations() []operation {
	type doing = func(context.Context, *dprnl.Client) error
	addPeer := func(ctx context.Context, c *dprnl.Client) error {
		return c.SetPeer(ctx, dprnl.PeerUpdate{Address: added, Metrics: &dprnl.Metrics{Connections: 3}})
	}
	delPeer := func(dead bool) doing {
		return func(ctx context.Context, c *dprnl.Client) error { return c.DeletePeer(ctx, added, dead) }
	}
	unasked := func(ctx context.Context, c *dprnl.Client) error {
		return errors.Join(tolerate(c.DeletePeer(ctx, added, true)), c.SetPeer(ctx, dprnl.PeerUpdate{Address: added, Metrics: &dprnl.Metrics{}, Protocol: newest}))
	}
	gone := func(ctx context.Context, c *dprnl.Client) error { return tolerate(c.DeletePeer(ctx, added, true)) }
	under := func(p dprnl.Policy, then doing) doing {
		return func(ctx context.Context, c *dprnl.Client) error {
			if err := setPolicy(ctx, c, p); err != nil {
				return err
			}
			return then(ctx, c)
		}
	}
	addService := func(ctx context.Context, c *dprnl.Client) error { return c.AddService(ctx, addedService) }
	setBackend := func(ctx context.Context, c *dprnl.Client) error { return c.SetBackend(ctx, addedBackend) }
	noBackend := func(ctx context.Context, c *dprnl.Client) error {
		return tolerate(c.DeleteBackend(ctx, addedBackend.Name))
	}
	setService := func(p dprnl.Policy) func(context.Context, *dprnl.Client) error {
		s := addedService
		s.Rules.Policy = dprnl.Own(p)
		return func(ctx context.Context, c *dprnl.Client) error { return c.SetService(ctx, s) }
	}
	return []operation{
		{name: "config get", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Config(ctx); return err }},
		{name: "config set", do: func(ctx context.Context, c *dprnl.Client) error { return setPolicy(ctx, c, dprnl.PolicyTwo) }},
		{name: "config set stateless", do: func(ctx context.Context, c *dprnl.Client) error { return setPolicy(ctx, c, dprnl.PolicyStateless) },
			ready: func(ctx context.Context, c *dprnl.Client) error { return setPolicy(ctx, c, dprnl.PolicyLowest) }},
		{name: "config set orphans", do: func(ctx context.Context, c *dprnl.Client) error {
			ask := dprnl.OrphansAsk
			return c.SetConfig(ctx, dprnl.ConfigUpdate{Orphans: &ask})
		}},
		{name: "service add", do: addService,
			ready: func(ctx context.Context, c *dprnl.Client) error { return tolerate(c.DeleteService(ctx, addedService)) }},
		{name: "service del", do: func(ctx context.Context, c *dprnl.Client) error { return c.DeleteService(ctx, addedService) },
			ready: func(ctx context.Context, c *dprnl.Client) error { return tolerate(addService(ctx, c)) }},
		{name: "service set", do: setService(dprnl.PolicyTwo),
			ready: func(ctx context.Context, c *dprnl.Client) error { return tolerate(addService(ctx, c)) }},
		{name: "service set stateless", do: setService(dprnl.PolicyStateless), ready: func(ctx context.Context, c *dprnl.Client) error {
			return errors.Join(tolerate(addService(ctx, c)), setService(dprnl.PolicyTwo)(ctx, c))
		}},
		{name: "rules set", do: setRules(rulesets[0]), ready: setRules(rulesets[1])},
		{name: "rules removed", do: setRules(dprnl.Ruleset{}), ready: setRules(rulesets[1])},
		{name: "rules get", do: func(ctx context.Context, c *dprnl.Client) error {
			_, err := c.Ruleset(ctx, addedService)
			return err
		}, ready: setRules(rulesets[1])},
		{name: "rules test", do: func(ctx context.Context, c *dprnl.Client) error {
			_, err := c.TestRuleset(ctx, addedService, requests[0], false, netip.MustParseAddrPort("10.0.0.9:1"))
			return err
		}, ready: setRules(rulesets[1])},
		{name: "service del, with rules", do: func(ctx context.Context, c *dprnl.Client) error { return c.DeleteService(ctx, addedService) },
			ready: setRules(rulesets[1])},
		{name: "service get", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Services(ctx); return err }},
		{name: "peer set, new", do: addPeer, ready: gone},
		{name: "peer set, new, stateless", do: addPeer, ready: under(dprnl.PolicyStateless, gone)},
		{name: "peer set, known", do: addPeer, ready: addPeer},
		{name: "peer del", do: delPeer(false), ready: addPeer},
		{name: "peer del, stateless", do: delPeer(false), ready: under(dprnl.PolicyStateless, addPeer)},
		{name: "peer del, dead", do: delPeer(true), ready: addPeer},
		{name: "peer ask", do: func(ctx context.Context, c *dprnl.Client) error { return c.AskPeer(ctx, added) }, ready: unasked},
		{name: "peer get", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Peer(ctx, added); return err }, ready: addPeer},
		{name: "peers", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Peers(ctx); return err }},
		{name: "backend set, new", do: setBackend, ready: noBackend},
		{name: "backend set, known", do: func(ctx context.Context, c *dprnl.Client) error {
			b := addedBackend
			b.Port, b.Weight, b.Services = 8080, 7, []uint16{addedService.Port, 91}
			return c.SetBackend(ctx, b)
		}, ready: setBackend},
		{name: "backend down", do: func(ctx context.Context, c *dprnl.Client) error {
			return c.SetBackendDown(ctx, addedBackend.Name, true)
		},
			ready: func(ctx context.Context, c *dprnl.Client) error {
				return errors.Join(noBackend(ctx, c), setBackend(ctx, c))
			}},
		{name: "backend del", do: func(ctx context.Context, c *dprnl.Client) error { return c.DeleteBackend(ctx, addedBackend.Name) },
			ready: setBackend},
		{name: "backends", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Backends(ctx); return err }, ready: setBackend},
		{name: "flows", do: func(ctx context.Context, c *dprnl.Client) error {
			for _, err := range c.Flows(ctx, dprnl.FlowFilter{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "flow del", do: deleteFlow},
		{name: "expire", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Expire(ctx, 4096); return err },
			ready: killAndRestore},
		{name: "load", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Load(ctx); return err }},
		{name: "stats", do: func(ctx context.Context, c *dprnl.Client) error { _, err := c.Stats(ctx); return err }},
	}
}

// deleteFlow deletes the first flow that there is.
func deleteFlow(ctx context.Context, c *dprnl.Client) error {
	for f, err := range c.Flows(ctx, dprnl.FlowFilter{}) {
		if err != nil {
			return err
		}
		// Who sends from port 0 may have one, too, but nobody can name it.
		if f.Client.Port() != 0 {
			return c.DeleteFlow(ctx, f.FlowKey)
		}
	}
	return nil
}

// killAndRestore declares a peer dead, and makes it known again: clean-up ends its
// flows.
func killAndRestore(ctx context.Context, c *dprnl.Client) error {
	if err := tolerate(c.DeletePeer(ctx, peerAddress(0), true)); err != nil {
		return err
	}
	return c.SetPeer(ctx, dprnl.PeerUpdate{Address: peerAddress(0), Metrics: &dprnl.Metrics{}})
}

// inNewNamespace calls f in a namespace of its own, which then goes.
func inNewNamespace(f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Setns(home, unix.CLONE_NEWNET), unix.Close(home)) }()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	return f()
}

// configuredNamespace makes a namespace that redirects, has a few connections
// come in, and leaves it as it is.
func configuredNamespace(ctx context.Context) error {
	return inNewNamespace(func() error {
		n, err := newSmallNetwork()
		if err != nil {
			return err
		}
		defer n.close()
		c, err := dprnl.New()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := redirecting(ctx, c); err != nil {
			return err
		}
		for i := range 20 {
			if err := n.syn(uint16(i), 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// redirecting has a namespace redirect all that it is asked.
func redirecting(ctx context.Context, c *dprnl.Client) error {
	policy, state := dprnl.PolicyLowest, dprnl.StateDraining
	if err := c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &address, Policy: &policy, State: &state}); err != nil {
		return err
	}
	for i := range peers - 2 {
		if err := c.SetPeer(ctx, dprnl.PeerUpdate{Address: peerAddress(i), Metrics: &dprnl.Metrics{}}); err != nil {
			return err
		}
	}
	return c.AddService(ctx, dprnl.Service{Port: ports[0]})
}
