// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"strings"

	"dpr/userland/dprnl"
)

func checkModule(f *Facts) []Finding {
	if !f.Loaded {
		return []Finding{{"module", Note, "the kernel module is not loaded: only the file and the host were looked at", "modprobe dpr, or systemctl enable --now dpr.target"}}
	}
	if !f.configured() {
		return []Finding{{"module", Note, "the kernel has no configuration: nothing of the cluster was looked at", "dprctl apply, or systemctl enable --now dpr.target"}}
	}
	return nil
}

func checkAddress(f *Facts) []Finding {
	if !f.configured() || f.holder(f.Config.Address) != nil {
		return nil
	}
	return []Finding{{"address", Problem,
		fmt.Sprintf("no interface has this host's address %v: it redirects nothing, and the others cannot reach it", f.Config.Address),
		"give it to an interface, or change the key address in the configuration file and run dprctl apply"}}
}

// checkFile compares what must agree on all hosts, and the services.
func checkFile(f *Facts) []Finding {
	if !f.configured() || f.File == nil {
		return nil
	}
	var other []string
	for _, v := range []struct {
		key          string
		file, kernel any
	}{
		{"policy", f.File.Policy, f.Config.Policy},
		{"hash", f.File.Hash, f.Config.Hash},
		{"marker", f.File.Marker, f.Config.Marker},
		{"orphans", f.File.Orphans, f.Config.Orphans},
		{"services", len(f.File.Services), len(f.Services)},
	} {
		if v.file != v.kernel {
			other = append(other, fmt.Sprintf("%s (%v, file %v)", v.key, v.kernel, v.file))
		}
	}
	if len(other) == 0 {
		return nil
	}
	return []Finding{{"file", Warning, "the kernel has other values than the file: " + strings.Join(other, ", "),
		"dprctl apply sets those of the file; they are also set at the next boot"}}
}

// checkOffload finds devices that merge packets which must be sent on.
func checkOffload(f *Facts) []Finding {
	var list []Finding
	for _, name := range f.devices() {
		if l := f.link(name); l != nil && l.LRO {
			list = append(list, Finding{"offload", Problem,
				fmt.Sprintf("%s has large receive offload (LRO): merged packets cannot be redirected", name),
				fmt.Sprintf("ethtool -K %s lro off", name)})
		}
	}
	return list
}

// devices are those that peers are reached by, and that of this host's address.
func (f *Facts) devices() []string {
	var names []string
	seen := map[string]bool{"": true}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	add(f.device())
	for _, p := range f.peers() {
		add(f.Routes[p].Device)
	}
	return names
}

// tunnelProtocols are the protocols of tunnels that dpr's have too.
var tunnelProtocols = map[string]string{"ipip": "protocol 4", "sit": "protocol 41", "ip6tnl": "protocols 4 and 41"}

// checkTunnels finds tunnels of the kernel's own whose packets dpr takes: between IPv6
// addresses a packet's source is all that marks it.
func checkTunnels(f *Facts) []Finding {
	why, remedy := "with marker = \"source\"", "set marker = \"fragbit\" on all hosts, or use another kind of tunnel"
	switch {
	case f.six():
		why, remedy = "between IPv6 addresses", "use another kind of tunnel"
	case f.Config.Marker != dprnl.MarkerSource:
		return nil
	}
	var list []Finding
	for _, l := range f.Links {
		shared := tunnelProtocols[l.Kind]
		if shared == "" || !l.Remote.IsValid() {
			continue
		}
		for _, p := range f.peers() {
			if l.Remote == p {
				list = append(list, Finding{"tunnels", Problem,
					fmt.Sprintf("the tunnel %s to peer %v and dpr share %s: %s dpr takes all of its packets", l.Name, p, shared, why), remedy})
			}
		}
	}
	return list
}

func checkVRF(f *Facts) []Finding {
	l := f.holder(f.Config.Address)
	if l == nil || f.Config.Marker != dprnl.MarkerSource {
		return nil
	}
	if m := f.link(l.Master); m != nil && m.Kind == "vrf" {
		return []Finding{{"vrf", Problem,
			fmt.Sprintf("this host's address is in the VRF %s: with marker = \"source\" that is not supported", m.Name),
			"set marker = \"fragbit\" on all hosts"}}
	}
	return nil
}

// vendors are clouds whose networks drop packets from addresses that are not the
// sender's, with the way to let them pass, if there is one.
var vendors = []struct{ vendor, name, remedy string }{
	{"Amazon EC2", "EC2", "switch off the source/destination check of every host's network interface"},
	{"OpenStack", "OpenStack", "add the other hosts' addresses to allowed_address_pairs of every host's port"},
	{"Google", "Google Cloud", "none is known: the network drops them"},
	{"Microsoft", "Azure", "none is known: the network drops them"},
}

// checkVendor warns of clouds, unless peers' answers have shown that the network was told
// to let such packets pass.
func checkVendor(f *Facts) []Finding {
	if f.foreignPass() {
		return nil
	}
	for _, v := range vendors {
		if strings.HasPrefix(f.Vendor, v.vendor) {
			return []Finding{{"cloud", Warning,
				fmt.Sprintf("this machine is of %s, whose network drops answers from other hosts' addresses unless it is told not to", v.name), v.remedy}}
		}
	}
	return nil
}
