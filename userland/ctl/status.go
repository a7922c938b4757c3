// SPDX-License-Identifier: MIT

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"dpr/userland/config"
	"dpr/userland/daemon"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
)

// fullPercent is the fill level of the routing table at which status warns.
const fullPercent = 90

// format is the version of what status says as JSON: a program that reads it can rely on
// all of it staying as it is, and must not mind more.
const format = 1

type statusView struct {
	Format     int          `json:"format"`
	Module     bool         `json:"module"` // whether it is loaded
	Version    string       `json:"module_version,omitempty"`
	Tools      string       `json:"version"` // of this program
	Configured bool         `json:"configured"`
	Config     *configView  `json:"config,omitempty"`
	Load       *loadView    `json:"load,omitempty"`
	Host       *ownView     `json:"host,omitempty"` // absent if the file cannot be read
	Services   int          `json:"services"`
	Peers      peersSummary `json:"peers"`
	Flows      uint64       `json:"flows"`
	FlowsLive  uint64       `json:"flows_live"`
	// FastPath has the devices that are to have the fast path; absent if none is.
	FastPath []fastpath.State `json:"fast_path,omitempty"`
	Healthy  bool             `json:"healthy"`  // this host; the others may not be
	Problems []string         `json:"problems"` // of this host
	Cluster  []string         `json:"cluster"`  // troubles of other hosts, and of backends
}

type peersSummary struct {
	Known  int `json:"known"`
	Listed int `json:"listed"`
	Usable int `json:"usable"`
}

func (p *program) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show whether this host is healthy, and if not, why",
		Flags: []cli.Flag{
			jsonFlag(), fileFlag(), &cli.BoolFlag{Name: "check", Usage: "exit with status 5 if the host is not healthy"},
			&cli.BoolFlag{Name: "cluster", Usage: "show all hosts, as this one sees them"},
		},
		Action: func(c *cli.Context) error {
			if _, err := positional(c); err != nil {
				return err
			}
			if c.Bool("cluster") {
				if c.Bool("check") {
					return usagef("%s--check is for this host: leave out --cluster", where(c))
				}
				v, err := p.readCluster(c.Context, c.String("config"))
				if err != nil {
					return err
				}
				return p.print(c, v, func(w io.Writer) { writeCluster(w, v) })
			}
			v, err := p.readStatus(c.Context, c.String("config"))
			if err != nil && !errors.Is(err, dprnl.ErrNotLoaded) {
				return err
			}
			if perr := p.print(c, v, func(w io.Writer) { writeStatus(w, v) }); perr != nil {
				return perr
			}
			if err == nil && !v.Healthy && c.Bool("check") {
				return errUnhealthy
			}
			return err
		},
	}
}

// readStatus reads everything that status shows from the kernel, and asks dpr-receive if
// the file says that there should be one, and dpr-fastpath. Without the module it returns a
// view as well as the error.
func (p *program) readStatus(ctx context.Context, file string) (statusView, error) {
	k, err := p.Dial()
	if err != nil {
		return statusView{Format: format, Tools: daemon.Version(), Problems: []string{dprnl.ErrNotLoaded.Error()}, Cluster: []string{}}, err
	}
	defer k.Close()
	config, err := k.Config(ctx)
	if err != nil {
		return statusView{}, err
	}
	load, err := k.Load(ctx)
	if err != nil {
		return statusView{}, err
	}
	services, err := k.ServiceStates(ctx)
	if err != nil {
		return statusView{}, err
	}
	peers, err := k.Peers(ctx)
	if err != nil {
		return statusView{}, err
	}
	stats, err := k.Stats(ctx)
	if err != nil {
		return statusView{}, err
	}
	backends, err := k.Backends(ctx)
	if err != nil {
		return statusView{}, err
	}
	cv, lv := viewConfig(config), viewLoad(load)
	v := statusView{
		Format: format, Module: true, Version: p.Module(), Tools: daemon.Version(), Configured: cv.Configured, Config: &cv, Load: &lv, Services: len(services),
		Peers: summarize(peers), Flows: stats.Get(dprnl.StatFlows), FlowsLive: stats.Get(dprnl.StatFlowsLive),
	}
	v.Problems = append(problems(config, v, services), p.hostProblems(ctx, file, &v)...)
	v.Cluster = append(troubles(config, services, peers), downBackends(backends)...)
	v.Healthy = len(v.Problems) == 0
	return v, nil
}

