// SPDX-License-Identifier: MIT

package scripts

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// everywhere is what all programs on servers are built from.
var everywhere = []string{
	"github.com/coreos/go-systemd/v22", "github.com/mdlayher/genetlink", "github.com/mdlayher/netlink", "github.com/mdlayher/socket",
	"github.com/pelletier/go-toml/v2", "golang.org/x/net", "golang.org/x/sync", "golang.org/x/sys",
}

// also is what some are built from besides. docs/design/0012-dependencies.md has the reasons.
var also = map[string][]string{
	"dpr-broadcast": nil,
	"dpr-receive":   nil,
	"dpr-cleanup":   {"github.com/vishvananda/netlink", "github.com/vishvananda/netns"},
	"dpr-fastpath":  {"github.com/vishvananda/netlink", "github.com/vishvananda/netns"},
	"dpr-exporter": {
		"github.com/beorn7/perks", "github.com/cespare/xxhash/v2", "github.com/jpillora/backoff", "github.com/mdlayher/vsock", "github.com/munnerz/goautoneg",
		"github.com/mwitkow/go-conntrack", "github.com/prometheus/client_golang", "github.com/prometheus/client_model", "github.com/prometheus/common",
		"github.com/prometheus/exporter-toolkit", "github.com/prometheus/procfs", "go.yaml.in/yaml/v2", "golang.org/x/crypto", "golang.org/x/oauth2",
		"golang.org/x/text", "google.golang.org/protobuf",
	},
	"dprctl": {
		"github.com/cpuguy83/go-md2man/v2", "github.com/russross/blackfriday/v2", "github.com/urfave/cli/v2", "github.com/vishvananda/netlink",
		"github.com/vishvananda/netns", "github.com/xrash/smetrics",
	},
}

// Programs on servers are built from those modules and no others.
func TestModulesOnServers(t *testing.T) {
	for program, more := range also {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "dpr/cmd/"+program).Output()
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(strings.Fields(string(out)), func(m string) bool { return m == "dpr" })
		slices.Sort(got)
		got = slices.Compact(got)
		want := slices.Concat(everywhere, more)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s is built from\n%s\nwant\n%s", program, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
