// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// 64 hosts in one kernel, each of which redirects to the next: a ring.
//
//	C ── switch ── 0 → 1 → 2 → … → 63 → 0
func TestNamespaces(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		const n = 64
		gone := newWitness(t)
		t.Run("ring", func(t *testing.T) {
			sw, err := vnet.NewSwitch("switch")
			check(t, err)
			t.Cleanup(func() { sw.Close() })
			c := &cluster{way: w, sw: sw}
			c.c = c.host(t, "C", addrC)
			ring := make([]*server, n)
			for i := range ring {
				ring[i] = c.server(t, fmt.Sprint("h", i), netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}))
				gone.watch(t, ring[i].Host)
				ring[i].web = serve(t, ring[i].Host, ring[i].Name, port)
			}
			for i, s := range ring {
				next, last := ring[(i+1)%n], ring[(i+n-1)%n]
				check(t, s.dpr.SetPeer(t.Context(), w.known(last.addr)))
				c.a = s
				c.redirect(t, next)
			}
			var kept []*conn
			for i, s := range ring {
				k := connect(t, c.c, s.service())
				k.wantServed(t, ring[(i+1)%n].Name)
				kept = append(kept, k)
			}
			for i, s := range ring {
				kept[i].wantServed(t, ring[(i+1)%n].Name)
				st := s.stats(t)
				if st.Get(dprnl.StatRedirected) != 1 || st.Get(dprnl.StatRxSyn) != 1 || st.Get(dprnl.StatFlows) != 1 {
					t.Errorf("%s: redirected %d, received %d, %d flows, want 1 of each", s.Name,
						st.Get(dprnl.StatRedirected), st.Get(dprnl.StatRxSyn), st.Get(dprnl.StatFlows))
				}
			}
			// A socket that waits for the client's last packet would keep its
			// namespace, and the way to it may go first.
			for _, k := range kept {
				check(t, k.SetLinger(0))
				check(t, k.Close())
			}
		})
		gone.alone(t)
	})
}

// Namespaces go away under load, first that of the redirecting host with its
// flows, then that of the serving one with its connections.
//
//	C (load) ── switch ── A
//	               └───── B
func TestNamespaceDeletedUnderLoad(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		gone := newWitness(t)
		for round := range 2 {
			for _, first := range []string{"A", "B"} {
				t.Run(fmt.Sprint(round, first), func(t *testing.T) {
					c := newCluster(t, w)
					gone.watch(t, c.a.Host)
					gone.watch(t, c.b.Host)
					l := startLoad(t, c.c, c.a.service(), 4)
					l.more(t, 20)
					dies := map[string]*server{"A": c.a, "B": c.b}[first]
					dies.web.abort()
					check(t, dies.dpr.Close())
					check(t, dies.Close())
					time.Sleep(50 * time.Millisecond)
					l.stop()
					// What waits for the client would keep the other namespace.
					c.a.web.abort()
					c.b.web.abort()
				})
				gone.alone(t)
			}
		}
	})
}

// A witness sees namespaces end: it has a cable to each, which goes with it.
type witness struct {
	*vnet.Host
	watched map[string]bool // the hosts' names
}

func newWitness(t *testing.T) witness {
	t.Helper()
	h, err := vnet.NewHost("witness")
	check(t, err)
	t.Cleanup(func() { h.Close() })
	return witness{h, map[string]bool{}}
}

// watch connects the witness to a host.
func (w witness) watch(t *testing.T, h *vnet.Host) {
	t.Helper()
	w.watched[h.Name] = true
	check(t, vnet.Connect(w.Host, h.Name, h, "witness", mtu))
}

// alone waits until all hosts that it watches have ended. The kernel ends one
// after the other, and one with all its checks takes half a second for each.
func (w witness) alone(t *testing.T) {
	t.Helper()
	within(t, step+time.Duration(len(w.watched))*time.Second, func() error {
		links, err := w.Links()
		// Beside its loopback device there may be those of tunnel modules.
		links = slices.DeleteFunc(links, func(name string) bool { return !w.watched[name] })
		if err != nil {
			return err
		}
		if len(links) > 0 {
			return fmt.Errorf("namespaces still there: %v", links)
		}
		return nil
	})
}