// hostProblems looks at what the file says that this host should have, and asks
// dpr-receive and dpr-fastpath. A device without the fast path is no problem: its packets go
// the usual way. Without a file nothing need be there; with one that is wrong, all processes
// have to be: those that run go on with what they read before. A key that only others may
// read is not wrong.
func (p *program) hostProblems(ctx context.Context, file string, v *statusView) []string {
	cfg, err := config.LoadReadable(file)
	if _, serr := os.Stat(file); err != nil && errors.Is(serr, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		mistake, _, _ := strings.Cut(err.Error(), "\n")
		return append([]string{"the configuration is wrong, and no process starts with it: " + mistake + " (dprctl check)"}, p.Host(nil).missing(daemons)...)
	}
	host, problems := p.Host(interfacesOf(cfg)).view(cfg, v.Config.Address)
	v.Host = &host
	devices, err := p.FastPath(ctx, cfg.FastPathSocket())
	v.FastPath = fastpath.States(cfg, devices, err)
	if len(cfg.Report.Networks) == 0 {
		return problems
	}
	_, err = p.Reports(ctx, cfg.CountsPath())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		problems = append(problems, "dpr-receive does not run: this host forgets its peers (systemctl status dpr-receive)")
	}
	return problems
}

func summarize(peers []dprnl.Peer) peersSummary {
	s := peersSummary{Known: len(peers)}
	for _, p := range peers {
		if p.Listed {
			s.Listed++
		}
		if p.Usable {
			s.Usable++
		}
	}
	return s
}

// problems lists what keeps this host from taking part in the cluster.
func problems(c dprnl.Config, v statusView, services []dprnl.ServiceStatus) []string {
	list := []string{}
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if !v.Configured {
		add("this host has no address configured (dprctl apply)")
	}
	if v.Services == 0 {
		add("no service is configured: nothing is redirected (dprctl service add)")
	}
	for _, s := range services {
		switch s.State {
		case dprnl.ServiceNoListener:
			if !servedByOthers(services, v.Peers.Usable > 0) {
				add("nothing listens on port %v of this host: its connections go to peers", s.Service)
			}
		case dprnl.ServiceFull:
			add("the accept queue of port %v of this host is full: its connections go to peers", s.Service)
		}
	}
	if c.State != dprnl.StateActive {
		add("this host is %v: it gets no new connections (dprctl undrain)", c.State)
	}
	if c.Policy != dprnl.PolicyOff && v.Peers.Usable == 0 {
		add("no peer is usable: this host serves every connection")
	}
	if full := uint64(c.MaxFlows) * fullPercent / 100; full > 0 && v.Flows >= full {
		add("the routing table is nearly full: %d of %d flows", v.Flows, c.MaxFlows)
	}
	return list
}

// servedByOthers says whether a service without a server here is as it should be: not every host
// has to serve every service.
func servedByOthers(services []dprnl.ServiceStatus, usable bool) bool {
	served := func(s dprnl.ServiceStatus) bool { return s.State != dprnl.ServiceNoListener }
	return usable && slices.ContainsFunc(services, served)
}

// troubles lists what is wrong with other hosts, as far as this one sees it, and what this host
// leaves to them.
func troubles(c dprnl.Config, services []dprnl.ServiceStatus, peers []dprnl.Peer) []string {
	list := []string{}
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, s := range services {
		if s.State == dprnl.ServiceNoListener && servedByOthers(services, summarize(peers).Usable > 0) {
			add("port %v is left to other hosts: nothing listens on it here", s.Service)
		}
	}
	for _, text := range []string{
		some(peers, "does not hear this host", func(p dprnl.Peer) bool { return p.Listed && p.Barred == dprnl.BarredUnheard }),
		some(peers, "does not get what is redirected to it", func(p dprnl.Peer) bool { return p.Listed && p.Barred == dprnl.BarredLost }),
		some(peers, "has an address of the other family, IPv4 or IPv6, than this host", func(p dprnl.Peer) bool { return p.Listed && p.Barred == dprnl.BarredFamily }),
		some(peers, "has another marker", func(p dprnl.Peer) bool { return p.Listed && p.Barred == dprnl.BarredSettings }),
	} {
		if text != "" {
			add("%s: no new connections for it", text)
		}
	}
	for _, s := range services {
		if text := some(peers, fmt.Sprintf("cannot serve port %d", s.Port), func(p dprnl.Peer) bool { return p.Listed && slices.Contains(p.Down, s.Port) }); text != "" {
			add("%s", text)
		}
	}
	if silent := silentPeers(peers, c.ReportMaxAge); silent != "" {
		add("silent peers: %s", silent)
	}
	return list
}

// downBackends names the backends that are down, up to five: nothing sets up one that is not
// checked.
func downBackends(list []dprnl.BackendStatus) []string {
	const most = 5
	var names []string
	n := 0
	for _, b := range list {
		if !b.Down {
			continue
		}
		if n++; n <= most {
			names = append(names, b.Name)
		}
	}
	if n == 0 {
		return nil
	}
	if n > most {
		names = append(names, fmt.Sprintf("and %d more", n-most))
	}
	return []string{"backend is down: " + strings.Join(names, ", ") + ": no new connections for it (dprctl backends set NAME --up, unless it is checked)"}
}

