// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/genetlink"

	"dpr/testbed/check/fuzz/wire"
	"dpr/userland/dprnl"
)

// nobody is a user without rights.
const nobody = 65534

// netlink sends messages to the module: half of them as root, half as the root of
// a user namespace, and a few more as a user that may nothing. Nothing that they
// do in their namespaces may show in the first one.
func (f *fuzzer) netlink(ctx context.Context) error {
	if err := insert(moduleDPR, ""); err != nil {
		return err
	}
	if err := buildNetwork(); err != nil {
		return err
	}
	c, err := dprnl.New()
	if err != nil {
		return err
	}
	defer c.Close()
	number, err := familyNumber()
	if err != nil {
		return err
	}
	if err := setUpFirst(ctx, c); err != nil {
		return err
	}
	before, err := readState(ctx, c)
	if err != nil {
		return err
	}
	start := time.Now()
	all, err := f.senders(ctx, number)
	if err != nil {
		return err
	}
	r := wire.NetlinkResults{Users: map[string]int{}, Refused: map[string]int{}}
	for who, s := range all {
		r.Messages += s.Messages
		r.Users[who] = s.Messages
		r.Accepted += s.Accepted
		r.Compared += s.Compared
		r.Namespaces += s.Namespaces
		for errno, n := range s.Refused {
			r.Refused[errno] += n
		}
		for _, why := range s.Failures {
			if err := f.fail("%s", why); err != nil {
				return err
			}
		}
	}
	r.PerSecond = float64(r.Messages) / time.Since(start).Seconds()
	if after, err := readState(ctx, c); err != nil {
		return err
	} else if !before.equal(after) {
		if err := f.fail("what was done in other namespaces changed %+v to %+v", before, after); err != nil {
			return err
		}
	}
	if err := f.results(r); err != nil {
		return err
	}
	return remove(moduleDPR)
}

// setUpFirst configures the first namespace, so that there is something to see.
func setUpFirst(ctx context.Context, c *dprnl.Client) error {
	policy := dprnl.PolicyTwo
	if err := c.SetConfig(ctx, dprnl.ConfigUpdate{Address: &address, Policy: &policy}); err != nil {
		return err
	}
	if err := c.SetPeer(ctx, dprnl.PeerUpdate{Address: peerAddress(0), Metrics: &dprnl.Metrics{Connections: 7}}); err != nil {
		return err
	}
	return c.AddService(ctx, dprnl.Service{Port: ports[0]})
}

func familyNumber() (uint16, error) {
	c, err := genetlink.Dial(nil)
	if err != nil {
		return 0, fmt.Errorf("looking for the family: %w", err)
	}
	defer c.Close()
	f, err := c.GetFamily(dprnl.GenlName)
	if err != nil {
		return 0, fmt.Errorf("looking for the family: %w", err)
	}
	return f.ID, nil
}

// senders has children send all messages, side by side.
func (f *fuzzer) senders(ctx context.Context, number uint16) (map[string]sent, error) {
	n := f.plan.Messages
	share := map[string]int{asRoot: n / 2, asUser: n - n/2, asStranger: n / 20}
	var mu sync.Mutex
	all, first := map[string]sent{}, error(nil)
	var wg sync.WaitGroup
	for who, messages := range share {
		wg.Go(func() {
			s, err := child(ctx, who, f.plan.Seed, messages, number, f.plan.Limit)
			mu.Lock()
			defer mu.Unlock()
			if all[who] = s; err != nil && first == nil {
				first = fmt.Errorf("sending as %s: %w", who, err)
			}
		})
	}
	wg.Wait()
	return all, first
}

// child runs a sender.
func child(ctx context.Context, who string, seed uint64, messages int, number uint16, seconds int) (s sent, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, self, roleSender, who, strconv.FormatUint(seed, 10), strconv.Itoa(messages), strconv.Itoa(int(number)), strconv.Itoa(seconds))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	switch who {
	case asUser:
		one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER, UidMappings: one, GidMappings: one,
			Credential: &syscall.Credential{NoSetGroups: true},
		}
	case asStranger:
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return s, json.Unmarshal(out, &s)
}
