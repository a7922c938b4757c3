// SPDX-License-Identifier: MIT

package ctl

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"dpr/userland/dprnl"
)

// The views define the JSON output.

type configView struct {
	Configured   bool             `json:"configured"`
	Address      netip.Addr       `json:"address"`
	Policy       dprnl.Policy     `json:"policy"`
	Hash         dprnl.Hash       `json:"hash"`
	Estimate     dprnl.Estimate   `json:"estimate"`
	Marker       dprnl.Marker     `json:"marker"`
	Forwarding   dprnl.Forwarding `json:"forwarding"`
	Answers      dprnl.Answers    `json:"answers"`
	State        dprnl.State      `json:"state"`
	Orphans      dprnl.Orphans    `json:"orphans"`
	Group        netip.Addr       `json:"group"` // "": none
	MaxLoad      maxLoadView      `json:"max_load"`
	Weight       uint32           `json:"weight"`
	Weights      weightsView      `json:"weights"`
	MaxFlows     uint32           `json:"max_flows"`
	ReportMaxAge int64            `json:"report_max_age_ms"`
	Timeouts     timeoutsView     `json:"timeouts"`
	SlowStart    int64            `json:"slow_start_ms"`
	Affinity     uint32           `json:"affinity"`
	Affinity6    uint32           `json:"affinity6"`
	AffinityTime int64            `json:"affinity_time_ms"`
	SplicePorts  portsView        `json:"splice_ports"`
	MaxSplices   uint32           `json:"max_splices"`
}

type portsView struct {
	First uint32 `json:"first"`
	Last  uint32 `json:"last"`
}

// maxLoadView is a MaxLoad: a number, or the word "auto".
type maxLoadView uint64

func (v maxLoadView) MarshalJSON() ([]byte, error) {
	if v == dprnl.MaxLoadAuto {
		return json.Marshal(dprnl.FormatMaxLoad(uint64(v)))
	}
	return json.Marshal(uint64(v))
}

func (v maxLoadView) String() string { return dprnl.FormatMaxLoad(uint64(v)) }

func (v *maxLoadView) UnmarshalJSON(text []byte) error {
	n, err := dprnl.ParseMaxLoad(strings.Trim(string(text), `"`))
	*v = maxLoadView(n)
	return err
}

type weightsView struct {
	Connections uint32 `json:"connections"`
	CPU         uint32 `json:"cpu"`
	Redirected  uint32 `json:"redirected"`
	Sockets     uint32 `json:"sockets"`
}

type timeoutsView struct {
	Syn         int64 `json:"syn_ms"`
	Established int64 `json:"established_ms"`
	Fin         int64 `json:"fin_ms"`
	Rst         int64 `json:"rst_ms"`
}

func viewConfig(c dprnl.Config) configView {
	return configView{
		Configured: configured(c), Address: c.Address, Policy: c.Policy, Hash: c.Hash,
		Estimate: c.Estimate, Marker: c.Marker, Forwarding: c.Forwarding, Answers: c.Answers, State: c.State, Orphans: c.Orphans, Group: c.Group, MaxLoad: maxLoadView(c.MaxLoad), Weight: c.Weight,
		Weights: weightsView(c.Weights), MaxFlows: c.MaxFlows, ReportMaxAge: c.ReportMaxAge.Milliseconds(),
		SlowStart: c.SlowStart.Milliseconds(), Affinity: c.Affinity, Affinity6: c.Affinity6, AffinityTime: c.AffinityTime.Milliseconds(),
		SplicePorts: portsView{c.SpliceFirstPort, c.SpliceLastPort}, MaxSplices: c.MaxSplices,
		Timeouts: timeoutsView{
			Syn: c.Timeouts.Syn.Milliseconds(), Established: c.Timeouts.Established.Milliseconds(),
			Fin: c.Timeouts.Fin.Milliseconds(), Rst: c.Timeouts.Rst.Milliseconds(),
		},
	}
}

func configured(c dprnl.Config) bool { return c.Address.IsValid() && !c.Address.IsUnspecified() }

type serviceView struct {
	Port    uint16     `json:"port"`
	Address netip.Addr `json:"address"` // 0.0.0.0: all addresses of this host
	// Its own; absent: the configuration's.
	Policy  *dprnl.Policy `json:"policy,omitempty"`
	MaxLoad *maxLoadView  `json:"max_load,omitempty"`
	Hash    *dprnl.Hash   `json:"hash,omitempty"`

	Affinity     *uint32 `json:"affinity,omitempty"`
	Affinity6    *uint32 `json:"affinity6,omitempty"`
	AffinityTime *int64  `json:"affinity_time_ms,omitempty"`

	Forwarding *dprnl.Forwarding `json:"forwarding,omitempty"`
	Dispatch   *dprnl.Dispatch   `json:"dispatch,omitempty"` // absent: syn

	Load *dprnl.ServiceLoad `json:"load,omitempty"` // absent: host
}

