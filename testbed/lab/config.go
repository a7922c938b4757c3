// SPDX-License-Identifier: MIT

package lab

import (
	"fmt"
	"io"
	"regexp"
	"time"
)

// The bounds of a Config.
const (
	MaxServers = 80
	MaxClients = 100
	MinMemory  = 192 // MiB
	MaxCPUs    = 8   // the debug kernel has no room for more
)

// Config says what lab to bring up. The zero value is three servers and six
// clients with dpr on Debian 12's kernel.
type Config struct {
	Name    string // 1 to 16 lower-case letters and digits; default "lab"
	Servers int    // 1 to MaxServers; default 3
	Clients int    // 0 to MaxClients; default 6, none if negative
	Kernel  string // series ("6.1", "6.12"), release, "newest" or "debug"; default "6.1"
	Memory  int    // MiB of each guest, at least MinMemory; default 384
	CPUs    int    // processors of each guest, 1 to MaxCPUs; default 1

	// NoDPR boots servers without dpr.ko, the daemons and dprctl; DPR is what
	// /etc/dpr/dpr.toml says where there is dpr.
	NoDPR bool
	DPR   DPRConfig

	// Link is the rate of each server's link, as tc names it ("8mbit"), and
	// AccessRate what nginx gives one connection, in bytes per second ("64k").
	// Neither is limited when empty.
	Link       string
	AccessRate string

	// WebFiles are files of package data that nginx serves beside the usual
	// ones: sizes in bytes by path, "/surge/1234".
	WebFiles map[string]int64

	// Programs are programs of this machine, by their paths, that servers have
	// beside the usual ones.
	Programs []string

	Source   string    // the module's root; default: found from the working directory
	Progress io.Writer // gets a line for each step; nil = none
}

// DPRConfig is what a server's /etc/dpr/dpr.toml says. A zero value leaves the
// key out, so that dpr's own default holds.
type DPRConfig struct {
	Policy, Hash, Estimate, Marker, Orphans string
	MaxLoad                                 uint64
	ReportPeriod                            time.Duration
}

var (
	nameRule   = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	kernelRule = regexp.MustCompile(`^([0-9]+\.[0-9]+([.+~a-z0-9-]*[a-z0-9])?|newest|debug)$`)
	linkRule   = regexp.MustCompile(`^[1-9][0-9]*(bit|kbit|mbit|gbit)$`)
	rateRule   = regexp.MustCompile(`^[1-9][0-9]*[km]?$`)
)

// checkName tells whether name can be a lab's.
func checkName(name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("lab name %q: want 1 to 16 lower-case letters and digits", name)
	}
	return nil
}

// withDefaults fills in what c leaves out and checks the rest.
func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = "lab"
	}
	if c.Servers == 0 {
		c.Servers = 3
	}
	if c.Clients == 0 {
		c.Clients = 6
	}
	c.Clients = max(c.Clients, 0)
	if c.Kernel == "" {
		c.Kernel = "6.1"
	}
	if c.Memory == 0 {
		c.Memory = 384
	}
	if c.CPUs == 0 {
		c.CPUs = 1
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	if err := checkName(c.Name); err != nil {
		return c, err
	}
	switch {
	case c.Servers < 1 || c.Servers > MaxServers:
		return c, fmt.Errorf("%d servers: want 1 to %d", c.Servers, MaxServers)
	case c.Clients > MaxClients:
		return c, fmt.Errorf("%d clients: want at most %d", c.Clients, MaxClients)
	case c.Memory < MinMemory:
		return c, fmt.Errorf("memory of %d MiB: want at least %d", c.Memory, MinMemory)
	case c.CPUs < 1 || c.CPUs > MaxCPUs:
		return c, fmt.Errorf("%d processors: want 1 to %d", c.CPUs, MaxCPUs)
	case !kernelRule.MatchString(c.Kernel):
		return c, fmt.Errorf("kernel %q: want a series such as 6.1, a release such as 6.1.0-56-cloud-amd64, newest or debug", c.Kernel)
	case c.Link != "" && !linkRule.MatchString(c.Link):
		return c, fmt.Errorf("link rate %q: want a number with bit, kbit, mbit or gbit", c.Link)
	case c.AccessRate != "" && !rateRule.MatchString(c.AccessRate):
		return c, fmt.Errorf("access rate %q: want bytes per second, or a number with k or m", c.AccessRate)
	}
	return c, nil
}
