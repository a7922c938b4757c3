// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
)

// policyFlags holds the flags of "policy set".
type policyFlags struct {
	hash     wordValue[dprnl.Hash, *dprnl.Hash]
	estimate wordValue[dprnl.Estimate, *dprnl.Estimate]
	marker   wordValue[dprnl.Marker, *dprnl.Marker]
	maxLoad  maxLoadValue
}

func (f *policyFlags) flags() []cli.Flag {
	return []cli.Flag{
		&cli.GenericFlag{Name: "max-load", Usage: "serve every connection while the load is below `LOAD`; auto follows the mean of all hosts", Value: &f.maxLoad},
		&cli.GenericFlag{Name: "hash", Usage: "fields that the stateless policy hashes: " + words(dprnl.HashWords()), Value: &f.hash},
		&cli.GenericFlag{Name: "estimate", Usage: "how to estimate a peer's load between reports: " + words(dprnl.EstimateWords()), Value: &f.estimate},
		&cli.GenericFlag{Name: "marker", Usage: "how peers recognise redirected packets: " + words(dprnl.MarkerWords()), Value: &f.marker},
	}
}

func (f *policyFlags) update() dprnl.ConfigUpdate {
	return dprnl.ConfigUpdate{Hash: f.hash.pointer(), Estimate: f.estimate.pointer(),
		Marker: f.marker.pointer(), MaxLoad: f.maxLoad.pointer()}
}

func words(list []string) string { return "`" + strings.Join(list, "|") + "`" }

func (p *program) policyCommand() *cli.Command {
	f := &policyFlags{}
	return &cli.Command{
		Name:   "policy",
		Usage:  "show how this host decides who serves a new connection",
		Flags:  []cli.Flag{jsonFlag()},
		Action: show(p, readConfig, writePolicy),
		Subcommands: []*cli.Command{{
			Name: "set", Usage: "set the policy for new connections", ArgsUsage: strings.Join(dprnl.PolicyWords(), "|"),
			Flags: append(f.flags(), saveFlag(), fileFlag()),
			Action: func(c *cli.Context) error {
				args, err := positional(c, "NAME")
				if err != nil {
					return err
				}
				var policy dprnl.Policy
				if err := policy.UnmarshalText([]byte(args[0])); err != nil {
					return usagef("NAME %w", err)
				}
				u := f.update()
				u.Policy = &policy
				return p.set(c, u)
			},
		}},
	}
}

// configFlags holds the flags of "config set".
type configFlags struct {
	policyFlags
	address     addrValue
	policy      wordValue[dprnl.Policy, *dprnl.Policy]
	state       wordValue[dprnl.State, *dprnl.State]
	weight      numberValue[uint32]
	connections numberValue[uint32]
	cpu         numberValue[uint32]
	redirected  numberValue[uint32]
	sockets     numberValue[uint32]
	forwarding  wordValue[dprnl.Forwarding, *dprnl.Forwarding]
	answers     wordValue[dprnl.Answers, *dprnl.Answers]
	orphans     wordValue[dprnl.Orphans, *dprnl.Orphans]
	maxFlows    numberValue[uint32]
	maxAge      durationValue
	slowStart   durationValue
	affinity    numberValue[uint32]
	affinity6   numberValue[uint32]

	affinityTime durationValue

	splicePorts rangeValue
	maxSplices  numberValue[uint32]

	syn         durationValue
	established durationValue
	fin         durationValue
	rst         durationValue
}

