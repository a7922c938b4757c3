// SPDX-License-Identifier: MIT

package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/firewall"
	"dpr/userland/receive"
	"dpr/userland/report"
)

var (
	own   = netip.MustParseAddr("192.0.2.1")
	peer  = netip.MustParseAddr("192.0.2.2")
	other = netip.MustParseAddr("192.0.2.3")
)

// well is a host that nothing is wrong with.
func well() *Facts {
	file := config.Defaults()
	file.Address = own
	file.Services = []dprnl.Service{{Port: 80, Address: netip.IPv4Unspecified()}}
	file.Report.Keys = []*report.Key{report.NewKey([report.KeyLen]byte{1})}
	file.Report.Networks = []config.Network{{Interface: "br0", Group: netip.MustParseAddr("239.77.43.1")}}
	f := &Facts{
		File: &file, Loaded: true, Config: dprnl.Config{Address: own, Policy: file.Policy}, Services: file.Services,
		Peers: []dprnl.Peer{{Address: peer, Listed: true}, {Address: other, Listed: true}},
		Links: []Link{
			{Name: "br0", Kind: "bridge", Up: true, MTU: 1500, Addresses: []netip.Prefix{netip.PrefixFrom(own, 24)}},
			{Name: "eth0", Master: "br0", Up: true, MTU: 1500},
		},
		Routes: map[netip.Addr]Route{}, Sysctls: map[string]int{}, Echoes: map[netip.Addr]Echo{}, Answers: map[netip.Addr]Answer{},
		Receiving: true, Refused: map[string]uint64{"accepted": 4, "own": 2}, Heard: 4, Waited: 2200 * time.Millisecond,
	}
	for _, p := range []netip.Addr{peer, other} {
		f.Routes[p] = Route{Device: "br0", MTU: 1500}
		f.Echoes[p] = Echo{Small: true, Large: true, Size: 1500}
		f.Answers[p] = Answer{Tunnel: true, Own: true, Foreign: true}
	}
	return f
}

// second has the host send its reports to a second network, too.
func second(f *Facts) {
	f.Links = append(f.Links, Link{Name: "eth1", Up: true, MTU: 1500})
	f.File.Report.Networks = append(f.File.Report.Networks, config.Network{Interface: "eth1", Group: netip.MustParseAddr("239.77.43.1")})
}

// unicast has the host send its reports to one peer.
func unicast(f *Facts) {
	f.File.Report.Networks = []config.Network{{Unicast: netip.MustParseAddrPort("192.0.2.2:7743")}}
}

// several has both peers report an address, and others that only one has, or one that is no peer.
func several(f *Facts) {
	f.Several = f.several([]receive.HostStatus{
		{Address: peer, Addresses: []netip.Addr{away, near}}, {Address: other, Addresses: []netip.Addr{away.Next(), away}},
		{Address: away.Prev(), Addresses: []netip.Addr{near}}, {Address: own, Addresses: []netip.Addr{away.Next()}},
	})
}