func viewService(s dprnl.Service) serviceView {
	if !s.Address.IsValid() {
		s.Address = netip.IPv4Unspecified()
	}
	v := serviceView{Port: s.Port, Address: s.Address}
	if r := s.Rules.Policy; r.Own {
		v.Policy = &r.Value
	}
	if r := s.Rules.MaxLoad; r.Own {
		load := maxLoadView(r.Value)
		v.MaxLoad = &load
	}
	if r := s.Rules.Hash; r.Own {
		v.Hash = &r.Value
	}
	if r := s.Rules.Affinity; r.Own {
		v.Affinity = &r.Value
	}
	if r := s.Rules.Affinity6; r.Own {
		v.Affinity6 = &r.Value
	}
	if r := s.Rules.AffinityTime; r.Own {
		ms := r.Value.Milliseconds()
		v.AffinityTime = &ms
	}
	if r := s.Rules.Load; r.Own {
		v.Load = &r.Value
	}
	if r := s.Rules.Forwarding; r.Own {
		v.Forwarding = &r.Value
	}
	if r := s.Rules.Dispatch; r.Own {
		v.Dispatch = &r.Value
	}
	return v
}

// A serviceStateView is a service that the kernel has.
type serviceStateView struct {
	serviceView
	State       dprnl.ServiceState `json:"state"`
	Connections uint32             `json:"connections"`
}

func viewServiceStates(list []dprnl.ServiceStatus) []serviceStateView {
	views := make([]serviceStateView, 0, len(list))
	for _, s := range list {
		views = append(views, serviceStateView{viewService(s.Service), s.State, s.Connections})
	}
	return views
}

func viewServices(list []dprnl.Service) []serviceView {
	views := make([]serviceView, 0, len(list))
	for _, s := range list {
		views = append(views, viewService(s))
	}
	return views
}

type loadView struct {
	Connections uint32 `json:"connections"`
	CPU         uint32 `json:"cpu"`
	Redirected  uint32 `json:"redirected"`
	Sockets     uint32 `json:"sockets"`
	Load        uint64 `json:"load"`
}

func viewLoad(l dprnl.Load) loadView {
	return loadView{l.Connections, l.CPU, l.Redirected, l.Sockets, l.Load}
}

type peerView struct {
	Address     netip.Addr  `json:"address"`
	State       dprnl.State `json:"state"`
	Weight      uint32      `json:"weight"`
	Connections uint32      `json:"connections"`
	CPU         uint32      `json:"cpu"`
	Redirected  uint32      `json:"redirected"`
	Sockets     uint32      `json:"sockets"`
	Load        uint64      `json:"load"`
	Estimate    uint64      `json:"estimate"`
	Age         *int64      `json:"age_ms"` // null: never reported
	Usable      bool        `json:"usable"`
	Listed      bool        `json:"listed"`
	Flows       uint32      `json:"flows"`
	Live        uint32      `json:"live"`
	Redirects   uint64      `json:"redirects"`

	Barred dprnl.Barred `json:"barred"`
	Down   []uint16     `json:"down"` // ports of services that it cannot serve

	ServiceLoads []portLoadView `json:"service_loads,omitempty"` // of services that have one

	Forwarding *dprnl.Forwarding `json:"forwarding"` // null: it is not listed
}

type portLoadView struct {
	Port     uint16  `json:"port"`
	Estimate *uint32 `json:"estimate"` // null: unknown
	Live     uint32  `json:"live"`
}

func viewPeers(list []dprnl.Peer) []peerView {
	views := make([]peerView, 0, len(list))
	for _, p := range list {
		v := peerView{
			Address: p.Address, State: p.State, Weight: p.Weight,
			Connections: p.Metrics.Connections, CPU: p.Metrics.CPU,
			Redirected: p.Metrics.Redirected, Sockets: p.Metrics.Sockets,
			Load: p.Load, Estimate: p.Estimate, Usable: p.Usable, Listed: p.Listed,
			Flows: p.Flows, Live: p.Live, Redirects: p.Redirects,
			Barred: p.Barred, Down: append([]uint16{}, p.Down...),
		}
		if p.Reported {
			age := p.Age.Milliseconds()
			v.Age = &age
		}
		if p.Listed {
			v.Forwarding = &p.Forwarding
		}
		for _, l := range p.Loads {
			port := portLoadView{Port: l.Port, Live: l.Live}
			if l.Known {
				port.Estimate = &l.Estimate
			}
			v.ServiceLoads = append(v.ServiceLoads, port)
		}
		views = append(views, v)
	}
	return views
}

type flowView struct {
	Client     netip.Addr      `json:"client"`
	ClientPort uint16          `json:"client_port"`
	Address    netip.Addr      `json:"address"`
	Port       uint16          `json:"port"`
	Peer       netip.Addr      `json:"peer"`
	State      dprnl.FlowState `json:"state"`
	Idle       int64           `json:"idle_ms"`
	Expires    int64           `json:"expires_ms"`
}

func viewFlow(f dprnl.Flow) flowView {
	return flowView{f.Client.Addr(), f.Client.Port(), f.Service.Addr(), f.Service.Port(),
		f.Peer, f.State, f.Idle.Milliseconds(), f.Expires.Milliseconds()}
}

type expiryView struct {
	Scanned uint32 `json:"scanned"`
	Expired uint32 `json:"expired"`
	Reset   uint32 `json:"reset"`
	Flows   uint32 `json:"flows"`
	Done    bool   `json:"done"`
}

type eventView struct {
	Time  time.Time       `json:"time"`
	Event dprnl.EventType `json:"event"`
	Peer  *netip.Addr     `json:"peer,omitempty"`
	State *dprnl.State    `json:"state,omitempty"`
}
