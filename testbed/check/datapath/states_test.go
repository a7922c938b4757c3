// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A flow's state follows what comes from the client, but none of that ends it or
// takes it out of the count of live flows: it may be forged. The serving host does,
// when its socket is gone.
//
//	R ── switch ── A
//	        └───── B
func TestFlowStates(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(time.Hour), TimeoutEstablished: ptr(2 * time.Hour),
			TimeoutFin: ptr(3 * time.Hour), TimeoutRst: ptr(4 * time.Hour)})
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		is := func(state dprnl.FlowState, live uint64, life time.Duration) {
			t.Helper()
			flows := c.a.flows(t)
			if len(flows) != 1 || flows[0].State != state || flows[0].Client != k.local || flows[0].Service != k.remote || flows[0].Peer != c.b.addr {
				t.Fatalf("flows %+v, want one in state %v", flows, state)
			}
			if left := flows[0].Expires; left > life || left < life-time.Minute {
				t.Errorf("in state %v it expires in %v, want %v", state, left, life)
			}
			st := c.a.stats(t)
			if st.Get(dprnl.StatFlows) != 1 || st.Get(dprnl.StatFlowsLive) != live {
				t.Errorf("in state %v: %d flows, %d live", state, st.Get(dprnl.StatFlows), st.Get(dprnl.StatFlowsLive))
			}
			p, err := c.a.dpr.Peer(t.Context(), w.own(addrB))
			check(t, err)
			if p.Flows != 1 || uint64(p.Live) != live {
				t.Errorf("in state %v: %d flows to B, %d live", state, p.Flows, p.Live)
			}
		}
		inject := func(flags string, seq uint32) {
			s := wire.Segment{Src: k.local, Dst: k.remote, Flags: flags, Seq: seq, Ack: k.ack}
			r.send(t, c.a, s.Bytes())
		}
		k.say(t, "S", "")
		k.hear(t, "SA")
		is(dprnl.FlowSyn, 1, time.Hour)
		k.say(t, "A", "")
		is(dprnl.FlowEstablished, 1, 2*time.Hour)
		// B believes none of these; the connection goes on.
		for _, off := range []uint32{100_000, 1 << 31, ^uint32(99_999)} {
			inject("R", k.seq+off)
			is(dprnl.FlowRst, 1, 4*time.Hour)
			k.wantServed(t, "B")
			is(dprnl.FlowEstablished, 1, 2*time.Hour)
		}
		k.say(t, "FA", "")
		is(dprnl.FlowFin, 1, 3*time.Hour)
		k.hear(t, "FA")
		k.say(t, "A", "")
		wantEnded(t, c.a, 0)

		// The server closes first: what the client sends again belongs to its TIME_WAIT.
		k = r.talk(c.a, 4001)
		k.open(t)
		k.say(t, "PA", "close\n")
		k.hear(t, "FA")
		fin := k.segment("FA", "")
		k.send(t, fin)
		wantEnded(t, c.a, 1)
		is(dprnl.FlowEnded, 0, 4*time.Hour)
		r.Take(k.mine)
		r.send(t, c.a, fin.Bytes())
		k.hear(t, "A")
		is(dprnl.FlowEnded, 0, 4*time.Hour)
	})
}

