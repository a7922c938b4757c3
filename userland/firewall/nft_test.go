// SPDX-License-Identifier: MIT

package firewall

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// nft loads a table in a network namespace of its own and reads it back.
func nft(t *testing.T, rules string) *Ruleset {
	t.Helper()
	r, err := ParseNFT(list(t, "table inet t {\n"+rules+"\n}", "-j"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// list loads rules and returns what nft prints with some options.
func list(t *testing.T, rules string, options ...string) []byte {
	t.Helper()
	c := exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up; nft -f - && nft "+strings.Join(options, " ")+" list ruleset")
	c.Stdin = strings.NewReader(rules)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("nft: %v: %s in\n%s", err, &errs, rules)
	}
	return out
}

// Each kind of match × packets, as nft itself prints it.
func TestNFTMatches(t *testing.T) {
	for rule, want := range map[string]struct {
		packet *Packet
		drops  bool
	}{
		"drop":                                                   {redirected(), true},
		"reject":                                                 {redirected(), true},
		"counter log drop":                                       {redirected(), true},
		"accept":                                                 {redirected(), false},
		"meta l4proto tcp drop":                                  {redirected(), true},
		"meta l4proto { tcp, udp } drop":                         {redirected(), true},
		"meta l4proto udp drop":                                  {redirected(), false},
		"ip protocol 4 drop":                                     {tunnelled(), true},
		"ip protocol ipencap drop":                               {tunnelled(), true},
		"ip protocol != tcp drop":                                {tunnelled(), true},
		"meta nfproto ipv4 drop":                                 {redirected(), true},
		"meta nfproto ipv6 drop":                                 {redirected(), false},
		"meta protocol ip drop":                                  {redirected(), true},
		"meta pkttype multicast drop":                            {report(), true},
		"meta pkttype multicast drop # ":                         {redirected(), false},
		"meta mark 7 drop":                                       {redirected(), false},
		"ip saddr 192.0.2.2 drop":                                {tunnelled(), true},
		"ip saddr 192.0.2.0/24 drop":                             {tunnelled(), true},
		"ip saddr 192.0.2.1-192.0.2.9 drop":                      {tunnelled(), true},
		"ip saddr 192.0.2.3-192.0.2.9 drop":                      {tunnelled(), false},
		"ip saddr { 192.0.2.2, 192.0.3.0/24 } drop":              {tunnelled(), true},
		"ip saddr { 192.0.2.1-192.0.2.9 } drop":                  {tunnelled(), true},
		"ip saddr != 192.0.2.2 drop":                             {tunnelled(), false},
		"ip saddr 198.51.100.1 drop":                             {redirected(), false},
		"ip saddr != 198.51.100.1 drop":                          {redirected(), false},
		"ip saddr 198.51.100.1-198.51.100.9 drop":                {redirected(), false},
		"ip daddr 192.0.2.2 drop":                                {redirected(), true},
		"ip daddr != 192.0.2.1 drop":                             {redirected(), true},
		"ip ttl 64 drop":                                         {redirected(), false},
		"ip saddr @known drop":                                   {tunnelled(), true},
		"ip saddr != @known drop":                                {tunnelled(), false},
		"iifname eth0 drop":                                      {redirected(), true},
		"iifname \"eth*\" drop":                                  {redirected(), true},
		"iifname { eth1, eth0 } drop":                            {redirected(), true},
		"iifname != eth1 drop":                                   {redirected(), true},
		"iifname eth1 drop":                                      {redirected(), false},
		"iif lo drop":                                            {redirected(), false},
		"oifname eth0 drop":                                      {redirected(), false},
		"tcp dport 80 drop":                                      {redirected(), true},
		"tcp dport != 80 drop":                                   {redirected(), false},
		"tcp dport != 81 drop":                                   {redirected(), true},
		"tcp dport != 81 drop # ":                                {tunnelled(), false},
		"tcp dport { 22, 80-90 } drop":                           {redirected(), true},
		"tcp dport 22-79 drop":                                   {redirected(), false},
		"tcp dport < 81 drop":                                    {redirected(), true},
		"tcp dport <= 79 drop":                                   {redirected(), false},
		"tcp dport > 80 drop":                                    {redirected(), false},
		"tcp dport >= 80 drop":                                   {redirected(), true},
		"udp dport 7743 drop":                                    {report(), true},
		"udp dport 80 drop":                                      {redirected(), false},
		"th dport 80 drop":                                       {redirected(), true},
		"tcp sport 1024-65535 drop":                              {redirected(), false},
		"icmp type echo-request drop":                            {redirected(), false},
		"tcp flags syn drop":                                     {redirected(), true},
		"tcp flags fin drop":                                     {redirected(), false},
		"tcp flags & (fin|syn|rst|ack) == syn drop":              {redirected(), true},
		"tcp flags & (fin|syn|rst|ack) != syn ct state new drop": {redirected(), false},
		"tcp flags & (fin|syn|rst|ack) != syn drop":              {answered(), true},
		"tcp flags & syn == 0 drop":                              {redirected(), false},
		"tcp flags ! fin drop":                                   {redirected(), true},
		"tcp flags != syn drop":                                  {redirected(), false},
		"tcp flags == syn drop":                                  {redirected(), true},
		"tcp flags { syn, ack } drop":                            {redirected(), false}, // not understood
		"tcp flags & (syn|ack) == syn|ack drop":                  {answered(), true},
		"tcp flags & (syn|ack) != 0 drop":                        {redirected(), true},
		"ct state new drop":                                      {redirected(), true},
		"ct state { new, invalid } drop":                         {redirected(), true},
		"ct state established,related drop":                      {redirected(), false},
		"ct state invalid drop":                                  {redirected(), false},
		"ct status dnat drop":                                    {redirected(), false},
		"ct mark 7 drop":                                         {redirected(), false},
		"fib daddr type local drop":                              {redirected(), false},
		"fib daddr type != local drop":                           {redirected(), true},
		"fib daddr type { broadcast, unicast } drop":             {redirected(), true},
		"fib daddr . iif type != local drop":                     {redirected(), false}, // not understood
		"fib saddr . iif oif missing drop":                       {redirected(), false},
		"limit rate 3/second drop":                               {redirected(), false},
		"ct state vmap { invalid : drop, new : drop }":           {redirected(), true},
		"ct state vmap { invalid : drop, established : accept }": {redirected(), false},
		"tcp dport vmap { 80 : jump one, 81 : accept }":          {redirected(), true},
		"ip saddr vmap { 198.51.100.1 : accept, 198.51.100.2 : drop } drop2": {redirected(), false},
		"ct status dnat accept; drop":                                        {redirected(), true},
		"tcp flags ! fin drop # ":                                            {report(), false},
		"ip saddr vmap { 198.51.100.1 : accept }; drop":                      {redirected(), false},
		"ip saddr vmap { 192.0.2.3 : accept }; drop":                         {tunnelled(), true},
		"ip protocol vmap { tcp : goto two }; drop":                          {redirected(), false},
		"ip protocol vmap { tcp : jump two }; drop":                          {redirected(), true},
		"goto two; drop":                      {redirected(), false},
		"jump two; drop":                      {redirected(), true},
		"meta mark 7 goto two; drop":          {redirected(), true},
		"meta mark 7 jump three; drop":        {redirected(), false},
		"jump one":                            {redirected(), true},
		"goto one":                            {redirected(), true},
		"ip protocol vmap { tcp : goto one }": {redirected(), true},
		"meta mark vmap { 1 : accept }":       {redirected(), false},
	} {
		text := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(rule, " # "), " drop2"), "; ", "\n")
		r := nft(t, "set known { type ipv4_addr; elements = { 192.0.2.2 } }\nchain one { drop; }\nchain two {\n}\nchain three { accept; }\nchain in { type filter hook input priority 0;\n"+text+"\n}")
		if got := dropped(r, Input, want.packet) != ""; got != want.drops {
			t.Errorf("%s: drops %v, want %v", rule, got, want.drops)
		}
	}
}

