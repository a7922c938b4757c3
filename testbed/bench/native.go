// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"

	"dpr/testbed/lab"
)

// native measures the same in ns where a kernel runs natively: under KVM, if it
// boots a guest here.
func (o Options) native(ctx context.Context, r *Report) (err error) {
	p := r.Plan
	p.Profile, p.Rounds = false, nativeRounds
	c, err := guestConfig(o.Kernel, "", p, o.Progress)
	if err != nil {
		return err
	}
	guest, err := lab.NewSolo(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, guest.Close()) }()
	accel, err := guest.Accel(ctx)
	if err != nil {
		return err
	}
	if accel != "kvm" {
		r.Native.Why = "no guest boots under KVM on this machine"
		return nil
	}
	f, err := measure(ctx, guest, accel, o.Progress)
	if err != nil {
		return fmt.Errorf("native speed: %w", err)
	}
	r.take(f)
	r.Native = Native{Measured: true, How: accel}
	return nil
}