// A clean-up step removes each flow when its state's time is over, not before. If
// the client has said that it ends, that is when the serving host is asked, and
// says that it has no socket.
//
//	R ── switch ── A
//	        └───── B
func TestTimeoutsByState(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		syn, est, fin, rst, ended := r.talk(c.a, 4000), r.talk(c.a, 4001), r.talk(c.a, 4002), r.talk(c.a, 4003), r.talk(c.a, 4004)
		for _, k := range []*talk{est, fin, rst, ended} {
			k.open(t)
			k.wantServed(t, "B")
		}
		c.endByServer(t, ended)
		syn.say(t, "S", "")
		// B loses these, and A does not hear of it.
		for _, k := range []*talk{fin, rst} {
			c.lose(t, k)
		}
		fin.say(t, "FA", "")
		rst.say(t, "R", "")
		const soon = 50 * time.Millisecond
		left := uint32(5)
		for _, step := range []struct {
			gone  *talk
			asked bool
			u     dprnl.ConfigUpdate
		}{
			{syn, false, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)}},
			{fin, true, dprnl.ConfigUpdate{TimeoutFin: ptr(soon)}},
			{rst, true, dprnl.ConfigUpdate{TimeoutRst: ptr(soon)}},
			{est, false, dprnl.ConfigUpdate{TimeoutEstablished: ptr(soon)}},
		} {
			time.Sleep(2 * soon)
			e, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			if e.Expired != 0 || e.Flows != left {
				t.Errorf("%v: %+v before its time", step.gone.local, e)
			}
			a := c.a.meter(t)
			c.a.set(t, step.u)
			e, err = c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			left--
			switch {
			case step.gone == rst: // and the one that ended, at once
				left--
				if e.Expired != 1 {
					t.Errorf("%v: %+v after the RST timeout", step.gone.local, e)
				}
			case !step.asked && (e.Expired != 1 || e.Flows != left || !e.Done):
				t.Errorf("%v: %+v after its time", step.gone.local, e)
			}
			if step.gone == syn {
				// Clients that were silent since the handshake are asked about, too.
				c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(time.Hour)})
			}
			eventually(t, func() error {
				for _, f := range c.a.flows(t) {
					if f.Client == step.gone.local {
						return fmt.Errorf("%+v is still there", f)
					}
				}
				return nil
			})
			if got := a.changes(t); step.asked && (got[dprnl.StatFlowsAsked] != 1 || got[dprnl.StatFlowsEnded] != 1) {
				t.Errorf("%v: %v, want that B was asked and said no", step.gone.local, got)
			}
		}
	})
}

// A connection that its host has confirmed may be gone later, and so may the message that says
// so: the host is asked again, also after it was silent. If the connection is still there it
// stays.
func TestConfirmedIsAskedAgain(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		const soon = 300 * time.Millisecond    // before the first question
		const later = 4*time.Second + 2*settle // the time of four questions, as five times soon is less
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		gone, stays := r.talk(c.a, 4000), r.talk(c.a, 4001)
		for _, k := range []*talk{gone, stays} {
			k.open(t)
			k.wantServed(t, "B")
		}
		c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)})
		a := c.a.meter(t)
		expire := func() {
			_, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			time.Sleep(settle)
		}
		time.Sleep(soon + settle)
		expire()
		expire()
		wantChange(t, a, dprnl.StatFlowsAsked, 2)
		wantChange(t, a, dprnl.StatRxFlowAnswered, 2)
		c.lose(t, gone)
		// B does not hear the questions.
		check(t, c.b.dpr.DeletePeer(t.Context(), c.a.addr, true))
		time.Sleep(later)
		for range 5 {
			expire()
			time.Sleep(time.Second)
		}
		check(t, c.b.dpr.SetPeer(t.Context(), c.known(addrA)))
		if f := c.a.flows(t); len(f) != 2 {
			t.Errorf("flows %+v, want both: silence ends nothing that the client has not ended", f)
		}
		time.Sleep(later)
		expire()
		eventually(t, func() error {
			if f := c.a.flows(t); len(f) != 1 || f[0].Client != stays.local {
				return fmt.Errorf("flows %+v, want that of %v", f, stays.local)
			}
			return nil
		})
		stays.wantServed(t, "B")
	})
}

// lose has B lose a connection of a flow without telling A: it does not know A
// just then.
func (c *cluster) lose(t *testing.T, k *talk) {
	t.Helper()
	check(t, c.b.dpr.DeletePeer(t.Context(), c.a.addr, true))
	c.b.web.reset(t, k.local)
	k.hear(t, "R")
	time.Sleep(settle) // B would tell A in this time
	check(t, c.b.dpr.SetPeer(t.Context(), c.known(addrA)))
}

// endByServer has the server close a connection, which is then in TIME_WAIT there, and waits until
// A knows that.
func (c *cluster) endByServer(t *testing.T, k *talk) {
	t.Helper()
	k.say(t, "PA", "close\n")
	k.hear(t, "FA")
	k.say(t, "FA", "")
	eventually(t, func() error {
		if flows := c.a.flows(t); !hasFlow(flows, k, dprnl.FlowEnded) {
			return fmt.Errorf("flows %v, want one that ended", flows)
		}
		return nil
	})
}
