// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

// ofConfig is the word for a rule that a service does not have of its own.
const ofConfig = "default"

// A ruleValue is the value of a flag for a service's rule: a word, or ofConfig.
type ruleValue[T comparable] struct {
	parse func(string) (T, error)
	given string
	rule  dprnl.Rule[T]
}

// Set implements flag.Value.
func (v *ruleValue[T]) Set(s string) error {
	if s == ofConfig {
		v.given, v.rule = s, dprnl.Rule[T]{}
		return nil
	}
	x, err := v.parse(s)
	if err != nil {
		return err
	}
	v.given, v.rule = s, dprnl.Own(x)
	return nil
}

// String implements flag.Value.
func (v *ruleValue[T]) String() string { return v.given }

// change changes a rule if the flag was given.
func (v *ruleValue[T]) change(r *dprnl.Rule[T]) {
	if v.given != "" {
		*r = v.rule
	}
}

// parseWord parses one of the words that T knows.
func parseWord[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](s string) (T, error) {
	var v T
	err := P(&v).UnmarshalText([]byte(s))
	return v, err
}

// parseBits returns a parser of a number from least to most.
func parseBits(least, most uint32) func(string) (uint32, error) {
	return func(s string) (uint32, error) {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n < uint64(least) || n > uint64(most) {
			return 0, fmt.Errorf("%q is not a number from %d to %d", s, least, most)
		}
		return uint32(n), nil
	}
}

// ruleFlags are the flags of "service add" and "service set".
type ruleFlags struct {
	policy  ruleValue[dprnl.Policy]
	hash    ruleValue[dprnl.Hash]
	maxLoad ruleValue[uint64]

	affinity     ruleValue[uint32]
	affinity6    ruleValue[uint32]
	affinityTime ruleValue[time.Duration]

	load       ruleValue[dprnl.ServiceLoad]
	forwarding ruleValue[dprnl.Forwarding]
	dispatch   ruleValue[dprnl.Dispatch]
}

func newRuleFlags() *ruleFlags {
	return &ruleFlags{
		policy:  ruleValue[dprnl.Policy]{parse: parseWord[dprnl.Policy]},
		hash:    ruleValue[dprnl.Hash]{parse: parseWord[dprnl.Hash]},
		maxLoad: ruleValue[uint64]{parse: dprnl.ParseMaxLoad},

		affinity:     ruleValue[uint32]{parse: parseBits(0, dprnl.AffinityBits)},
		affinity6:    ruleValue[uint32]{parse: parseBits(1, dprnl.Affinity6Bits)},
		affinityTime: ruleValue[time.Duration]{parse: time.ParseDuration},

		load:       ruleValue[dprnl.ServiceLoad]{parse: parseWord[dprnl.ServiceLoad]},
		forwarding: ruleValue[dprnl.Forwarding]{parse: parseWord[dprnl.Forwarding]},
		dispatch:   ruleValue[dprnl.Dispatch]{parse: parseWord[dprnl.Dispatch]},
	}
}

func (f *ruleFlags) flags() []cli.Flag {
	or := func(list []string) string { return "`" + strings.Join(append(list, ofConfig), "|") + "`" }
	return []cli.Flag{
		&cli.GenericFlag{Name: "policy", Usage: "its own policy: " + or(dprnl.PolicyWords()), Value: &f.policy},
		&cli.GenericFlag{Name: "max-load", Usage: "its own `LOAD`, auto or " + ofConfig, Value: &f.maxLoad},
		&cli.GenericFlag{Name: "hash", Usage: "its own hash: " + or(dprnl.HashWords()), Value: &f.hash},
		&cli.GenericFlag{Name: "affinity", Usage: "its own number of `BITS` of a client's address that decide its host, or " + ofConfig, Value: &f.affinity},
		&cli.GenericFlag{Name: "affinity6", Usage: "the same of an IPv6 client's address: its own number of `BITS`, or " + ofConfig, Value: &f.affinity6},
		&cli.GenericFlag{Name: "affinity-time", Usage: "its own `TIME` after which a client may get another host, or " + ofConfig, Value: &f.affinityTime},
		&cli.GenericFlag{Name: "load", Usage: "compare the loads of hosts, or their connections of the service: " + or(dprnl.ServiceLoadWords()), Value: &f.load},
		&cli.GenericFlag{Name: "forwarding", Usage: "its own forwarding: " + or(dprnl.ForwardingWords()), Value: &f.forwarding},
		&cli.GenericFlag{Name: "dispatch", Usage: "when its connections are placed: `syn|connection|request|" + ofConfig + "`", Value: &f.dispatch},
	}
}

// change changes the rules for which flags were given.
func (f *ruleFlags) change(r *dprnl.Rules) {
	f.policy.change(&r.Policy)
	f.hash.change(&r.Hash)
	f.maxLoad.change(&r.MaxLoad)
	f.affinity.change(&r.Affinity)
	f.affinity6.change(&r.Affinity6)
	f.affinityTime.change(&r.AffinityTime)
	f.load.change(&r.Load)
	f.forwarding.change(&r.Forwarding)
	f.dispatch.change(&r.Dispatch)
}

// given says whether a flag was given.
func (f *ruleFlags) given() bool {
	return f.policy.given+f.hash.given+f.maxLoad.given+f.affinity.given+f.affinity6.given+f.affinityTime.given+f.load.given+f.forwarding.given+f.dispatch.given != ""
}
