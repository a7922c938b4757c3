// SPDX-License-Identifier: MIT

//go:build lab

package path

import (
	"testing"
	"time"

	"dpr/testbed/path/wire"
	"dpr/userland/dprnl"
)

// A flow's state follows the client's half of its connection; what an attacker
// could send who sees nothing of it changes nothing. Each state has its own
// timeout.
//
//	R ── switch ── A
//	        └───── B
func TestFlowStates(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		c.a.set(t, dprnl.ConfigUpdate{TimeoutSyn: ptr(time.Hour), TimeoutEstablished: ptr(2 * time.Hour),
			TimeoutFin: ptr(3 * time.Hour), TimeoutRst: ptr(4 * time.Hour)})
		r := c.raw(t, addrR)
		k := r.talk(c.a, 4000)
		is := func(state dprnl.FlowState, live uint64, life time.Duration) {
			t.Helper()
			flows := c.a.flows(t)
			if len(flows) != 1 || flows[0].State != state || flows[0].Client != k.local || flows[0].Service != k.remote || flows[0].Peer != addrB {
				t.Fatalf("flows %+v, want one in state %v", flows, state)
			}
			if left := flows[0].Expires; left > life || left < life-time.Minute {
				t.Errorf("in state %v it expires in %v, want %v", state, left, life)
			}
			st := c.a.stats(t)
			if st.Get(dprnl.StatFlows) != 1 || st.Get(dprnl.StatFlowsLive) != live {
				t.Errorf("in state %v: %d flows, %d live", state, st.Get(dprnl.StatFlows), st.Get(dprnl.StatFlowsLive))
			}
			p, err := c.a.dpr.Peer(t.Context(), addrB)
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
		inject("R", k.seq+100_000)
		is(dprnl.FlowEstablished, 1, 2*time.Hour)
		inject("R", k.seq-100_000)
		is(dprnl.FlowEstablished, 1, 2*time.Hour)
		inject("FA", k.seq-1_000_000)
		is(dprnl.FlowEstablished, 1, 2*time.Hour)
		// Near enough, but B does not believe it; the connection goes on.
		inject("R", k.seq+100)
		is(dprnl.FlowRst, 0, 4*time.Hour)
		k.wantServed(t, "B")
		is(dprnl.FlowEstablished, 1, 2*time.Hour)
		k.say(t, "FA", "")
		is(dprnl.FlowFin, 0, 3*time.Hour)
		k.hear(t, "FA")
		k.say(t, "A", "")
		is(dprnl.FlowFin, 0, 3*time.Hour)
		inject("R", k.seq)
		is(dprnl.FlowRst, 0, 4*time.Hour)
	})
}

// A clean-up step removes each flow when its state's time is over, not before.
//
//	R ── switch ── A
//	        └───── B
func TestTimeoutsByState(t *testing.T) {
	bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
		c := newCluster(t, m)
		r := c.raw(t, addrR)
		syn, est, fin, rst := r.talk(c.a, 4000), r.talk(c.a, 4001), r.talk(c.a, 4002), r.talk(c.a, 4003)
		syn.say(t, "S", "")
		est.open(t)
		fin.open(t)
		fin.say(t, "FA", "")
		rst.open(t)
		rst.say(t, "R", "")
		if n := len(c.a.flows(t)); n != 4 {
			t.Fatalf("%d flows, want 4", n)
		}
		const soon = 50 * time.Millisecond
		left := uint32(4)
		for _, step := range []struct {
			gone *talk
			u    dprnl.ConfigUpdate
		}{
			{syn, dprnl.ConfigUpdate{TimeoutSyn: ptr(soon)}},
			{fin, dprnl.ConfigUpdate{TimeoutFin: ptr(soon)}},
			{rst, dprnl.ConfigUpdate{TimeoutRst: ptr(soon)}},
			{est, dprnl.ConfigUpdate{TimeoutEstablished: ptr(soon)}},
		} {
			time.Sleep(2 * soon)
			e, err := c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			if e.Expired != 0 || e.Flows != left {
				t.Errorf("%v: %+v before its time", step.gone.local, e)
			}
			c.a.set(t, step.u)
			e, err = c.a.dpr.Expire(t.Context(), 0)
			check(t, err)
			left--
			if e.Expired != 1 || e.Flows != left || !e.Done {
				t.Errorf("%v: %+v after its time", step.gone.local, e)
			}
			for _, f := range c.a.flows(t) {
				if f.Client == step.gone.local {
					t.Errorf("%+v is still there", f)
				}
			}
		}
	})
}
