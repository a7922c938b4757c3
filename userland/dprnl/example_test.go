// SPDX-License-Identifier: MIT

package dprnl_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"syscall"

	"dpr/userland/dprnl"
)

// Configure a host and make port 80 a service of the cluster. It takes the module
// and the right to use it.
func Example() {
	ctx := context.Background()
	c, err := dprnl.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	address, policy := netip.MustParseAddr("192.0.2.1"), dprnl.PolicyLowest
	if err := c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &address, Policy: &policy}); err != nil {
		fmt.Println(err)
		return
	}
	err = c.AddService(ctx, dprnl.Service{Port: 80})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		fmt.Println(err)
	}
}

// Flows are read one by one, however many there are.
func ExampleClient_Flows() {
	c, err := dprnl.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	established := dprnl.FlowEstablished
	for f, err := range c.Flows(context.Background(), dprnl.FlowFilter{State: &established}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(f.Client, "is served by", f.Peer)
	}
}

// Events come until the context ends. ErrEventsLost is no end: those that follow are
// complete again.
func ExampleEvents_All() {
	e, err := dprnl.NewEvents()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	for ev, err := range e.All(context.Background()) {
		switch {
		case errors.Is(err, dprnl.ErrEventsLost):
			fmt.Println("read the peers again")
		case err != nil:
			fmt.Println(err)
			return
		default:
			fmt.Println(ev.Type, ev.Peer)
		}
	}
}

// A refusal by the kernel says what was being done, and answers errors.Is.
func ExampleError() {
	var err error = &dprnl.Error{Op: "adding service 80", Errno: syscall.EEXIST, Message: "there is this service"}
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrExist), errors.Is(err, dprnl.ErrNoRight))
	// Output:
	// adding service 80: there is this service (file exists)
	// true false
}

func ExampleParseMaxLoad() {
	for _, s := range []string{"1000", "auto", "many"} {
		v, err := dprnl.ParseMaxLoad(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(v == dprnl.MaxLoadAuto, dprnl.FormatMaxLoad(v))
	}
	// Output:
	// false 1000
	// true auto
	// "many" is neither auto nor a whole number from 0 to 9223372036854775807
}

func ExampleService_String() {
	fmt.Println(dprnl.Service{Port: 80})
	fmt.Println(dprnl.Service{Port: 443, Address: netip.MustParseAddr("192.0.2.1")})
	// Output:
	// 80
	// 192.0.2.1:443
}

// Counters have names, which are also those of their JSON.
func ExampleStats_All() {
	s := dprnl.NewStats(map[dprnl.Stat]uint64{dprnl.StatServedLowest: 7})
	for k, v := range s.All() {
		if v != 0 {
			fmt.Println(k, v)
		}
	}
	// Output: served_lowest 7
}

// An update of a whole configuration makes another host's equal to it.
func ExampleConfig_Update() {
	c := dprnl.Config{Policy: dprnl.PolicyOffer, MaxLoad: dprnl.MaxLoadAuto}
	u := c.Update()
	u.Address = nil // each host has its own
	if err := json.NewEncoder(os.Stdout).Encode([]any{u.Policy, u.Address}); err != nil {
		fmt.Println(err)
	}
	// Output: ["offer",null]
}
