// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <net/tcp.h>
#include "flow.h"
#include "peer.h"
#include "reset.h"

/*
 * A RST or FIN this far from where the client's data ends is taken for real;
 * one farther off is passed on but does not shorten the flow's life (a blind
 * attacker must not end connections, RFC 5961).
 */
#define DPR_END_WINDOW	65535

/*
 * How long a handshake is left in peace: a round trip, and the second after
 * which a lost segment of it comes again (RFC 6298).
 */
#define DPR_FLOW_GRACE	(3 * HZ)

static struct kmem_cache *dpr_flow_cache;

/**
 * dpr_flow_init - make the flows' slab cache
 *
 * Return: 0 or -ENOMEM.
 */
int __init dpr_flow_init(void)
{
	BUILD_BUG_ON(sizeof(struct dpr_flow_key) != 12);
#if !defined(CONFIG_DEBUG_LOCK_ALLOC)
	BUILD_BUG_ON(sizeof(struct dpr_flow) != 64);
#endif
	dpr_flow_cache = kmem_cache_create("dpr_flow", sizeof(struct dpr_flow),
					   0, SLAB_HWCACHE_ALIGN, NULL);
	return dpr_flow_cache ? 0 : -ENOMEM;
}

/**
 * dpr_flow_exit - free the slab cache, once all flows are freed
 */
void dpr_flow_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(dpr_flow_cache);
}

/**
 * dpr_flow_setup - make a namespace's routing table
 * @dn: the namespace
 *
 * Return: 0 or a negative errno.
 */
int dpr_flow_setup(struct dpr_net *dn)
{
	int i, err;

	for (i = 0; i < DPR_EMBRYO_SHARDS; i++) {
		spin_lock_init(&dn->embryos[i].lock);
		INIT_LIST_HEAD(&dn->embryos[i].list);
	}
	mutex_init(&dn->expire_lock);
	err = rhashtable_init(&dn->flows, &dpr_flow_params);
	if (err)
		return err;
	rhashtable_walk_enter(&dn->flows, &dn->expire);
	return 0;
}

static void dpr_flow_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(dpr_flow_cache,
			container_of(rcu, struct dpr_flow, rcu));
}

static void dpr_flow_free_at_exit(void *ptr, void *arg)
{
	struct dpr_flow *flow = ptr;

	dpr_peer_put(flow->peer);
	kmem_cache_free(dpr_flow_cache, flow);
}

/**
 * dpr_flow_teardown - free the routing table and all flows
 * @dn: the namespace; no hook and no netlink operation runs in it any more
 */
void dpr_flow_teardown(struct dpr_net *dn)
{
	rhashtable_walk_exit(&dn->expire);
	rhashtable_free_and_destroy(&dn->flows, dpr_flow_free_at_exit, NULL);
}

static bool dpr_flow_live(u8 state)
{
	return state == DPR_FLOW_SYN || state == DPR_FLOW_ESTABLISHED;
}

static void dpr_flow_count_live(struct dpr_net *dn, struct dpr_flow *flow,
				int n)
{
	atomic_add(n, &dn->live);
	atomic_add(n, &flow->peer->live);
	dpr_peer_recount(dn, rcu_dereference(dn->config), flow->peer);
}

static void dpr_flow_unlist_embryo(struct dpr_net *dn, struct dpr_flow *flow)
{
	struct dpr_embryos *embryos = &dn->embryos[flow->shard];

	spin_lock_bh(&embryos->lock);
	list_del(&flow->embryo);
	spin_unlock_bh(&embryos->lock);
}

/* Takes back what a flow holds, once its state has become DPR_FLOW_GONE. */
static void dpr_flow_release(struct dpr_net *dn, struct dpr_flow *flow,
			     u8 state)
{
	rhashtable_remove_fast(&dn->flows, &flow->node, dpr_flow_params);
	if (dpr_flow_live(state))
		dpr_flow_count_live(dn, flow, -1);
	atomic_dec(&flow->peer->flows);
	atomic_dec(&dn->flow_count);
	dpr_peer_put(flow->peer);
	call_rcu(&flow->rcu, dpr_flow_free_rcu);
}