// some says which peers have a trouble, up to five by name; "" if none has.
func some(peers []dprnl.Peer, trouble string, has func(dprnl.Peer) bool) string {
	const most = 5
	var names []string
	n := 0
	for _, p := range peers {
		if !has(p) {
			continue
		}
		if n++; n <= most {
			names = append(names, p.Address.String())
		}
	}
	if n == 0 {
		return ""
	}
	if n > most {
		names = append(names, fmt.Sprintf("and %d more", n-most))
	}
	return "peer " + trouble + ": " + strings.Join(names, ", ")
}

// silentPeers names up to five peers whose last report is too old. A leaving
// peer may be silent.
func silentPeers(peers []dprnl.Peer, maxAge time.Duration) string {
	const most = 5
	var names []string
	n := 0
	for _, p := range peers {
		if !p.Reported || p.Age <= maxAge || p.State == dprnl.StateLeaving {
			continue
		}
		if n++; n <= most {
			names = append(names, fmt.Sprintf("%v for %s", p.Address, seconds(p.Age)))
		}
	}
	if n > most {
		names = append(names, fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(names, ", ")
}

// moduleVersion is the module's version as status shows it, and this program's if it is
// another one.
func moduleVersion(v statusView) string {
	switch v.Version {
	case "":
		return ""
	case v.Tools:
		return ", version " + v.Version
	}
	return fmt.Sprintf(", version %s (dprctl is of %s)", v.Version, v.Tools)
}

func writeHost(w io.Writer, h *ownView) {
	var links []string
	for _, name := range slices.Sorted(maps.Keys(h.Links)) {
		links = append(links, name+" "+h.Links[name])
	}
	if len(links) > 0 {
		fmt.Fprintf(w, "reports\tby %s\n", strings.Join(links, ", "))
	}
	switch len(h.Keys) {
	case 0:
	case 1:
		fmt.Fprintf(w, "key\t%s\n", h.Keys[0])
	default:
		fmt.Fprintf(w, "key\t%s, and %s is accepted\n", h.Keys[0], h.Keys[1])
	}
	clock := "synchronised"
	if !h.Synced {
		clock = "not synchronised"
	}
	fmt.Fprintf(w, "clock\t%s\n", clock)
}

func writeFastPath(w io.Writer, states []fastpath.State) {
	for i, s := range states {
		label, how := "", "on"
		if i == 0 {
			label = "fast path"
		}
		switch {
		case !s.Attached:
			how = "off: " + s.Reason
		case s.Forced:
			how = "on, forced"
		}
		fmt.Fprintf(w, "%s\t%s %s\n", label, s.Device, how)
	}
}

func writeStatus(w io.Writer, v statusView) {
	if v.Module {
		fmt.Fprintln(w, "module\tloaded"+moduleVersion(v))
		address := "(not configured)"
		if v.Configured {
			address = v.Config.Address.String()
		}
		fmt.Fprintf(w, "address\t%s\n", address)
		if v.Host != nil {
			writeHost(w, v.Host)
		}
		fmt.Fprintf(w, "state\t%v\n", v.Config.State)
		fmt.Fprintf(w, "policy\t%v, serves below load %s\n", v.Config.Policy, dprnl.FormatMaxLoad(uint64(v.Config.MaxLoad)))
		fmt.Fprintf(w, "load\t%d (%d connections, CPU %s, %d redirected, %d sockets)\n", v.Load.Load,
			v.Load.Connections, percent(v.Load.CPU), v.Load.Redirected, v.Load.Sockets)
		fmt.Fprintf(w, "services\t%d\n", v.Services)
		fmt.Fprintf(w, "peers\t%d usable, %d in the load table, %d known\n", v.Peers.Usable, v.Peers.Listed, v.Peers.Known)
		fmt.Fprintf(w, "flows\t%d of %d, %d live\n", v.Flows, v.Config.MaxFlows, v.FlowsLive)
		writeFastPath(w, v.FastPath)
	} else {
		fmt.Fprintln(w, "module\tnot loaded")
	}
	if v.Healthy {
		fmt.Fprintln(w, "healthy\tyes")
	}
	for i, problem := range v.Problems {
		var label string
		if i == 0 {
			label = "healthy\tno: "
		} else {
			label = "\t    "
		}
		fmt.Fprintln(w, label+problem)
	}
	for i, trouble := range v.Cluster {
		label := "\t"
		if i == 0 {
			label = "cluster\t"
		}
		fmt.Fprintln(w, label+trouble)
	}
}
