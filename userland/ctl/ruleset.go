// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/dprnl"
)

func (p *program) rulesCommand() *cli.Command {
	return &cli.Command{
		Name:   "rules",
		Usage:  "manage the rules that send connections to hosts by what they ask for",
		Action: group,
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the rules of all services", Flags: []cli.Flag{jsonFlag()},
				Action: show(p, readRulesets, writeRulesets),
			},
			{
				Name: "set", Usage: "replace the rules of a port's service by those of a file", ArgsUsage: "PORT FILE",
				Flags: []cli.Flag{serviceAddressFlag()}, Action: p.setRules,
			},
			{
				Name: "del", Usage: "remove the rules of a port's service", ArgsUsage: "PORT",
				Flags: []cli.Flag{serviceAddressFlag()},
				Action: p.service(func(ctx context.Context, k Kernel, s dprnl.Service) error {
					return k.SetRuleset(ctx, s, dprnl.Ruleset{})
				}),
			},
			p.rulesTestCommand(),
		},
	}
}

// setRules replaces the rules of a service by those of a file.
func (p *program) setRules(c *cli.Context) error {
	args, err := positional(c, "PORT", "FILE")
	if err != nil {
		return err
	}
	s, err := namedService(c, args[0])
	if err != nil {
		return err
	}
	r, err := readRules(args[1])
	if err != nil {
		return err
	}
	if r.None() {
		return fmt.Errorf("%s has no rules; rules del removes those of a service", args[1])
	}
	return p.kernel(c, func(ctx context.Context, k Kernel) error { return k.SetRuleset(ctx, s, r) })
}

// namedService is the service of a port, and of the flag for its address.
func namedService(c *cli.Context, port string) (s dprnl.Service, err error) {
	s.Address = netip.IPv4Unspecified()
	if s.Port, err = parsePort("PORT", port); err != nil {
		return s, err
	}
	if a, ok := c.Generic("address").(*addrValue); ok && a.IsValid() && !a.IsUnspecified() {
		s.Address = a.Addr
	}
	return s, nil
}

// maxRulesFile is more than a file of rules can need.
const maxRulesFile = 1 << 20

// readRules reads a file with the rules of one service.
func readRules(path string) (dprnl.Ruleset, error) {
	f, err := os.Open(path)
	if err != nil {
		return dprnl.Ruleset{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRulesFile))
	if err != nil {
		return dprnl.Ruleset{}, err
	}
	return config.ParseRuleset(path, text)
}

// A rulesetView is the rules of a service.
type rulesetView struct {
	Port    uint16      `json:"port"`
	Address netip.Addr  `json:"address"` // 0.0.0.0: all addresses of this host
	Groups  []groupView `json:"groups"`
	Rules   []ruleView  `json:"rules"`
	Default *string     `json:"default_group"` // null: the service's policy
}

type groupView struct {
	Name     string            `json:"name"`
	Policy   dprnl.GroupPolicy `json:"policy"`
	Locality dprnl.Locality    `json:"locality"`
	Spill    uint16            `json:"spill"`
	Hosts    []netip.Addr      `json:"hosts"` // empty: all
}

type ruleView struct {
	Group  string `json:"group"`
	Host   string `json:"host,omitempty"`
	Path   string `json:"path,omitempty"`
	Method string `json:"method,omitempty"`
	Cookie string `json:"cookie,omitempty"`
	SNI    string `json:"sni,omitempty"`
	ALPN   string `json:"alpn,omitempty"`
}

func viewRuleset(s dprnl.Service, r dprnl.Ruleset) rulesetView {
	v := rulesetView{Port: s.Port, Address: s.Address, Groups: []groupView{}, Rules: []ruleView{}}
	for _, g := range r.Groups {
		v.Groups = append(v.Groups, groupView{g.Name, g.Policy, g.Locality, g.Spill, append([]netip.Addr{}, g.Hosts...)})
	}
	for _, m := range r.Matches {
		v.Rules = append(v.Rules, ruleView(m))
	}
	if r.Default != "" {
		v.Default = &r.Default
	}
	return v
}

func readRulesets(ctx context.Context, k Kernel) ([]rulesetView, error) {
	list := []rulesetView{}
	services, err := k.Services(ctx)
	if err != nil {
		return list, err
	}
	for _, s := range services {
		r, err := k.Ruleset(ctx, s)
		if err != nil {
			return list, err
		}
		if !r.None() {
			list = append(list, viewRuleset(s, r))
		}
	}
	return list, nil
}

func writeRulesets(w io.Writer, list []rulesetView) {
	fmt.Fprintln(w, "PORT\tADDRESS\tRULE\tCONDITIONS\tGROUP")
	for _, v := range list {
		for i, r := range v.Rules {
			var conditions []string
			for _, c := range dprnl.Match(r).Conditions() {
				conditions = append(conditions, c[0]+" "+c[1])
			}
			fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\n", v.Port, orAll(v.Address), i+1, strings.Join(conditions, ", "), r.Group)
		}
		fmt.Fprintf(w, "%d\t%s\t-\tall else\t%s\n", v.Port, orAll(v.Address), groupOf(v.Default))
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "\nPORT\tADDRESS\tGROUP\tPOLICY\tHOSTS")
	for _, v := range list {
		for _, g := range v.Groups {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", v.Port, orAll(v.Address), g.Name, policyOf(g), hostsOf(g))
		}
	}
}

// groupOf is a group's name, or whose policy decides without one.
func groupOf(name *string) string {
	if name == nil {
		return "(policy of the service)"
	}
	return *name
}

// policyOf is a group's policy, and what it goes by.
func policyOf(g groupView) string {
	if g.Policy != dprnl.GroupLocality {
		return g.Policy.String()
	}
	return fmt.Sprintf("%v by %v, spill %d%%", g.Policy, g.Locality, g.Spill)
}

func hostsOf(g groupView) string {
	if len(g.Hosts) == 0 {
		return "all"
	}
	var names []string
	for _, a := range g.Hosts {
		names = append(names, a.String())
	}
	return strings.Join(names, " ")
}
