// SPDX-License-Identifier: MIT

package xdp

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"dpr/userland/fastpath"
)

// lookEvery is how often a Keeper looks whether what it found is still so: a device may
// come, or a firewall.
const lookEvery = 20 * time.Second

// An attachment is what a Keeper needs of a Link.
type attachment interface{ Close() error }

// A Keeper keeps the fast path attached to the devices that are configured, unless something
// is in the way. It is a fastpath.Keeper.
type Keeper struct {
	log     *slog.Logger
	kick    chan struct{}
	settled chan struct{} // closed once Run has looked at all devices

	// For tests.
	attach    func(device string, force bool) (attachment, error)
	obstacles func(ctx context.Context, device string) (Obstacles, error)
	index     func(device string) int // 0: there is none

	mu     sync.Mutex
	want   fastpath.Want
	states []fastpath.State
	begun  time.Time // of the look at a device; zero: there is none

	held map[string]*holding // by device; Run's own
}

// A holding is a device to which the fast path is attached.
type holding struct {
	link   attachment
	index  int
	force  bool
	unread bool // the last look at the device failed
}

// NewKeeper returns a keeper that wants nothing yet.
func NewKeeper(log *slog.Logger) *Keeper {
	return &Keeper{
		log: log, kick: make(chan struct{}, 1), settled: make(chan struct{}), held: map[string]*holding{},
		attach:    func(device string, force bool) (attachment, error) { return Attach(device, force) },
		obstacles: FindObstacles,
		index: func(device string) int {
			ifi, err := net.InterfaceByName(device)
			if err != nil {
				return 0
			}
			return ifi.Index
		},
	}
}

// Set changes what is wanted, soon.
func (k *Keeper) Set(w fastpath.Want) {
	k.mu.Lock()
	k.want = w
	k.mu.Unlock()
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// States returns the state of each device that is configured.
func (k *Keeper) States() []fastpath.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.states)
}

// Settled is closed once all devices have been looked at.
func (k *Keeper) Settled() <-chan struct{} { return k.settled }

// Busy is for how long the look at one device has gone on; 0: there is none.
func (k *Keeper) Busy() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.begun.IsZero() {
		return 0
	}
	return time.Since(k.begun)
}

// look notes that the look at a device begins, or that of the last one has ended.
func (k *Keeper) look(begun time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun = begun
}

// Run keeps it so until ctx is done, and then detaches from all devices. It is called once.
func (k *Keeper) Run(ctx context.Context) {
	defer k.settle(context.WithoutCancel(ctx), fastpath.Want{})
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		k.mu.Lock()
		w := k.want
		k.mu.Unlock()
		k.settle(ctx, w)
		if first {
			close(k.settled)
		}
		select {
		case <-ctx.Done():
			return
		case <-k.kick:
		case <-tick.C:
		}
	}
}

// settle makes it as wanted, as far as possible.
func (k *Keeper) settle(ctx context.Context, w fastpath.Want) {
	for device, h := range k.held {
		if !slices.Contains(w.Devices, device) || h.force != w.Force || h.index != k.index(device) {
			k.release(device, "it is not configured any more, or the device has changed")
		}
	}
	before := k.States()
	var states []fastpath.State
	defer k.look(time.Time{})
	for _, device := range w.Devices {
		k.look(time.Now())
		s := k.device(ctx, device, w.Force)
		if !s.Attached && !slices.Contains(before, s) {
			k.log.Warn("no fast path", "device", device, "reason", s.Reason)
		}
		states = append(states, s)
	}
	k.mu.Lock()
	k.states = states
	k.mu.Unlock()
}

// device attaches the fast path to a device, or keeps it there, or takes it off.
func (k *Keeper) device(ctx context.Context, device string, force bool) fastpath.State {
	s := fastpath.State{Device: device, Forced: force}
	o, err := k.obstacles(ctx, device)
	h := k.held[device]
	if h != nil && err == nil {
		// The program that is attached is our own, unless somebody took it off.
		n := len(o.Hard)
		o.Hard = slices.DeleteFunc(o.Hard, func(s string) bool { return s == ErrBusy.Error() })
		if n == len(o.Hard) {
			k.release(device, "somebody has taken it off")
			h = nil
		}
	}
	if err == nil && !o.None(force) {
		s.Reason = o.why(force)
	}
	if err != nil {
		s.Reason = err.Error()
	}
	failed := s.Reason != "" && (err != nil || o.unread(force))
	if failed && h != nil && !h.unread {
		// Many drivers reset their queues when a program goes or comes: the next look decides.
		k.log.Warn("the fast path stays on until the next look", "device", device, "reason", s.Reason)
		h.unread, s.Reason, s.Attached = true, "", true
		return s
	}
	if s.Reason != "" {
		if h != nil {
			k.release(device, s.Reason)
		}
		return s
	}
	if h != nil {
		h.unread = false
	} else {
		index := k.index(device)
		link, err := k.attach(device, force)
		if err != nil {
			s.Reason = err.Error()
			return s
		}
		k.held[device] = &holding{link: link, index: index, force: force}
		k.log.Info("the fast path is on", "device", device, "forced", force)
	}
	s.Attached = true
	return s
}

// release detaches from a device.
func (k *Keeper) release(device, why string) {
	err := k.held[device].link.Close()
	delete(k.held, device)
	k.log.Info("the fast path is off", "device", device, "reason", why, "error", err)
}
