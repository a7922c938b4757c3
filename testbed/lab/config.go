// SPDX-License-Identifier: MIT

package lab

import (
	"cmp"
	"errors"
	"io"
	"regexp"
	"time"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/flags"
	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/qemu"
)

// The bounds of a Config.
const (
	MaxServers = 80
	MaxClients = 100
	MaxCPUs    = 8 // the debug kernel has no room for more
)

// Config says what lab to bring up. The zero value is three servers and six
// clients with dpr on Debian 12's kernel.
type Config struct {
	Name    string // 1 to 16 lower-case letters and digits; default "lab"
	Servers int    // 1 to MaxServers; default 3
	Clients int    // 0 to MaxClients; default 6, none if negative
	Kernel  string // series ("6.1", "6.12"), release, "newest" or "debug"; default "6.1"
	Memory  int    // MiB of each server, at least MinMemory; default 384, 576 with Older
	CPUs    int    // processors of each server, 1 to MaxCPUs; default 1

	// Family is that of the servers' own addresses, and of what hosts' names stand for;
	// default IPv4. All hosts have an address of either family.
	Family family.Family

	// NoDPR boots servers without dpr.ko, the daemons and dprctl; DPR is what
	// /etc/dpr/dpr.toml says where there is dpr.
	NoDPR bool
	DPR   DPRConfig
	// DebugInfo has dpr.ko built with what Debugger's gdb reads.
	DebugInfo bool

	// Link is the rate of each server's link, as tc names it ("8mbit"), and
	// AccessRate what nginx gives one connection, in bytes per second ("64k").
	// Neither is limited when empty.
	Link       string
	AccessRate string
	// AccessChunk is the pieces of it, as nginx words sizes, after each of which a
	// connection waits as long as the rate asks; default 4k, of whole pages and segments.
	AccessChunk string

	// WebFiles are files of package data that nginx serves beside the usual
	// ones: sizes in bytes by path, "/surge/1234".
	WebFiles map[string]int64

	// Programs are programs of this machine, by their paths, that servers have
	// beside the usual ones.
	Programs []string

	// Older is the root of another version's source, from which the second server has
	// its module and dpr's programs; "" = none.
	Older string

	Source   string    // the module's root; default: found from the working directory
	Progress io.Writer // gets a line for each step; nil = none
}

// DPRConfig is what a server's /etc/dpr/dpr.toml says. A zero value leaves the
// key out, so that dpr's own default holds.
type DPRConfig struct {
	Policy, Hash, Estimate, Marker, Orphans, Forwarding, Answers string
	MaxLoad                                                      uint64
	ReportPeriod                                                 time.Duration
}

// olderMemory is what another version's programs take besides, in MiB: the first file system
// of each guest has them, and may fill half of its memory. What does not fit is cut off.
const olderMemory = 192

// Defaults returns the lab that an empty Config describes.
func Defaults() Config {
	return Config{Name: "lab", Servers: 3, Clients: 6, Kernel: kernel.Default, Memory: 384, CPUs: 1, Family: family.V4, Progress: io.Discard}
}

var (
	nameRule = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	linkRule = regexp.MustCompile(`^[1-9][0-9]*(bit|kbit|mbit|gbit)$`)
	rateRule = regexp.MustCompile(`^[1-9][0-9]*[km]?$`)
)

// NameFlag describes a field that is a lab's name.
func NameFlag(p *string) *flags.Flag {
	return flags.Pattern(p, "name", nameRule, "1 to 16 lower-case letters and digits", "`NAME` of the lab")
}

// Flags describes the fields that a command line sets.
func (c *Config) Flags() flags.Set {
	return flags.Set{
		flags.Number(&c.Servers, "servers", flags.From(1, MaxServers), "`N` servers, {range}"),
		flags.Number(&c.Clients, "clients", flags.From(0, MaxClients), "`N` clients, {range}"),
		kernel.Flag(&c.Kernel),
		flags.Number(&c.Memory, "memory", flags.AtLeast(qemu.MinMemory), "`MIB` of memory of each server"),
		flags.Number(&c.CPUs, "cpus", flags.From(1, MaxCPUs), "`N` processors of each server, {range}"),
		family.Flag(&c.Family, "`FAMILY` of the servers' own addresses: {range}"),
		flags.Bool(&c.NoDPR, "no-dpr", "servers without dpr"),
		flags.Bool(&c.DebugInfo, "debug-info", "build dpr.ko with what gdb reads"),
		flags.String(&c.DPR.Policy, "policy", "dpr's `POLICY`, else its own default"),
		flags.String(&c.DPR.Hash, "hash", "dpr's `HASH`, else its own default"),
		flags.String(&c.DPR.Estimate, "estimate", "dpr's `ESTIMATE`, else its own default"),
		flags.String(&c.DPR.Marker, "marker", "dpr's `MARKER`, else its own default"),
		flags.String(&c.DPR.Orphans, "orphans", "dpr's `ORPHANS`, else its own default"),
		flags.String(&c.DPR.Forwarding, "forwarding", "dpr's `FORWARDING`, else its own default"),
		flags.String(&c.DPR.Answers, "answers", "dpr's `ANSWERS`, else its own default"),
		flags.Number(&c.DPR.MaxLoad, "max-load", flags.Range[uint64]{}, "dpr's MaxLoad"),
		flags.Pattern(&c.Link, "link", linkRule, "a number with bit, kbit, mbit or gbit", "`RATE` of each server's link, such as 8mbit"),
		flags.Pattern(&c.AccessRate, "access-rate", rateRule, "bytes per second, or a number with k or m",
			"bytes per second that nginx gives a connection, such as 64k (`RATE`)"),
	}
}

// Validate says what is wrong with a Config that leaves nothing out, or nil.
func (c *Config) Validate() error {
	if c.Older != "" && (c.NoDPR || c.Servers <= olderServer) {
		return errors.New("another version of dpr needs dpr, and two servers")
	}
	if c.Older != "" && c.Family == family.V6 {
		return errors.New("another version of dpr may know no IPv6: its servers' own addresses must be IPv4 ones")
	}
	return append(c.Flags(), NameFlag(&c.Name)).Check()
}

// checkName says why name cannot be a lab's.
func checkName(name string) error {
	if name == "" {
		return errors.New("a lab's name is empty")
	}
	return NameFlag(&name).Check()
}

// withDefaults fills in what c leaves out and checks the rest.
func (c Config) withDefaults() (Config, error) {
	d := Defaults()
	if c.Older != "" {
		d.Memory += olderMemory
	}
	c.Name = cmp.Or(c.Name, d.Name)
	c.Servers = cmp.Or(c.Servers, d.Servers)
	c.Clients = max(cmp.Or(c.Clients, d.Clients), 0)
	c.Kernel = cmp.Or(c.Kernel, d.Kernel)
	c.Memory = cmp.Or(c.Memory, d.Memory)
	c.CPUs = cmp.Or(c.CPUs, d.CPUs)
	c.Family = cmp.Or(c.Family, d.Family)
	c.Progress = cmp.Or(c.Progress, d.Progress)
	return c, c.Validate()
}