/**
 * dpr_flow_kill - remove a flow
 * @dn: the namespace
 * @flow: the flow; stays readable until the RCU section ends
 *
 * Called under RCU with bottom halves off.
 *
 * Return: false if somebody else removed it first.
 */
bool dpr_flow_kill(struct dpr_net *dn, struct dpr_flow *flow)
{
	u8 state = xchg(&flow->state, DPR_FLOW_GONE);

	if (state == DPR_FLOW_GONE)
		return false;
	if (state == DPR_FLOW_SYN)
		dpr_flow_unlist_embryo(dn, flow);
	dpr_flow_release(dn, flow, state);
	return true;
}

/**
 * dpr_flow_insist - let the peer no longer refuse
 * @flow: the flow
 *
 * Return: false if it has refused already.
 */
bool dpr_flow_insist(struct dpr_flow *flow)
{
	u8 offer = READ_ONCE(flow->offer), now;

	if (likely(!offer))
		return true;
	if (offer == DPR_FLOW_RETURNED)
		return false;
	now = cmpxchg(&flow->offer, offer, 0);
	return now == offer || !now;
}

/**
 * dpr_flow_take_back - remove a flow that its peer refuses
 * @dn: the namespace
 * @flow: the flow; stays readable until the RCU section ends
 *
 * A copy of the SYN that comes meanwhile sees that, and does not go to the
 * peer after all. Called under RCU in softirq.
 *
 * Return: how many peers have refused it now, 0 if this one may not.
 */
u8 dpr_flow_take_back(struct dpr_net *dn, struct dpr_flow *flow)
{
	u8 offer = READ_ONCE(flow->offer);

	if (READ_ONCE(flow->state) != DPR_FLOW_SYN || !offer ||
	    offer == DPR_FLOW_RETURNED ||
	    cmpxchg(&flow->offer, offer, DPR_FLOW_RETURNED) != offer)
		return 0;
	return dpr_flow_kill(dn, flow) ? offer : 0;
}

/*
 * Removes the oldest embryonic flow of a shard, in softirq, if its last SYN is
 * older than @grace. False if there is none.
 */
static bool dpr_flow_evict_from(struct dpr_net *dn, u32 shard, u32 grace)
{
	struct dpr_embryos *embryos = &dn->embryos[shard];
	struct dpr_flow *flow;

	spin_lock(&embryos->lock);
	list_for_each_entry(flow, &embryos->list, embryo) {
		if ((u32)jiffies - READ_ONCE(flow->last) < grace)
			break;
		/* Fails for one that is just leaving the list by itself. */
		if (cmpxchg(&flow->state, DPR_FLOW_SYN, DPR_FLOW_GONE) !=
		    DPR_FLOW_SYN)
			continue;
		list_del(&flow->embryo);
		spin_unlock(&embryos->lock);
		dpr_flow_release(dn, flow, DPR_FLOW_SYN);
		dpr_stats_inc(dn, DPR_STAT_FLOWS_EVICTED);
		return true;
	}
	spin_unlock(&embryos->lock);
	return false;
}

/*
 * Takes a place in the table, at the cost of an embryonic flow if need be.
 *
 * A new connection does not take that of one whose handshake may be under way:
 * in a flood all handshakes would fail. It is served here, where SYN cookies
 * help. One that is known to live may.
 */
static bool dpr_flow_reserve(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct dpr_segment *seg, u32 shard)
{
	u32 i, grace = seg->syn ? DPR_FLOW_GRACE : 0;

	if (atomic_inc_return(&dn->flow_count) <= cfg->max_flows)
		return true;
	for (i = 0; i < DPR_EMBRYO_SHARDS; i++)
		if (dpr_flow_evict_from(dn, (shard + i) % DPR_EMBRYO_SHARDS,
					grace))
			return true;
	atomic_dec(&dn->flow_count);
	return false;
}

/*
 * The flow goes on its list and into the table under the list's lock:
 * nobody can find it in the table and take it off a list it is not yet on.
 */
static struct dpr_flow *dpr_flow_publish(struct dpr_net *dn,
					 struct dpr_flow *flow)
{
	struct dpr_embryos *embryos = &dn->embryos[flow->shard];
	struct dpr_flow *old;