func (f *configFlags) flags() []cli.Flag {
	f.weight.min = 1
	for _, n := range []*numberValue[uint32]{&f.weight, &f.connections, &f.cpu, &f.redirected, &f.sockets} {
		n.max = dprnl.MaxWeight
	}
	f.maxFlows.min, f.maxFlows.max = 1, dprnl.MaxFlows
	for _, d := range []*durationValue{&f.maxAge, &f.slowStart, &f.affinityTime, &f.syn, &f.established, &f.fin, &f.rst} {
		d.max = dprnl.MaxTimeout * time.Millisecond
	}
	f.slowStart.zero, f.affinityTime.zero = true, true
	f.maxSplices.min, f.maxSplices.max = 1, dprnl.MaxSplices
	f.affinity.max = dprnl.AffinityBits
	f.affinity6.min, f.affinity6.max = 1, dprnl.Affinity6Bits
	return append(f.policyFlags.flags(),
		&cli.GenericFlag{Name: "address", Usage: "this host's `ADDRESS`", Value: &f.address},
		&cli.GenericFlag{Name: "policy", Usage: "policy for new connections: " + words(dprnl.PolicyWords()), Value: &f.policy},
		&cli.GenericFlag{Name: "state", Usage: "state of this host in the cluster: " + words(dprnl.StateWords()), Value: &f.state},
		&cli.GenericFlag{Name: "weight", Usage: "relative `CAPACITY` of this host", Value: &f.weight},
		&cli.GenericFlag{Name: "weight-connections", Usage: "weight TCP connections in the load by `FACTOR`", Value: &f.connections},
		&cli.GenericFlag{Name: "weight-cpu", Usage: "weight CPU utilisation in the load by `FACTOR`", Value: &f.cpu},
		&cli.GenericFlag{Name: "weight-redirected", Usage: "weight redirected connections in the load by `FACTOR`", Value: &f.redirected},
		&cli.GenericFlag{Name: "weight-sockets", Usage: "weight sockets in the load by `FACTOR`", Value: &f.sockets},
		&cli.GenericFlag{Name: "forwarding", Usage: "how redirected packets get to peers: " + words(dprnl.ForwardingWords()), Value: &f.forwarding},
		&cli.GenericFlag{Name: "answers", Usage: "how answers get to clients of other hosts: " + words(dprnl.AnswersWords()), Value: &f.answers},
		&cli.GenericFlag{Name: "orphans", Usage: "what to do with connections that this host does not know: " + words(dprnl.OrphansWords()), Value: &f.orphans},
		&cli.GenericFlag{Name: "max-flows", Usage: "limit the routing table to `NUMBER` flows", Value: &f.maxFlows},
		&cli.GenericFlag{Name: "report-max-age", Usage: "ignore reports older than `TIME`", Value: &f.maxAge},
		&cli.GenericFlag{Name: "slow-start", Usage: "give a peer that comes back its whole share after `TIME`", Value: &f.slowStart},
		&cli.GenericFlag{Name: "affinity", Usage: "have `BITS` of a client's address decide its host, 0 to 32; 0: loads do", Value: &f.affinity},
		&cli.GenericFlag{Name: "affinity6", Usage: "if that is not 0, have `BITS` of an IPv6 client's address decide its host, 1 to 128", Value: &f.affinity6},
		&cli.GenericFlag{Name: "affinity-time", Usage: "let a client get another host after `TIME`; 0: never", Value: &f.affinityTime},
		&cli.GenericFlag{Name: "splice-ports", Usage: "send what goes to backends from the ports `FIRST-LAST`", Value: &f.splicePorts},
		&cli.GenericFlag{Name: "max-splices", Usage: "limit connections to backends to `NUMBER`", Value: &f.maxSplices},
		&cli.GenericFlag{Name: "timeout-syn", Usage: "keep a silent flow for `TIME` if its client only sent SYNs", Value: &f.syn},
		&cli.GenericFlag{Name: "timeout-established", Usage: "keep a silent established flow for `TIME`", Value: &f.established},
		&cli.GenericFlag{Name: "timeout-fin", Usage: "keep a silent flow for `TIME` after the client's FIN", Value: &f.fin},
		&cli.GenericFlag{Name: "timeout-rst", Usage: "keep a silent flow for `TIME` after the client's RST", Value: &f.rst},
	)
}

func (f *configFlags) update() dprnl.ConfigUpdate {
	u := f.policyFlags.update()
	if f.address.IsValid() {
		u.Address = &f.address.Addr
	}
	u.Policy, u.State, u.Weight = f.policy.pointer(), f.state.pointer(), f.weight.pointer()
	u.WeightConnections, u.WeightCPU = f.connections.pointer(), f.cpu.pointer()
	u.WeightRedirected, u.WeightSockets = f.redirected.pointer(), f.sockets.pointer()
	u.Forwarding, u.Answers, u.Orphans = f.forwarding.pointer(), f.answers.pointer(), f.orphans.pointer()
	u.MaxFlows, u.ReportMaxAge = f.maxFlows.pointer(), f.maxAge.pointer()
	u.SlowStart = f.slowStart.pointer()
	u.Affinity, u.Affinity6, u.AffinityTime = f.affinity.pointer(), f.affinity6.pointer(), f.affinityTime.pointer()
	u.SpliceFirstPort, u.SpliceLastPort = f.splicePorts.pointers()
	u.MaxSplices = f.maxSplices.pointer()
	u.TimeoutSyn, u.TimeoutEstablished = f.syn.pointer(), f.established.pointer()
	u.TimeoutFin, u.TimeoutRst = f.fin.pointer(), f.rst.pointer()
	return u
}

