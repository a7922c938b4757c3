// SPDX-License-Identifier: MIT

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/check/accounting"
	"dpr/testbed/lab"
	"dpr/testbed/lab/drive"
	"dpr/testbed/lab/family"
	"dpr/userland/dprnl"
)

const (
	// stepTimeout bounds one command on a host.
	stepTimeout = 30 * time.Second
	// stepsTimeout bounds several commands on hosts, and what they wait for.
	stepsTimeout = 2 * time.Minute
	// wellTimeout bounds the time that the cluster has to be well again.
	wellTimeout = time.Minute
	// lookUps is how many questions about connections guests are asked at a time.
	lookUps = 2
)

// cluster is the lab's, with what is known of its hosts. It is the clients'
// world.
type cluster struct {
	older string // the host of another version; "" = none
	lab   *lab.Lab
	hosts Cluster
	roads *roads // to the address of all hosts; nil if clients use those of the hosts

	lookUp chan struct{} // a token for each that is under way

	captures map[string]string // the files, by client, of the SYN-ACKs that came

	mu        sync.Mutex
	harms     []Harm
	operated  map[string]*sync.Mutex
	policy    map[string][]string  // what each host was told last, of dprctl policy set
	stateless map[string]time.Time // until when each host may have used the stateless policy
	ledgers   map[string]accounting.Ledger
	counters  map[string]map[string]uint64 // dpr's on each host, when they were read last
	counted   map[string]uint64            // by how much they all grew
	readings  int
	slack     int64          // the most that a ledger had when it was closed
	killed    map[string]int // processes, by "HOST NAME"
}

func newCluster(l *lab.Lab, hosts Cluster) *cluster {
	return &cluster{
		lab: l, hosts: hosts, lookUp: make(chan struct{}, lookUps),
		operated: map[string]*sync.Mutex{}, policy: map[string][]string{}, stateless: map[string]time.Time{}, ledgers: map[string]accounting.Ledger{},
		counters: map[string]map[string]uint64{}, counted: map[string]uint64{},
		killed: map[string]int{}, captures: map[string]string{},
	}
}

// run runs a command on a host that must succeed.
func (c *cluster) run(ctx context.Context, host string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return c.lab.Output(ctx, host, args...)
}

// begin notes that a harm begins; the returned function that it ends.
func (c *cluster) begin(kind HarmKind, host string) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.harms)
	c.harms = append(c.harms, Harm{Kind: kind, Host: host, Begin: time.Now()})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.harms[i].End = time.Now()
	}
}

// during notes a harm for as long as do takes.
func (c *cluster) during(kind HarmKind, host string, do func() error) error {
	defer c.begin(kind, host)()
	return do()
}

// harmed returns the harms so far.
func (c *cluster) harmed() []Harm {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.harms)
}

// isOff says whether a host has no power just now.
func (c *cluster) isOff(host string) bool {
	return slices.ContainsFunc(c.harmed(), func(h Harm) bool { return h.Kind == Off && h.Host == host && h.End.IsZero() })
}

// asked are the hosts that clients ask, by name.
func (c *cluster) asked() []string {
	if c.roads != nil {
		return []string{sharedName}
	}
	return c.hosts.Asked
}

// address is the one that a connection uses.
func (c *cluster) address(k *Conn) (netip.Addr, error) {
	if k.Asked == sharedName {
		return sharedAddress[k.Family], nil
	}
	h, err := c.lab.Host(k.Asked)
	if err != nil {
		return netip.Addr{}, err
	}
	return netip.ParseAddr(h.In(k.Family))
}

func (c *cluster) dial(ctx context.Context, k *Conn, port func(int)) (net.Conn, error) {
	to, err := c.address(k)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	err = c.lab.InNamespace(k.Client, func() (err error) {
		d := net.Dialer{KeepAlive: -1, Control: withPort(port)}
		conn, err = d.DialContext(ctx, fmt.Sprintf("tcp%d", k.Family), netip.AddrPortFrom(to, 80).String())
		return err
	})
	return conn, err
}

