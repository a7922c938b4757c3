// SPDX-License-Identifier: MIT

package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/guest"
	"dpr/testbed/lab/guest/service"
	"dpr/userland/dprnl"
)

// Where dpr's configuration is on a server.
const (
	dprConfigPath = "/etc/dpr/dpr.toml"
	dprKeyPath    = "/etc/dpr/key"
)

// reportGroups are the groups that servers send their reports to, by the family of their
// own addresses. That of IPv6 is one of the link.
var reportGroups = map[family.Family]string{family.V4: "239.77.0.1", family.V6: "ff12::77:1"}

// dprConfig is what a server's file says: the last release has not all keys.
func (c Config) dprConfig(h Host) DPRConfig {
	d := c.DPR
	if c.Older != "" && h.Name == OlderServer {
		d.Forwarding, d.Answers = "", ""
	}
	return d
}

// dprToml returns a server's /etc/dpr/dpr.toml, whose own address has the family f.
func dprToml(c DPRConfig, h Host, f family.Family) string {
	var b strings.Builder
	text := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %q\n", key, value)
		}
	}
	text("address", h.In(f))
	text("policy", c.Policy)
	text("hash", c.Hash)
	text("estimate", c.Estimate)
	text("marker", c.Marker)
	text("orphans", c.Orphans)
	text("forwarding", c.Forwarding)
	text("answers", c.Answers)
	switch c.MaxLoad {
	case 0:
	case dprnl.MaxLoadAuto:
		text("max_load", dprnl.FormatMaxLoad(c.MaxLoad))
	default:
		fmt.Fprintf(&b, "max_load = %d\n", c.MaxLoad)
	}
	b.WriteString("\n[report]\n")
	if c.ReportPeriod != 0 {
		text("period", c.ReportPeriod.String())
	}
	text("key_file", dprKeyPath)
	fmt.Fprintf(&b, "\n[[report.network]]\ninterface = \"eth0\"\ngroup = %q\n", reportGroups[f])
	b.WriteString("\n[[service]]\nport = 80\n")
	return b.String()
}

// newKey returns a key for the reports of one lab's servers.
func newKey() string {
	var key [32]byte
	// It never fails.
	_, _ = rand.Read(key[:])
	return hex.EncodeToString(key[:]) + "\n"
}

// dprFiles returns the files that make a server's dpr.
func dprFiles(c Config, h Host, key string) map[string]guest.File {
	return map[string]guest.File{
		dprConfigPath: {Mode: 0o644, Text: dprToml(c.dprConfig(h), h, c.Family)},
		dprKeyPath:    {Mode: 0o600, Text: key},
	}
}

// dprServices returns the three processes of dpr.
func dprServices() []service.Spec {
	var specs []service.Spec
	for _, name := range []string{"dpr-broadcast", "dpr-receive", "dpr-cleanup"} {
		specs = append(specs, service.Spec{Name: name, Args: []string{"/usr/sbin/" + name}})
	}
	return specs
}