func rules(t *testing.T, text string) *firewall.Ruleset {
	t.Helper()
	r, err := firewall.ParseIPTables(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWell(t *testing.T) {
	if got := Examine(well()); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// Where connections are handed from host to host, a longer window has only their messages dropped.
func TestClockWindowIsNoRemedy(t *testing.T) {
	f := well()
	f.Refused["clock"] = 3
	f.Services = []dprnl.Service{{Port: 80, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchRequest)}}}
	for _, g := range Examine(f) {
		if strings.Contains(g.Remedy, "clock_window") {
			t.Errorf("%+v", g)
		}
	}
}

// Each kind of trouble, what is said of it and what to do. "want" is empty where
// nothing is wrong.
func TestTroubles(t *testing.T) {
	input := func(rule string) string {
		return "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + rule + "\nCOMMIT\n"
	}
	for name, tt := range map[string]struct {
		change   func(*Facts)
		severity Severity
		want     string
		remedy   string
	}{
		"module": {func(f *Facts) { *f = Facts{File: f.File} }, Note, "module: the kernel module is not loaded", "modprobe dpr"},
		"unconfigured": {func(f *Facts) {
			f.Config = dprnl.Config{Address: netip.IPv4Unspecified()}
			f.Peers, f.Receiving = nil, false
		},
			Note, "module: the kernel has no configuration", "dprctl apply"},
		"address": {func(f *Facts) { f.Links[0].Addresses = nil }, Problem, "address: no interface has this host's address 192.0.2.1", "give it to an interface"},
		"other values": {func(f *Facts) { f.Config.Marker = dprnl.MarkerSource; f.Services = nil }, Warning,
			"file: the kernel has other values than the file: marker (source, file fragbit), services (0, file 1)", "dprctl apply"},
		"no service":              {func(f *Facts) { f.File.Services, f.Services = nil, nil }, Warning, "file: the file has no service", "[[service]]"},
		"no network":              {func(f *Facts) { f.File.Report.Networks, f.Receiving = nil, false }, Warning, "file: the file has no report.network", "[[report.network]]"},
		"unicast without address": {func(f *Facts) { unicast(f); f.File.Address = netip.Addr{} }, Warning, "file: the file has no address and no report.network with an interface", "key address"},
		"unicast with address":    {unicast, "", "", ""},
		"address by interface":    {func(f *Facts) { f.File.Address = netip.Addr{} }, "", "", ""},
		"one key twice":           {func(f *Facts) { f.File.Report.SameKey = true }, Warning, "file: report.previous_key_file holds the same key as report.key_file", "the other key"},
		"no such interface": {func(f *Facts) { f.File.Report.Networks[0].Interface = "eth9" }, Problem,
			"file: there is no interface eth9, which report.network names", "ip link"},
		"service twice": {func(f *Facts) {
			f.File.Services = append(f.File.Services, dprnl.Service{Port: 80, Address: own})
			f.Services = f.File.Services
		}, Warning, "file: port 80 is a service on all addresses, and once more on 192.0.2.1", "remove one"},
		"service on two addresses": {func(f *Facts) {
			f.File.Services = []dprnl.Service{{Port: 80, Address: own}, {Port: 80, Address: peer}, {Port: 81}}
			f.Services = f.File.Services
		}, "", "", ""},
		"stateless affinity": {func(f *Facts) { f.File.Policy, f.File.Affinity = dprnl.PolicyStateless, 24 }, Warning, "file: port 80 has an affinity", `orphans = "ask"`},
		"short established":  {func(f *Facts) { f.File.Timeouts.Established = time.Minute }, Warning, "file: timeouts.established is 1m0s: connections whose clients are silent", "the default is 2h4m0s"},
		"enough established": {func(f *Facts) { f.File.Timeouts.Established = 5 * time.Minute }, "", "", ""},
		"long syn":           {func(f *Facts) { f.File.Timeouts.Syn = 3 * time.Hour }, Warning, "file: timeouts.syn is 3h0m0s: a flood of SYNs", "the default is 1m0s"},
		"not too long syn":   {func(f *Facts) { f.File.Timeouts.Syn = 10 * time.Minute }, "", "", ""},
		"short syn":          {func(f *Facts) { f.File.Timeouts.Syn = time.Second }, Warning, "file: timeouts.syn is 1s: a client that repeats its SYN", "the default is 1m0s"},
		"not too short syn":  {func(f *Facts) { f.File.Timeouts.Syn = 3 * time.Second }, "", "", ""},
		"no receiver":        {func(f *Facts) { f.Receiving, f.Heard = false, 0 }, Problem, "reports: dpr-receive does not run", "systemctl start dpr-receive"},
		"clock of another":   {func(f *Facts) { f.Refused["clock"] = 3 }, Problem, "reports: within 2.2s, 3 reports were refused: time of sending is outside the clock window", "NTP), or raise report.clock_window"},
		"key of another":     {func(f *Facts) { f.Refused["bad_hmac"] = 3 }, Problem, "reports: within 2.2s, 3 reports were refused: wrong HMAC", "report.key_file"},
		"key of two others": {func(f *Facts) {
			f.Refused["bad_hmac"], f.Refusing = 3, map[string][]netip.Addr{"bad_hmac": {peer, other}, "clock": {own}}
		}, Problem, "3 reports were refused: wrong HMAC; from 192.0.2.2, 192.0.2.3", "report.key_file"},
		"superseded": {func(f *Facts) { f.Refused["superseded"] = 3 }, "", "", ""},
		"deaf":       {func(f *Facts) { f.Heard = 0 }, Problem, "reports: within 2.2s, no report of another host was accepted", "allow UDP port 7743"},
		"alone":      {func(f *Facts) { f.Heard, f.Peers = 0, nil }, Warning, "reports: within 2.2s, no report of another host was accepted", "IGMP snooping without querier"},
		"alone but for one that left": {func(f *Facts) {
			f.Heard, f.Peers = 0, []dprnl.Peer{{Address: peer}, {Address: other, Listed: true, State: dprnl.StateLeaving}}
		}, Warning,
			"reports: within 2.2s, no report of another host was accepted", "unicast"},
		"stale handovers":  {func(f *Facts) { f.Stale = 4 }, Problem, "handovers: while this ran, 4 messages of hosts that hand connections over were dropped: their times differ", "NTP"},
		"forged handovers": {func(f *Facts) { f.Forged = 5 }, Problem, "handovers: while this ran, 5 messages of hosts that hand connections over were dropped: they were not made with a key", "key_file"},
		"clock":            {func(f *Facts) { f.Unsynced = true }, Warning, "clock: the clock is not synchronised: once it differs by more than 10s", "NTP"},
		"clock, no keys":   {func(f *Facts) { f.Unsynced, f.File.Report.Keys = true, nil }, "", "", ""},
		"route":            {func(f *Facts) { f.Routes[other] = Route{Err: "network is unreachable"}; delete(f.Echoes, other) }, Problem, "routes: there is no route to peer 192.0.2.3 (network is unreachable)", "ip route get 192.0.2.3"},
		"mtu":              {func(f *Facts) { f.Echoes[peer] = Echo{Small: true, Size: 1500} }, Problem, "mtu: packets of 1500 bytes do not reach peer 192.0.2.2", "same MTU"},
		"mute":             {func(f *Facts) { f.Echoes[peer] = Echo{Size: 1500} }, Note, "mtu: the MTU of the way was not measured, because no ICMP echo came back, to peer 192.0.2.2", ""},
		"sources checked": {func(f *Facts) { f.Answers[peer] = Answer{Tunnel: true, Own: true} }, Problem,
			"answers: packets that peer 192.0.2.2 sends with this host's address as source do not arrive", "AWS: source/destination check; OpenStack: allowed_address_pairs"},
		"sources checked, answers go through": {func(f *Facts) {
			f.Answers[peer] = Answer{Tunnel: true, Own: true}
			f.Config.Answers, f.File.Answers = dprnl.AnswersThrough, dprnl.AnswersThrough
		}, Note, "answers: packets that peer 192.0.2.2 sends with this host's address as source do not arrive: this network needs", ""},
		"sources checked, tunnel broken": {func(f *Facts) { f.Answers[peer] = Answer{Own: true} }, Problem, "answers: packets that peer 192.0.2.2 sends", "OpenStack"},
		"only the foreign one":           {func(f *Facts) { f.Answers[peer] = Answer{Foreign: true} }, "", "", ""},
		"protocol 253": {func(f *Facts) { f.Answers[peer], f.Answers[other] = Answer{Tunnel: true}, Answer{Tunnel: true} }, Note,
			"IP protocol 253 outside of tunnels, from peer 192.0.2.2, 192.0.2.3", ""},
		"no answer":    {func(f *Facts) { f.Answers[other] = Answer{} }, Problem, "answers: peer 192.0.2.3 does not answer a question through the tunnel", "dprctl check on 192.0.2.3"},
		"older":        {func(f *Facts) { f.Answers[other] = Answer{Older: true} }, Note, "an older version does not know the question, with peer 192.0.2.3", ""},
		"not asked":    {func(f *Facts) { f.Answers[other] = Answer{Err: "no memory"} }, Note, "was not tried with peer 192.0.2.3: no memory", ""},
		"not measured": {func(f *Facts) { f.Answers = nil }, "", "", ""},
		"local destinations": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -p tcp -m addrtype ! --dst-type LOCAL -j DROP"))}
		}, Problem,
			"firewall: the firewall drops redirected connections to port 80, whose destination is a peer's address: iptables filter INPUT: -A INPUT -p tcp -m addrtype ! --dst-type LOCAL -j DROP", "accept TCP to port 80 and the other hosts' addresses"},
		"fast path on": {func(f *Facts) { f.FastPath = []fastpath.State{{Device: "eth0", Attached: true}} }, "", "", ""},
		"fast path off": {func(f *Facts) {
			f.FastPath = []fastpath.State{{Device: "eth0", Attached: true}, {Device: "eth1", Reason: "its driver cannot"}}
		}, Warning, "fast path: no fast path at eth1: its driver cannot", "remove what is in the way"},
		"fast path not kept": {func(f *Facts) { f.FastPath = []fastpath.State{{Device: "eth0", Reason: fastpath.NotRunning}} }, Warning,
			"fast path: no fast path at eth0: dpr-fastpath does not run (systemctl enable --now dpr-fastpath)", ""},
		"fast path of an unconfigured host": {func(f *Facts) {
			f.Config, f.Receiving = dprnl.Config{Address: netip.IPv4Unspecified()}, false
			f.FastPath = []fastpath.State{{Device: "eth0", Reason: fastpath.NotRunning}}
		}, Note, "module: the kernel has no configuration", "dprctl apply"},
		"own address": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -p tcp -j REJECT"))}
		}, Problem,
			"redirected connections to port 80", "accept TCP to port 80 and"},
		"service": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j DROP"))}
		}, Problem,
			"firewall: the firewall drops connections to port 80: iptables filter INPUT", "accept TCP to port 80 before"},
		"reports' port": {func(f *Facts) { f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -p udp -j DROP"))} }, Problem,
			"firewall: the firewall drops the other hosts' reports", "accept UDP to port 7743"},
		"reports to this host": {func(f *Facts) {
			unicast(f)
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -d 192.0.2.1/32 -p udp -m udp --dport 7743 -j DROP"))}
		}, Problem, "firewall: the firewall drops the other hosts' reports", "accept UDP to port 7743"},
		"reports to a group": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -d 239.77.43.1/32 -j DROP"))}
		}, Problem, "firewall: the firewall drops the other hosts' reports", "accept UDP to port 7743"},
		"reports to others": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A INPUT -d 192.0.2.1/32 -p udp -m udp --dport 7743 -j DROP"))}
		}, "", "", ""},
		"unconfigured, with rules": {func(f *Facts) {
			f.Config, f.Receiving = dprnl.Config{Address: netip.IPv4Unspecified()}, false
			f.Rules = []Rule{{100, netip.MustParsePrefix("0.0.0.0/8"), 7}}
		}, Note, "module: the kernel has no configuration", "dprctl apply"},
		"two reasons": {func(f *Facts) { f.Refused["clock"], f.Refused["bad_hmac"] = 1, 2 }, Problem, "2 reports were refused: wrong HMAC", "key_file"},
		"no bridge":   {func(f *Facts) { f.Links[0].Kind, f.Links[0].Snooping = "dummy", true }, "", "", ""},
		"tunnel to nobody": {func(f *Facts) {
			f.File.Marker, f.Config.Marker = dprnl.MarkerSource, dprnl.MarkerSource
			f.Links = append(f.Links, Link{Name: "gre1", Kind: "gre", Remote: peer}, Link{Name: "tunl0", Kind: "ipip"})
		}, "", "", ""},
		"tunnel out": {func(f *Facts) { f.Firewall = []*firewall.Ruleset{rules(t, input("-A OUTPUT -p ipencap -j DROP"))} }, Problem,
			"firewall: the firewall drops packets that this host redirects (protocol 4)", "accept IP protocol 4 to"},
		"answers": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A OUTPUT ! -s 192.0.2.1/32 -j DROP"))}
		}, Problem,
			"firewall: the firewall drops answers to redirected connections from port 80", "accept packets of established"},
		"answers through, out": {func(f *Facts) {
			f.Config.Answers = dprnl.AnswersThrough
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A OUTPUT -p tcp -m conntrack --ctstate UNTRACKED -j DROP"))}
		}, Problem,
			"firewall: the firewall drops answers of peers from port 80, which this host sends on to clients", "accept untracked TCP packets from port 80"},
		"answers direct, out": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, input("-A OUTPUT -p tcp -m conntrack --ctstate UNTRACKED -j DROP"))}
		}, "", "", ""},
		"answers through": {func(f *Facts) { f.Config.Answers, f.File.Answers = dprnl.AnswersThrough, dprnl.AnswersThrough }, "", "", ""},
		"answers through, packets direct": {func(f *Facts) {
			f.Config.Answers, f.Config.Forwarding = dprnl.AnswersThrough, dprnl.ForwardingAuto
		}, Warning, "answers: answers go through the first host, but with forwarding auto", `forwarding = "ipip"`},
		"answers through, shared address": {func(f *Facts) {
			f.Config.Answers = dprnl.AnswersThrough
			f.Links = append(f.Links, Link{Name: "lo", Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("198.51.100.9/32")}})
		}, Warning, "answers: answers go through the first host, but if other hosts have the address 198.51.100.9 of lo", "own"},
		"answers through, address of two": {func(f *Facts) {
			f.Config.Answers = dprnl.AnswersThrough
			several(f)
		}, Warning, "answers: answers go through the first host, but several peers report the address 198.51.100.80: 192.0.2.2, 192.0.2.3.", "two masters"},
		"answers through, address of two and this host": {func(f *Facts) {
			f.Config.Answers = dprnl.AnswersThrough
			several(f)
			f.Links[0].Addresses = append(f.Links[0].Addresses, netip.PrefixFrom(away, 32))
		}, "", "", ""},
		"address of two": {several, "", "", ""},
		"shared address": {func(f *Facts) {
			f.Links = append(f.Links, Link{Name: "lo", Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.9/32")}})
		}, "", "", ""},
		"bond": {func(f *Facts) {
			f.Config.Forwarding = dprnl.ForwardingAuto
			f.Links[0].Kind, f.Links[0].Mode = "bond", "balance-tlb"
		}, Warning, "forwarding: the bond br0 has the mode balance-tlb", `forwarding = "ipip"`},
		"bond below a bridge, of a service": {func(f *Facts) {
			f.Services[0].Rules.Forwarding = dprnl.Own(dprnl.ForwardingDirect)
			f.Links[1].Kind, f.Links[1].Mode = "bond", "balance-alb"
		}, Warning, "forwarding: the bond eth0 has the mode balance-alb", "802.3ad"},
		"bond below a VLAN": {func(f *Facts) {
			f.Config.Forwarding = dprnl.ForwardingDirect
			f.Links[0].Kind, f.Links[0].Parent = "vlan", "bond0"
			f.Links = append(f.Links, Link{Name: "bond0", Kind: "bond", Mode: "balance-alb", Up: true})
		}, Warning, "forwarding: the bond bond0 has the mode balance-alb", "active-backup"},
		"bond, tunnels": {func(f *Facts) { f.Links[0].Kind, f.Links[0].Mode = "bond", "balance-alb" }, "", "", ""},
		"bond, one address": {func(f *Facts) {
			f.Config.Forwarding = dprnl.ForwardingAuto
			f.Links[0].Kind, f.Links[0].Mode = "bond", "802.3ad"
		}, "", "", ""},
		"bond elsewhere": {func(f *Facts) {
			f.Config.Forwarding = dprnl.ForwardingAuto
			f.Links = append(f.Links, Link{Name: "bond0", Kind: "bond", Mode: "balance-alb", Up: true})
		}, "", "", ""},
		"protocol 4 behind dpr": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p ipencap -j DROP\nCOMMIT\n"+input("-A INPUT -p ipencap -j DROP"))}
		}, "", "", ""},
		"unread": {func(f *Facts) { f.Unread = []string{"nft: exit status 1"} }, Note, "firewall: rules were not looked at: nft: exit status 1", ""},
		"published": {func(f *Facts) {
			f.Firewall = []*firewall.Ruleset{rules(t, "*nat\n:DOCKER - [0:0]\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n")}
		}, Warning,
			"published: port 80 is published by DNAT (iptables nat DOCKER: -A DOCKER", "host's network"},
		"conntrack": {func(f *Facts) {
			f.Sysctls["net/netfilter/nf_conntrack_count"], f.Sysctls["net/netfilter/nf_conntrack_max"] = 901, 1000
		}, Problem, "conntrack: connection tracking holds 901 of 1000 connections", "nf_conntrack_max"},
		"conntrack, room": {func(f *Facts) {
			f.Sysctls["net/netfilter/nf_conntrack_count"], f.Sysctls["net/netfilter/nf_conntrack_max"] = 899, 1000
		}, "", "", ""},
		"neighbours":       {func(f *Facts) { f.Sysctls["net/ipv4/neigh/default/gc_thresh3"] = 3 }, Warning, "neighbours: the kernel remembers 3 neighbours at most, and there are 2 peers", "gc_thresh3"},
		"neighbours, room": {func(f *Facts) { f.Sysctls["net/ipv4/neigh/default/gc_thresh3"] = 4 }, "", "", ""},
		"syn cookies":      {func(f *Facts) { f.Sysctls["net/ipv4/tcp_syncookies"] = 0 }, Warning, "syn_cookies: SYN cookies are off", "tcp_syncookies=1"},
		"syn cookies, on":  {func(f *Facts) { f.Sysctls["net/ipv4/tcp_syncookies"] = 1 }, "", "", ""},
		"rp_filter": {func(f *Facts) { f.Filtered, f.Sysctls["net/ipv4/conf/br0/rp_filter"] = 7, 1 }, Warning,
			"rp_filter: reverse path filtering is strict on br0 and has dropped 7 packets", "rp_filter=2"},
		"second network": {func(f *Facts) { second(f); f.Sysctls["net/ipv4/conf/eth1/rp_filter"] = 1 }, Warning,
			"rp_filter: reverse path filtering is strict on eth1, a network for reports, and the way to peer 192.0.2.2 is br0", "net.ipv4.conf.eth1.rp_filter=2"},
		"second network, loose":      {func(f *Facts) { second(f); f.Sysctls["net/ipv4/conf/eth1/rp_filter"] = 2 }, "", "", ""},
		"second network, all strict": {func(f *Facts) { second(f); f.Sysctls["net/ipv4/conf/all/rp_filter"] = 1 }, Warning, "strict on eth1", "eth1"},
		"first network, strict":      {func(f *Facts) { f.Sysctls["net/ipv4/conf/br0/rp_filter"] = 1 }, "", "", ""},
		"rp_filter, loose": {func(f *Facts) {
			f.Filtered, f.Sysctls["net/ipv4/conf/br0/rp_filter"], f.Sysctls["net/ipv4/conf/all/rp_filter"] = 7, 1, 2
		}, "", "", ""},
		"rp_filter, unused": {func(f *Facts) { f.Sysctls["net/ipv4/conf/br0/rp_filter"] = 1 }, "", "", ""},
		"source rule": {func(f *Facts) { f.Rules = []Rule{{100, netip.PrefixFrom(own, 32), 7}} }, Warning,
			"routes: rule 100 sends packets from 192.0.2.1/32 by table 7; answers to redirected connections have the source 192.0.2.2, 192.0.2.3", "ip rule add from ADDRESS lookup 7"},
		"source rule for all":    {func(f *Facts) { f.Rules = []Rule{{100, netip.PrefixFrom(own, 24).Masked(), 7}} }, "", "", ""},
		"source rule for others": {func(f *Facts) { f.Rules = []Rule{{100, netip.MustParsePrefix("198.51.100.0/24"), 7}} }, "", "", ""},
		"snooping":               {func(f *Facts) { f.Links[0].Snooping = true }, Warning, "multicast: the bridge br0 filters multicasts (IGMP snooping) and has no querier", "mcast_querier 1"},
		"snooping of the master": {func(f *Facts) {
			f.Links[0].Snooping, f.File.Report.Networks[0].Interface = true, "eth0"
		}, Warning, "multicast: the bridge br0", "mcast_querier 1"},
		"querier":               {func(f *Facts) { f.Links[0].Snooping, f.Links[0].Querier = true, true }, "", "", ""},
		"lro":                   {func(f *Facts) { f.Links[0].LRO = true }, Problem, "offload: br0 has large receive offload", "ethtool -K br0 lro off"},
		"lro of another device": {func(f *Facts) { f.Links = append(f.Links, Link{Name: "eth9", LRO: true}) }, "", "", ""},
		"tunnel": {func(f *Facts) {
			f.File.Marker, f.Config.Marker = dprnl.MarkerSource, dprnl.MarkerSource
			f.Links = append(f.Links, Link{Name: "tun7", Kind: "ipip", Remote: peer})
		}, Problem, "tunnels: the tunnel tun7 to peer 192.0.2.2", "fragbit"},
		"tunnel, fragbit": {func(f *Facts) { f.Links = append(f.Links, Link{Name: "tun7", Kind: "ipip", Remote: peer}) }, "", "", ""},
		"vrf": {func(f *Facts) {
			f.File.Marker, f.Config.Marker = dprnl.MarkerSource, dprnl.MarkerSource
			f.Links[0].Master = "red"
			f.Links = append(f.Links, Link{Name: "red", Kind: "vrf"})
		}, Problem, "vrf: this host's address is in the VRF red", "fragbit"},
		"ec2, told":  {func(f *Facts) { f.Vendor = "Amazon EC2" }, "", "", ""},
		"ec2, mixed": {func(f *Facts) { f.Vendor, f.Answers[peer] = "Amazon EC2", Answer{Own: true} }, Warning, "cloud: this machine is of EC2", "source/destination check"},
		"ec2":        {func(f *Facts) { f.Vendor, f.Answers = "Amazon EC2", nil }, Warning, "cloud: this machine is of EC2", "source/destination check"},
		"dns":        {func(f *Facts) { f.Name, f.Named = "www.example", []netip.Addr{own, peer} }, Warning, "dns: www.example does not name the hosts 192.0.2.3", "dprctl zone"},
		"dns old": {func(f *Facts) {
			f.Name, f.Named = "www.example", []netip.Addr{own, peer, other, netip.MustParseAddr("192.0.2.4")}
		}, Problem, "dns: www.example names 192.0.2.4", "remove the address"},
		"dns silent": {func(f *Facts) { f.Name, f.Unnamed = "www.example", "i/o timeout" }, Note, "dns: cannot resolve www.example: i/o timeout", "resolv.conf"},
		"dns right":  {func(f *Facts) { f.Name, f.Named = "www.example", []netip.Addr{other, own, peer} }, "", "", ""},
	} {
		f := well()
		tt.change(f)
		got := Examine(f)
		if tt.want == "" {
			if len(got) != 0 {
				t.Errorf("%s: %+v, want nothing", name, got)
			}
			continue
		}
		if tt.want == "2 reports were refused: wrong HMAC" && (len(got) != 2 || !strings.Contains(got[1].What, "clock")) {
			t.Errorf("%s: %+v, want them in order", name, got)
		}
		if !slices.ContainsFunc(got, func(g Finding) bool {
			return g.Severity == tt.severity && strings.Contains(g.Check+": "+g.What, tt.want) && strings.Contains(g.Remedy, tt.remedy)
		}) || len(got) > 2 {
			t.Errorf("%s: %+v, want %s: %s", name, got, tt.severity, tt.want)
		}
	}
}