func (c *cluster) serves(ctx context.Context, k *Conn) (string, Proof) {
	asked := k.Asked
	if asked == c.older && k.Family == family.V6 {
		return asked, ByNoFlow // it knows no connections of IPv6
	}
	c.lookUp <- struct{}{}
	defer func() { <-c.lookUp }()
	if asked == sharedName {
		return c.servesShared(ctx, k)
	}
	if server, ok := c.flow(ctx, asked, k); !ok || server != "" {
		return server, proofOf(server)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stateless[asked].Before(k.Begin) {
		return "", Unproved
	}
	return asked, ByNoFlow
}

// servesShared looks for a flow on all hosts: the client's packets may have come to any.
func (c *cluster) servesShared(ctx context.Context, k *Conn) (string, Proof) {
	for _, host := range c.hosts.Hosts() {
		if server, _ := c.flow(ctx, host, k); server != "" {
			return server, ByFlow
		}
	}
	return "", Unproved
}

func proofOf(server string) Proof {
	if server == "" {
		return Unproved
	}
	return ByFlow
}

// flow asks a host where it redirects a connection to: "" if it has no flow of it. It is
// false if the host does not say.
func (c *cluster) flow(ctx context.Context, host string, k *Conn) (server string, ok bool) {
	if c.isOff(host) {
		return "", false
	}
	h, err := c.lab.Host(k.Client)
	if err != nil {
		return "", false
	}
	out, err := c.run(ctx, host, "dprctl", "flows", "--json", "--client", h.In(k.Family), "--client-port", strconv.Itoa(k.Port))
	if err != nil {
		return "", false
	}
	for _, line := range lines(out) {
		var flow struct {
			Peer  string `json:"peer"`
			State string `json:"state"`
		}
		if err := json.Unmarshal([]byte(line), &flow); err != nil {
			return "", false
		}
		// A half-open flow may be placed anew, if its peer is lost before it answers.
		if name := c.name(flow.Peer); name != "" && flow.State != dprnl.FlowSyn.String() {
			return name, true
		}
	}
	return "", true
}

// name is the server that has an address.
func (c *cluster) name(address string) string {
	for _, h := range c.lab.Servers() {
		if h.Address == address {
			return h.Name
		}
	}
	return ""
}

// setPolicy gives a host a policy, by the arguments of dprctl policy set.
func (c *cluster) setPolicy(ctx context.Context, host string, config []string) error {
	defer c.operate(host)()
	c.mu.Lock()
	c.policy[host] = config
	c.mu.Unlock()
	return c.again(ctx, host)
}

// again gives a host the policy that it was given last, also one whose module is
// new. The caller operates the host.
func (c *cluster) again(ctx context.Context, host string) error {
	c.mu.Lock()
	config := c.policy[host]
	if config[0] == "stateless" {
		c.stateless[host] = forever
	}
	c.mu.Unlock()
	_, err := c.run(ctx, host, append([]string{"dprctl", "policy", "set"}, config...)...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if config[0] != "stateless" && c.stateless[host].Equal(forever) {
		c.stateless[host] = time.Now()
	}
	return err
}

// operate waits until nobody else changes a host's module, and keeps it so until
// the returned function is called.
func (c *cluster) operate(host string) (done func()) {
	c.mu.Lock()
	m := c.operated[host]
	if m == nil {
		m = &sync.Mutex{}
		c.operated[host] = m
	}
	c.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// forever is later than any connection.
var forever = time.Unix(1<<40, 0)

// open begins to account for a host's packets.
func (c *cluster) open(host string, l accounting.Ledger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(host)
	c.ledgers[host] = l
	c.counters[host] = map[string]uint64{} // they are 0
}

// close ends the accounting of a host: its counters go. c.mu is held.
func (c *cluster) close(host string) {
	if l := c.ledgers[host]; l.Readings > 0 {
		c.readings += l.Readings
		c.slack = max(c.slack, l.Slack())
	}
	delete(c.ledgers, host)
}

// balance accounts for a host's packets.
func (c *cluster) balance(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, stepsTimeout)
	defer cancel()
	r, err := accounting.Read(ctx, c.lab, host, host == c.older)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.ledgers[host]
	if err := l.Add(r); err != nil {
		return fmt.Errorf("%s: %w: first %+v, then %+v; %d redirected, dropped %v", host, err, r.First, r.Last, r.Redirected(), r.Dropped())
	}
	c.ledgers[host] = l
	c.count(host, r.Stats)
	return nil
}

// Counters of what happens to connections of an address that all hosts have.
const (
	countRedirected = "redirected"      // got a flow when they began
	countHashed     = "redirected_hash" // follow the stateless policy's hash
	countAsked      = "owner_asked"     // segments that hosts asked for
	countFound      = "owner_found"     // connections that a peer claimed
	countUnknown    = "owner_unknown"   // segments that nobody claimed
)

// count adds what counters of a host have grown by. What grew before the first reading, or
// between the last one and the end of its module, is not known. c.mu is held.
func (c *cluster) count(host string, stats map[string]uint64) {
	before, known := c.counters[host]
	for _, name := range []string{countRedirected, countHashed, countAsked, countFound, countUnknown} {
		if n := stats[name]; known && n > before[name] {
			c.counted[name] += n - before[name]
		}
	}
	c.counters[host] = stats
}

// well waits until all hosts are well, and accounts for their packets.
func (c *cluster) well(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, wellTimeout)
	defer cancel()
	g, gctx := errgroup.WithContext(waiting)
	for _, host := range c.hosts.Hosts() {
		g.Go(func() error {
			if err := drive.Of(c.lab).AwaitUsable(gctx, host, len(c.hosts.Hosts())-1); err != nil {
				return err
			}
			if err := c.configured(gctx, host); err != nil {
				return err
			}
			return c.balance(gctx, host)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return c.lab.Check()
}

// state is what hosts say of themselves, to find out why they are not well.
func (c *cluster) state(ctx context.Context) string {
	var b strings.Builder
	for _, host := range c.hosts.Hosts() {
		out, err := c.run(ctx, host, "sh", "-c", "date; svc list; dprctl peers; dprctl reports; dprctl stats")
		fmt.Fprintf(&b, "%s: %v\n%s\n", host, err, out)
	}
	return b.String()
}

// configured waits until a host's processes run and checks that it is active and
// has its service.
func (c *cluster) configured(ctx context.Context, host string) error {
	for {
		out, err := c.run(ctx, host, "sh", "-ec", "svc list; dprctl service list; dprctl config show")
		if err == nil {
			if err = lacks(out); err == nil {
				return nil
			}
		}
		if !rest(ctx, 300*time.Millisecond) {
			return fmt.Errorf("%s is not well: %w\n%s", host, err, out)
		}
	}
}

// servicePort is the line of dprctl service list that tells of the service.
var servicePort = regexp.MustCompile(`(?m)^80\s`)

// lacks says what a host's lists show to be missing.
func lacks(text string) error {
	for _, bad := range []string{"restarting", "stopped", "draining", "leaving"} {
		if strings.Contains(text, bad) {
			return fmt.Errorf("something is %s", bad)
		}
	}
	if !servicePort.MatchString(text) {
		return fmt.Errorf("no service")
	}
	return nil
}

// usable says whether a host would redirect to the peer that has an address.
func (c *cluster) usable(ctx context.Context, host, address string) (bool, error) {
	out, err := c.run(ctx, host, "dprctl", "peers", "--json")
	if err != nil {
		return false, err
	}
	var peers []struct {
		Address string `json:"address"`
		Usable  bool   `json:"usable"`
	}
	if err := json.Unmarshal([]byte(out), &peers); err != nil {
		return false, fmt.Errorf("peers of %s: %w", host, err)
	}
	for _, p := range peers {
		if p.Address == address {
			return p.Usable, nil
		}
	}
	return false, nil
}
