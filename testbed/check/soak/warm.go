// SPDX-License-Identifier: MIT

package soak

import (
	"context"
	"fmt"
	"time"

	"dpr/testbed/check/accounting"
	"dpr/testbed/lab/drive"
)

const (
	// warmRound is how long clients load the cluster before the hosts are asked again.
	warmRound = 2 * time.Second
	// warmRounds are enough for a hash to send a connection to each host.
	warmRounds = 20
)

// warm has every host serve redirected connections before anything is measured: the
// module takes memory with the first, 1 MiB for connections that close.
func (s *soak) warm(ctx context.Context) error {
	cluster := drive.Of(s.lab)
	if err := cluster.SetPolicy(ctx, "stateless"); err != nil {
		return err
	}
	var cold string
	for round := range uint64(warmRounds) {
		plans, err := s.plans(time.Now().Add(200*time.Millisecond), warmRound, s.o.Seed+round)
		if err != nil {
			return err
		}
		if _, err := cluster.Load(ctx, s.o.LoadCommand, plans); err != nil {
			return err
		}
		time.Sleep(settle)
		if cold, err = s.cold(ctx); err != nil {
			return err
		}
		if cold == "" {
			return cluster.SetPolicy(ctx, "lowest")
		}
	}
	return fmt.Errorf("%s served no redirected connection in %d rounds of load", cold, warmRounds)
}

// cold is a host that has served no redirected connection, "" if each has.
func (s *soak) cold(ctx context.Context) (string, error) {
	for _, h := range s.lab.Servers() {
		r, err := accounting.Read(ctx, s.lab, h.Name, false)
		if err != nil {
			return "", err
		}
		if r.Stats["rx_syn"] == 0 {
			return h.Name, nil
		}
	}
	return "", nil
}