	spin_lock(&embryos->lock);
	for (;;) {
		old = rhashtable_lookup_get_insert_fast(&dn->flows,
							&flow->node,
							dpr_flow_params);
		if (IS_ERR_OR_NULL(old) || old->state != DPR_FLOW_GONE)
			break;
		/* Its remover has not come to that yet. */
		rhashtable_remove_fast(&dn->flows, &old->node,
				       dpr_flow_params);
	}
	if (!old)
		list_add_tail(&flow->embryo, &embryos->list);
	spin_unlock(&embryos->lock);
	return old;
}

/* Sets every member that is not a link; dpr_flow_publish() sets those. */
static void dpr_flow_begin(struct dpr_flow *flow,
			   const struct dpr_segment *seg,
			   struct dpr_peer *peer, u32 shard, u8 offer)
{
	flow->key = seg->key;
	flow->isn = seg->seq;
	flow->peer = peer;
	flow->ack = 0;
	flow->seq_end = seg->end;
	flow->last = jiffies;
	flow->state = DPR_FLOW_SYN;
	flow->shard = shard;
	flow->offer = offer;
}

/**
 * dpr_flow_insert - remember that a connection is redirected
 * @dn: the namespace
 * @cfg: the configuration
 * @seg: the connection's SYN, or a later segment of one that had no flow
 * @peer: the peer that is to serve it
 * @offer: it may refuse, as the so many-th one; 0: it must take it
 *
 * Called under RCU in softirq.
 *
 * Return: the flow; another one, no longer on offer, if another CPU decided on
 * a copy of the SYN first; ERR_PTR(-ENOSPC) if the table is full, ERR_PTR(-ENOMEM).
 */
struct dpr_flow *dpr_flow_insert(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 const struct dpr_segment *seg,
				 struct dpr_peer *peer, u8 offer)
{
	struct dpr_flow *flow, *old;
	u32 shard = (u32)raw_smp_processor_id() % DPR_EMBRYO_SHARDS;

	if (!dpr_flow_reserve(dn, cfg, seg, shard))
		return ERR_PTR(-ENOSPC);
	flow = kmem_cache_alloc(dpr_flow_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!flow || !dpr_peer_get(peer)) {
		old = ERR_PTR(-ENOMEM);
		goto err_free;
	}
	dpr_flow_begin(flow, seg, peer, shard, offer);
	/* Before others see the flow, so that the counts never go below 0. */
	atomic_inc(&peer->flows);
	dpr_flow_count_live(dn, flow, 1);
	old = dpr_flow_publish(dn, flow);
	if (!old) {
		atomic64_inc(&peer->redirects);
		return flow;
	}
	if (!IS_ERR(old))
		dpr_flow_insist(old);
	dpr_flow_count_live(dn, flow, -1);
	atomic_dec(&peer->flows);
	dpr_peer_put(peer);
err_free:
	if (flow)
		kmem_cache_free(dpr_flow_cache, flow);
	atomic_dec(&dn->flow_count);
	return IS_ERR(old) ? ERR_PTR(-ENOMEM) : old;
}

/* Does the segment carry anything that the client had not sent before? */
static bool dpr_flow_advances(const struct dpr_flow *flow,
			      const struct dpr_segment *seg)
{
	return after(seg->end, READ_ONCE(flow->seq_end)) ||
	       (seg->has_ack && after(seg->ack, READ_ONCE(flow->ack)));
}

static u8 dpr_flow_next(const struct dpr_flow *flow,
			const struct dpr_segment *seg, u8 state)
{
	s32 off = seg->seq - READ_ONCE(flow->seq_end);
	bool plausible = off >= -DPR_END_WINDOW && off <= DPR_END_WINDOW;

	if (seg->rst)
		return plausible ? DPR_FLOW_RST : state;
	if (seg->fin && plausible)
		return DPR_FLOW_FIN;
	if (seg->syn)
		return state;
	if (state == DPR_FLOW_SYN)
		return DPR_FLOW_ESTABLISHED;
	/* A connection that goes on: the peer did not believe the RST. */
	if (state == DPR_FLOW_RST && dpr_flow_advances(flow, seg))
		return DPR_FLOW_ESTABLISHED;
	return state;
}

