// SPDX-License-Identifier: MIT

// Package guest is the agreement between the lab, which writes a guest's
// initramfs, and the guest's init, which reads it.
package guest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"

	"dpr/testbed/lab/guest/service"
)

// Names that both sides know.
const (
	ConfigPath = "/etc/dprlab/config.json" // a Config, in the initramfs
	ModulePath = "/lib/modules/dpr.ko"     // the module, unless the lab is without it
	HostParam  = "dprlab.host="            // kernel parameter: the guest's host name
	ProbeParam = "dprlab.probe"            // kernel parameter: say Alive and power off
	Alive      = "dprlab: alive"           // what a probed guest prints on its console
	AgentPort  = "dprlab.agent"            // virtio port: yamux, one stream a request
	LogPort    = "dprlab.log"              // virtio port: the services' log
	WebRoot    = "/srv/www"                // what nginx serves
)

// Config is what all guests of a lab have in common.
type Config struct {
	Hosts     []Host            `json:"hosts"`   // the servers
	Prefix    int               `json:"prefix"`  // prefix length of the lab's network
	Prefix6   int               `json:"prefix6"` // the same of IPv6
	Modules   []string          `json:"modules"` // kernel modules loaded at boot
	Extras    []string          `json:"extras"`  // the same, if the kernel has them
	Sysctls   map[string]string `json:"sysctls"`
	Link      string            `json:"link,omitempty"` // rate of eth0, as tc names it; "" = unlimited
	DPR       bool              `json:"dpr"`            // insert ModulePath and run dprctl apply
	Services  []service.Spec    `json:"services"`
	Ready     string            `json:"ready"`      // host:port that answers when the services are up
	DataFiles map[string]int64  `json:"data_files"` // path and size of files of package data
}

// Host is one server.
type Host struct {
	Name     string          `json:"name"`
	Address  string          `json:"address"`
	Address6 string          `json:"address6"`
	Files    map[string]File `json:"files,omitempty"` // written at boot
	// Moves are files of the initramfs that are moved at boot, over those that are there.
	Moves map[string]string `json:"moves,omitempty"`
}

// File is a small file that one host has for itself.
type File struct {
	Mode fs.FileMode `json:"mode"`
	Text string      `json:"text"`
}

// Read reads the Config at path.
func Read(path string) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the lab's configuration: %w", err)
	}
	var c Config
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("reading the lab's configuration in %s: %w", path, err)
	}
	return &c, nil
}

// Host returns the host called name.
func (c *Config) Host(name string) (Host, error) {
	for _, h := range c.Hosts {
		if h.Name == name {
			return h, nil
		}
	}
	return Host{}, fmt.Errorf("the lab's configuration has no host %q", name)
}
