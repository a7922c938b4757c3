// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"dpr/userland/dprnl"
	"dpr/userland/layer7"
)

// listValue is a flag that may be given several times.
type listValue []string

// Set implements flag.Value.
func (v *listValue) Set(s string) error {
	*v = append(*v, s)
	return nil
}

// String implements flag.Value.
func (v *listValue) String() string { return strings.Join(*v, " ") }

func (p *program) rulesTestCommand() *cli.Command {
	headers, protocols := new(listValue), new(listValue)
	return &cli.Command{
		Name: "test", Usage: "say which rule a request or a TLS handshake matches, and why", ArgsUsage: "[METHOD URL]",
		Flags: []cli.Flag{
			serviceAddressFlag(),
			&cli.StringFlag{Name: "port", Usage: "by the rules of the service on `PORT`, not on that of the URL"},
			&cli.StringFlag{Name: "file", Usage: "by the rules of `FILE`, not by the kernel's"},
			&cli.GenericFlag{Name: "header", Usage: "the request has this `LINE`, such as 'Cookie: a=b', too", Value: headers},
			&cli.GenericFlag{Name: "client", Usage: "say which host a client of this `ADDRESS` would get now, too", Value: &addrValue{}},
			&cli.StringFlag{Name: "sni", Usage: "a handshake with the server `NAME`; no METHOD and URL"},
			&cli.GenericFlag{Name: "alpn", Usage: "the handshake offers this `PROTOCOL`, too", Value: protocols},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			q, err := question(c, *headers, *protocols)
			if err != nil {
				return err
			}
			if file := c.String("file"); file != "" {
				if q.client.IsValid() {
					return usagef("%sonly the kernel knows which host a client would get: give --client or --file", where(c))
				}
				r, err := readRules(file)
				if err != nil {
					return err
				}
				return p.printDecision(c, r, layer7.Decide(r, q.data, false), netip.Addr{})
			}
			return p.kernel(c, func(ctx context.Context, k Kernel) error { return p.askRules(ctx, c, k, q) })
		},
	}
}

// A query is what a client sends, and to which service.
type query struct {
	service dprnl.Service
	data    []byte
	client  netip.Addr // or invalid
}

// question reads the arguments of "rules test". With https, only a handshake can be seen.
func question(c *cli.Context, headers, protocols []string) (q query, err error) {
	args, err := positional(c, "[METHOD]", "[URL]")
	if err != nil {
		return q, err
	}
	method, url, sni := args[0], args[1], c.String("sni")
	tls := sni != "" || len(protocols) > 0
	switch {
	case method == "" && !tls, method != "" && url == "":
		return q, usagef("%sgive METHOD and URL, or --sni", where(c))
	case method != "" && sni != "":
		return q, usagef("%sgive either METHOD and URL, or --sni", where(c))
	}
	u := target{port: "443"}
	if method != "" {
		if u, err = parseTarget(url); err != nil {
			return q, usagef("%s%w", where(c), err)
		}
		tls = u.tls
		if _, err := netip.ParseAddr(strings.Trim(u.host, "[]")); tls && err != nil {
			sni = u.host // an address is not named there
		}
	}
	if tls && len(headers) > 0 || !tls && len(protocols) > 0 {
		return q, usagef("%s--header is of a request, and --alpn of a handshake", where(c))
	}
	if tls {
		q.data = layer7.ClientHello(sni, protocols)
	} else {
		q.data = []byte(u.head(method, headers))
	}
	port := c.String("port")
	if port == "" {
		port = u.port
	}
	if a, ok := c.Generic("client").(*addrValue); ok {
		q.client = a.Addr
	}
	q.service, err = namedService(c, port)
	return q, err
}

// A target is what a URL asks for.
type target struct {
	tls        bool
	host, port string // host: as in a Host field, without port
	authority  string // with the port, if the URL has it
	path       string // with the query
}