/* The client sent its SYN again: others are the oldest now. */
static void dpr_flow_refresh_embryo(struct dpr_net *dn, struct dpr_flow *flow)
{
	struct dpr_embryos *embryos = &dn->embryos[flow->shard];

	spin_lock(&embryos->lock);
	/* Whoever changes the state takes it off the list afterwards. */
	if (READ_ONCE(flow->state) == DPR_FLOW_SYN)
		list_move_tail(&flow->embryo, &embryos->list);
	spin_unlock(&embryos->lock);
}

static void dpr_flow_move(struct dpr_net *dn, struct dpr_flow *flow, u8 state,
			  u8 next)
{
	/* Fails if another CPU moved it; that one does the accounting. */
	if (cmpxchg(&flow->state, state, next) != state)
		return;
	if (state == DPR_FLOW_SYN)
		dpr_flow_unlist_embryo(dn, flow);
	if (dpr_flow_live(state) != dpr_flow_live(next))
		dpr_flow_count_live(dn, flow, dpr_flow_live(next) ? 1 : -1);
}

/**
 * dpr_flow_track - note a segment from the client
 * @dn: the namespace
 * @flow: its flow
 * @seg: the segment
 *
 * Called under RCU in softirq. Writes nothing that it need not write.
 */
void dpr_flow_track(struct dpr_net *dn, struct dpr_flow *flow,
		    const struct dpr_segment *seg)
{
	u8 state = READ_ONCE(flow->state);
	u32 now = jiffies;
	u8 next;

	if (state == DPR_FLOW_GONE)
		return;
	next = dpr_flow_next(flow, seg, state);
	if (READ_ONCE(flow->last) != now) {
		WRITE_ONCE(flow->last, now);
		if (unlikely(state == DPR_FLOW_SYN && next == DPR_FLOW_SYN))
			dpr_flow_refresh_embryo(dn, flow);
	}
	if (seg->has_ack && !seg->rst)
		WRITE_ONCE(flow->ack, seg->ack);
	/* The data of a SYN on a connection that lives is not this one's. */
	if (!seg->rst && !seg->syn &&
	    after(seg->end, READ_ONCE(flow->seq_end)))
		WRITE_ONCE(flow->seq_end, seg->end);
	if (next != state)
		dpr_flow_move(dn, flow, state, next);
}

static void dpr_flow_expire_one(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct dpr_flow *flow,
				struct dpr_expired *result)
{
	if (READ_ONCE(flow->peer->dead)) {
		if (!dpr_flow_kill(dn, flow))
			return;
		dpr_reset_client(dn, flow);
		dpr_stats_inc(dn, DPR_STAT_FLOWS_RESET);
		result->reset++;
	} else if (dpr_flow_expired(flow, cfg) && dpr_flow_kill(dn, flow)) {
		dpr_stats_inc(dn, DPR_STAT_FLOWS_EXPIRED);
		result->expired++;
	}
}

/**
 * dpr_flow_expire - one bounded step of clean-up
 * @dn: the namespace
 * @budget: flows to look at, at the most
 * @result: what was done
 *
 * Goes on where the last step stopped. Called in process context.
 */
void dpr_flow_expire(struct dpr_net *dn, u32 budget,
		     struct dpr_expired *result)
{
	struct dpr_flow *flow;

	*result = (struct dpr_expired){};
	mutex_lock(&dn->expire_lock);
	rhashtable_walk_start(&dn->expire);
	while (result->scanned < budget) {
		flow = rhashtable_walk_next(&dn->expire);
		if (!flow) {
			result->done = true;
			break;
		}
		if (IS_ERR(flow))	/* resized: the walk starts over */
			continue;
		result->scanned++;
		local_bh_disable();
		dpr_flow_expire_one(dn, rcu_dereference(dn->config), flow,
				    result);
		local_bh_enable();
	}
	rhashtable_walk_stop(&dn->expire);
	if (result->done) {
		rhashtable_walk_exit(&dn->expire);
		rhashtable_walk_enter(&dn->flows, &dn->expire);
	}
	mutex_unlock(&dn->expire_lock);
}