func (p *program) configCommand() *cli.Command {
	f := &configFlags{}
	return &cli.Command{
		Name:   "config",
		Usage:  "show the kernel's configuration",
		Flags:  []cli.Flag{jsonFlag()},
		Action: show(p, readConfig, writeConfig),
		Subcommands: []*cli.Command{
			{Name: "show", Usage: "show the kernel's configuration", Flags: []cli.Flag{jsonFlag()}, Action: show(p, readConfig, writeConfig)},
			{
				Name: "diff", Usage: "show where the kernel's configuration is not the file's: what apply would change",
				Flags: []cli.Flag{fileFlag(), jsonFlag()}, Action: p.diff,
			},
			{
				Name: "set", Usage: "change the values given as flags, all or none", Flags: append(f.flags(), saveFlag(), fileFlag()),
				Action: func(c *cli.Context) error {
					if _, err := positional(c); err != nil {
						return err
					}
					u := f.update()
					if u == (dprnl.ConfigUpdate{}) {
						return usagef("%snothing to change: give at least one flag", where(c))
					}
					return p.set(c, u)
				},
			},
		},
	}
}

func readConfig(ctx context.Context, k Kernel) (configView, error) {
	c, err := k.Config(ctx)
	return viewConfig(c), err
}

func writePolicy(w io.Writer, c configView) {
	fmt.Fprintf(w, "policy\t%v\n", c.Policy)
	fmt.Fprintf(w, "max load\t%s\n", dprnl.FormatMaxLoad(uint64(c.MaxLoad)))
	fmt.Fprintf(w, "hash\t%v\n", c.Hash)
	fmt.Fprintf(w, "estimate\t%v\n", c.Estimate)
	fmt.Fprintf(w, "marker\t%v\n", c.Marker)
}

func writeConfig(w io.Writer, c configView) {
	address := c.Address.String()
	if !c.Configured {
		address = "(not configured)"
	}
	fmt.Fprintf(w, "address\t%s\n", address)
	fmt.Fprintf(w, "state\t%v\n", c.State)
	writePolicy(w, c)
	fmt.Fprintf(w, "weight\t%d\n", c.Weight)
	fmt.Fprintf(w, "weights\tconnections %d, cpu %d, redirected %d, sockets %d\n",
		c.Weights.Connections, c.Weights.CPU, c.Weights.Redirected, c.Weights.Sockets)
	fmt.Fprintf(w, "forwarding\t%v\n", c.Forwarding)
	fmt.Fprintf(w, "answers\t%v\n", c.Answers)
	fmt.Fprintf(w, "orphans\t%v%s\n", c.Orphans, groupWords(c))
	fmt.Fprintf(w, "max flows\t%d\n", c.MaxFlows)
	fmt.Fprintf(w, "report max age\t%v\n", millis(c.ReportMaxAge))
	fmt.Fprintf(w, "slow start\t%v\n", millis(c.SlowStart))
	fmt.Fprintf(w, "affinity\t%s\n", affinityWords(c))
	if c.MaxSplices != 0 { // an older module has none
		fmt.Fprintf(w, "splices\tports %d to %d, at most %d\n", c.SplicePorts.First, c.SplicePorts.Last, c.MaxSplices)
	}
	fmt.Fprintf(w, "timeouts\tsyn %v, established %v, fin %v, rst %v\n", millis(c.Timeouts.Syn),
		millis(c.Timeouts.Established), millis(c.Timeouts.Fin), millis(c.Timeouts.Rst))
}

// groupWords tells which group is asked about orphans, which tunnels of IPv6 do not have.
func groupWords(c configView) string {
	if c.Orphans != dprnl.OrphansAsk || !c.Group.IsValid() || !c.Address.Is4() {
		return ""
	}
	return fmt.Sprintf(", first the group %v", c.Group)
}

func affinityWords(c configView) string {
	if c.Affinity == 0 {
		return "none"
	}
	text := fmt.Sprintf("%d bits of a client's IPv4 address, %d of an IPv6 one", c.Affinity, c.Affinity6)
	if c.AffinityTime != 0 {
		text += fmt.Sprintf(", for %v", millis(c.AffinityTime))
	}
	return text
}

func millis(ms int64) time.Duration {
	return time.Duration(ms) * time.Millisecond
}