// parseTarget splits a URL. Nothing in it is decoded or made nicer, so that the request is
// what was typed.
func parseTarget(url string) (t target, err error) {
	if strings.ContainsAny(url, " \t\r\n") {
		return t, fmt.Errorf("URL %q has blanks", url)
	}
	t.port = "80"
	if strings.HasPrefix(url, "/") || url == "*" {
		t.path = url
		return t, nil
	}
	scheme, rest, ok := strings.Cut(url, "://")
	switch {
	case !ok || scheme != "http" && scheme != "https":
		return t, fmt.Errorf("URL %q begins neither with http:// or https:// nor with /", url)
	case scheme == "https":
		t.tls, t.port = true, "443"
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t.authority, t.path = rest[:end], rest[end:]
	if !strings.HasPrefix(t.path, "/") {
		t.path = "/" + t.path
	}
	t.host = t.authority
	if i := strings.LastIndexByte(t.authority, ':'); i > strings.LastIndexByte(t.authority, ']') {
		t.host, t.port = t.authority[:i], t.authority[i+1:]
	}
	if t.host == "" {
		return t, fmt.Errorf("URL %q has no host", url)
	}
	return t, nil
}

// head is the head of a request for the target.
func (t target) head(method string, headers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, t.path)
	if t.authority != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", t.authority)
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n"
}

// askRules has the kernel decide, and says why it does.
func (p *program) askRules(ctx context.Context, c *cli.Context, k Kernel, q query) error {
	services, err := k.Services(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(services, func(s dprnl.Service) bool { return s.Port == q.service.Port }); i >= 0 && c.Generic("address").(*addrValue).Addr == (netip.Addr{}) {
		q.service = services[i]
	}
	rules, err := k.Ruleset(ctx, q.service)
	if err != nil {
		return err
	}
	if rules.None() {
		return fmt.Errorf("service %v has no rules", q.service)
	}
	got, err := k.TestRuleset(ctx, q.service, q.data, false, netip.AddrPortFrom(q.client, 0))
	if err != nil {
		return err
	}
	d := layer7.Decide(rules, q.data, false)
	if err := agree(rules, d, got); err != nil {
		return err
	}
	return p.printDecision(c, rules, d, got.Host)
}

// agree is an error if the kernel decides otherwise than this program, which says why.
func agree(rules dprnl.Ruleset, d layer7.Decision, got dprnl.RulesResult) error {
	group, rule := "", -1
	if int(got.Group) < len(rules.Groups) {
		group = rules.Groups[got.Group].Name
	}
	if got.Rule != dprnl.RulesNone {
		rule = int(got.Rule)
	}
	if got.Outcome != d.Outcome || rule != d.Rule || group != d.Group || got.Hashed != d.Hashed || got.Hash != d.Hash {
		return errors.New("the module decides otherwise than this program: is it of another version? " +
			fmt.Sprintf("%v, rule %d, group %q there; %v, rule %d, group %q here", got.Outcome, rule+1, group, d.Outcome, d.Rule+1, d.Group))
	}
	return nil
}

// A decisionView is what rules say of a connection.
type decisionView struct {
	Outcome dprnl.Outcome `json:"outcome"`
	Rule    *int          `json:"rule"`           // counted from 1; null: no one
	Group   *string       `json:"group"`          // null: the service's policy
	Host    *netip.Addr   `json:"host,omitempty"` // of a client; absent: not asked, or the service's policy
	Hash    string        `json:"hash,omitempty"` // absent: the group does not go by one
	Why     []string      `json:"why"`
}

func (p *program) printDecision(c *cli.Context, rules dprnl.Ruleset, d layer7.Decision, host netip.Addr) error {
	v := decisionView{Outcome: d.Outcome, Why: append([]string{}, d.Why...)}
	conditions := "none"
	if d.Rule >= 0 {
		n := d.Rule + 1
		v.Rule = &n
		conditions = fmt.Sprint(n)
		for _, x := range rules.Matches[d.Rule].Conditions() {
			conditions += ", " + x[0] + " " + x[1]
		}
	}
	if d.Group != "" {
		v.Group = &d.Group
	}
	if host.IsValid() {
		v.Host = &host
	}
	if d.Hashed {
		v.Hash = fmt.Sprintf("%016x", d.Hash)
	}
	if d.Outcome == dprnl.RulesBad {
		v.Why = append(v.Why, "no server would understand this request")
	}
	return p.print(c, v, func(w io.Writer) {
		fmt.Fprintf(w, "outcome\t%v\nrule\t%s\ngroup\t%s\n", v.Outcome, conditions, groupOf(v.Group))
		if v.Host != nil {
			fmt.Fprintf(w, "host\t%v\n", v.Host)
		}
		if v.Hash != "" {
			fmt.Fprintf(w, "hash\t%s\n", v.Hash)
		}
		for _, why := range v.Why {
			fmt.Fprintf(w, "why\t%s\n", why)
		}
	})
}