// The worst comes first.
func TestSeverities(t *testing.T) {
	f := well()
	f.Unread, f.Unsynced, f.Links[0].LRO = []string{"nft: no"}, true, true
	got := Examine(f)
	if len(got) != 3 || got[0].Severity != Problem || got[1].Severity != Warning || got[2].Severity != Note {
		t.Errorf("%+v", got)
	}
}

// Many peers are named by the first few.
func TestSome(t *testing.T) {
	f := well()
	f.Name, f.Named = "www.example", []netip.Addr{own}
	for i := range byte(9) {
		f.Peers = append(f.Peers, dprnl.Peer{Address: netip.AddrFrom4([4]byte{192, 0, 2, 10 + i}), Listed: true})
		f.Routes[f.Peers[len(f.Peers)-1].Address] = Route{Device: "br0"}
	}
	got := Examine(f)
	if len(got) != 1 || !strings.Contains(got[0].What, "192.0.2.2, 192.0.2.3, 192.0.2.10, 192.0.2.11, 192.0.2.12, ...:") {
		t.Errorf("%+v", got)
	}
}

func TestNetstat(t *testing.T) {
	const text = "TcpExt: A IPReversePathFilter B\nTcpExt: 1 42 3\nIpExt: IPReversePathFilter\nIpExt: 5\n"
	for _, tt := range []struct {
		group, name string
		want        uint64
	}{{"TcpExt:", "IPReversePathFilter", 42}, {"TcpExt:", "B", 3}, {"TcpExt:", "C", 0}, {"None:", "A", 0}} {
		if got := netstat(text, tt.group, tt.name); got != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.group, tt.name, got, tt.want)
		}
	}
}