// Chains of several families and hooks; tables of iptables' and of IPv6 are left out.
func TestNFTChains(t *testing.T) {
	const rules = `
table netdev n {
	chain in {
		type filter hook ingress device lo priority 0
		ip protocol 4 drop
	}
}
table inet f {
	chain in {
		type filter hook input priority 10; policy drop
		tcp dport 80 accept
	}
}
table ip early {
	chain pre {
		type filter hook prerouting priority -500
		ip protocol 4 drop
	}
}
table ip6 six {
	chain in {
		type filter hook input priority 0; policy drop
	}
}`
	r, err := ParseNFT(list(t, rules, "-j"))
	if err != nil {
		t.Fatal(err)
	}
	r.AddDevices(string(list(t, rules)))
	p := tunnelled()
	if got := dropped(r, Ingress, p); got != "" {
		t.Errorf("ingress of another device: %q", got)
	}
	p.In = "lo"
	if got := dropped(r, Ingress, p); !strings.HasPrefix(got, "nft netdev n in: handle ") || !strings.HasSuffix(got, `{"drop":null}`) {
		t.Errorf("ingress: %q", got)
	}
	if got := dropped(r, Input, p); got != "nft inet f in: policy drop" {
		t.Errorf("input: %q", got)
	}
	if got := dropped(r, Input, redirected()); got != "" {
		t.Errorf("a SYN: %q", got)
	}
	if d := r.Drops(Prerouting, -1000, -450, p); d == nil {
		t.Error("nothing drops before dpr")
	}
	if d := r.Drops(Prerouting, -450, 1000, p); d != nil {
		t.Errorf("after dpr: %v", d)
	}
	queue := `{"nftables":[{"chain":{"family":"ip","table":"t","name":"in","hook":"input","prio":0,"policy":"drop"}},
		{"rule":{"family":"ip","table":"t","chain":"in","handle":2,"comment":"c","expr":[{"queue":{"num":0}}]}}]}`
	if q, err := ParseNFT([]byte(queue)); err != nil || dropped(q, Input, redirected()) != "" {
		t.Errorf("queued: %v", err)
	}
	if q, err := ParseNFT([]byte(strings.Replace(queue, `{"queue":{"num":0}}`, `{"drop":null}`, 1))); err != nil ||
		dropped(q, Input, redirected()) != `nft ip t in: handle 2 (c) {"drop":null}` {
		t.Errorf("dropped: %q, %v", dropped(q, Input, redirected()), err)
	}
	xt, err := ParseNFT([]byte(`{"nftables":[{"chain":{"family":"ip","table":"filter","name":"INPUT","handle":1,"type":"filter","hook":"input","prio":0,"policy":"drop"}},
		{"rule":{"family":"ip","table":"filter","chain":"INPUT","handle":2,"expr":[{"xt":{"type":"match","name":"addrtype"}},{"drop":null}]}}]}`))
	if err != nil || dropped(xt, Input, redirected()) != "" {
		t.Errorf("a table of iptables: %v", err)
	}
	if _, err := ParseNFT([]byte("{")); err == nil || !strings.HasPrefix(err.Error(), "nft -j list ruleset: ") {
		t.Errorf("%v", err)
	}
}

func FuzzNFT(f *testing.F) {
	f.Add([]byte(`{"nftables":[{"chain":{"family":"ip","table":"t","name":"c","hook":"input","prio":0}},{"rule":{"family":"ip","table":"t","chain":"c",
		"expr":[{"match":{"op":"==","left":{"&":[{"payload":{"protocol":"tcp","field":"flags"}},["syn"]]},"right":{"set":[{"range":[1,2]},{"prefix":{"addr":"192.0.2.0","len":24}}]}}},
		{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["new",{"jump":{"target":"c"}}]]}}}]}}]}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if r, err := ParseNFT(data); err == nil {
			r.Drops(Input, -1000, 1000, redirected())
			r.Translates(direct())
		}
	})
}

func FuzzIPTables(f *testing.F) {
	f.Add(localOnly)
	f.Fuzz(func(_ *testing.T, text string) {
		if r, err := ParseIPTables(text); err == nil {
			r.Drops(Input, -1000, 1000, redirected())
			r.Translates(direct())
		}
	})
}
