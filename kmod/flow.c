// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "half_open.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "quota.h"
#include "stats.h"
#include "tally.h"

/*
 * How long a handshake is safe from eviction: a round trip, and the second after
 * which a lost segment is retransmitted (RFC 6298).
 */
#define DPR_FLOW_GRACE	(3 * HZ)

/* Of flows of IPv4, of IPv6. */
static struct kmem_cache *dpr_flow_cache[2];

/**
 * dpr_flow_init - make the flows' slab caches
 *
 * Return: 0 or -ENOMEM.
 */
int __init dpr_flow_init(void)
{
	BUILD_BUG_ON(DPR_HALF_OPEN_SHARDS > DPR_FLOW_MARKED);
#if !defined(CONFIG_DEBUG_LOCK_ALLOC)
	BUILD_BUG_ON(sizeof(struct dpr_flow) != 64);
#endif
	dpr_flow_cache[0] = kmem_cache_create("dpr_flow",
					      sizeof(struct dpr_flow), 0,
					      SLAB_HWCACHE_ALIGN, NULL);
	dpr_flow_cache[1] = kmem_cache_create("dpr_flow6",
					      struct_size_t(struct dpr_flow,
							    wide,
							    2 * DPR_FLOW_WORDS), 0,
					      0, NULL);
	if (dpr_flow_cache[0] && dpr_flow_cache[1])
		return 0;
	kmem_cache_destroy(dpr_flow_cache[0]);
	kmem_cache_destroy(dpr_flow_cache[1]);
	return -ENOMEM;
}

/**
 * dpr_flow_exit - free the slab caches, once all flows are freed
 */
void dpr_flow_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(dpr_flow_cache[0]);
	kmem_cache_destroy(dpr_flow_cache[1]);
}

static void dpr_flow_free(struct dpr_flow *flow)
{
	kmem_cache_free(dpr_flow_cache[!!(flow->shard & DPR_FLOW_WIDE)], flow);
}

/**
 * dpr_flow_setup - make a namespace's routing table
 * @dn: the namespace
 *
 * Return: 0 or a negative errno.
 */
int dpr_flow_setup(struct dpr_net *dn)
{
	dpr_half_open_setup(dn, (u32)jiffies - DPR_FLOW_GRACE);
	return rhashtable_init(&dn->flows, &dpr_flow_params);
}

static void dpr_flow_free_rcu(struct rcu_head *rcu)
{
	dpr_flow_free(container_of(rcu, struct dpr_flow, rcu));
}

static void dpr_flow_free_at_exit(void *ptr, void *arg)
{
	struct dpr_flow *flow = ptr;

	dpr_peer_put(flow->peer);
	dpr_quota_give(arg);
	dpr_flow_free(flow);
}

/**
 * dpr_flow_teardown - free the routing table and all flows
 * @dn: the namespace; no hook and no netlink operation runs in it any more
 */
void dpr_flow_teardown(struct dpr_net *dn)
{
	rhashtable_free_and_destroy(&dn->flows, dpr_flow_free_at_exit, dn);
}

/* See dpr_flow_hash_again(). */
noinline u32 dpr_flow_hash_wide(const struct dpr_flow *flow, u32 seed)
{
	const struct dpr_flow_key key = dpr_flow_key(flow);

	return dpr_parse_hash(&key, seed);
}

static bool dpr_flow_live(u8 state)
{
	return state <= DPR_FLOW_RST;
}

static __always_inline void
dpr_flow_count_live(struct dpr_net *dn, struct dpr_flow *flow, int n)
{
	atomic_add(n, &dn->live);
	atomic_add(n, &flow->peer->live);
	dpr_table_recount(dn, rcu_dereference(dn->config), flow->peer);
	if (unlikely(flow->shard & DPR_FLOW_TALLIED))
		dpr_table_tally(dn, rcu_dereference(dn->config), flow->peer,
				ntohs(flow->port), n);
}

/*
 * Moves a flow from the given state, which is not DPR_FLOW_GONE, to another.
 * Returns false if another CPU moved it first; that one does the accounting.
 */
static bool dpr_flow_leave(struct dpr_net *dn, struct dpr_flow *flow, u8 state,
			   u8 next)
{
	DPR_RACE_WINDOW();
	if (state == DPR_FLOW_SYN)
		return dpr_half_open_leave(dn, flow, next);
	return cmpxchg(&flow->state, state, next) == state;
}

static void dpr_flow_unreserve(struct dpr_net *dn)
{
	atomic_dec(&dn->flow_count);
	dpr_quota_give(dn);
}

/* Releases what a flow holds, once its state has become DPR_FLOW_GONE. */
static void dpr_flow_release(struct dpr_net *dn, struct dpr_flow *flow,
			     u8 state)
{
	rhashtable_remove_fast(&dn->flows, &flow->node, dpr_flow_params);
	if (dpr_flow_live(state))
		dpr_flow_count_live(dn, flow, -1);
	atomic_dec(&flow->peer->flows);
	dpr_flow_unreserve(dn);
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
	u8 state;

	do {
		state = READ_ONCE(flow->state);
		if (state == DPR_FLOW_GONE)
			return false;
	} while (!dpr_flow_leave(dn, flow, state, DPR_FLOW_GONE));
	dpr_flow_release(dn, flow, state);
	return true;
}

/**
 * dpr_flow_reap - remove a flow that is over, and count why
 * @dn: the namespace
 * @flow: the flow; stays readable until the RCU section ends
 *
 * Called under RCU with bottom halves off.
 *
 * Return: what was counted: DPR_STAT_FLOWS_RESET if its peer is dead, else
 * DPR_STAT_FLOWS_EXPIRED; DPR_STAT_UNSPEC if somebody else removed it first.
 */
enum dpr_stat dpr_flow_reap(struct dpr_net *dn, struct dpr_flow *flow)
{
	enum dpr_stat why;

	if (!dpr_flow_kill(dn, flow))
		return DPR_STAT_UNSPEC;
	why = READ_ONCE(flow->peer->dead) ? DPR_STAT_FLOWS_RESET :
					    DPR_STAT_FLOWS_EXPIRED;
	dpr_stats_inc(dn, why);
	return why;
}

/*
 * Takes a place in the table; evicts a half-open flow if there is none left.
 *
 * A new connection does not evict one whose handshake may be under way: in a
 * flood all handshakes would fail. It is served here, where SYN cookies help. A
 * connection that is known to live may evict any.
 */
static bool dpr_flow_reserve(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct dpr_segment *seg, u32 shard)
{
	u32 grace = seg->syn ? DPR_FLOW_GRACE : 0;
	struct dpr_flow *flow;

	if (!dpr_quota_take(dn))
		return false;
	if (atomic_inc_return(&dn->flow_count) <= cfg->max_flows)
		return true;
	flow = dpr_half_open_evict(dn, shard, grace);
	if (!flow) {
		dpr_flow_unreserve(dn);
		return false;
	}
	dpr_flow_release(dn, flow, DPR_FLOW_SYN);
	dpr_stats_inc(dn, DPR_STAT_FLOWS_EVICTED);
	return true;
}

/*
 * Puts the flow on its list and into the table under the list's lock, so that
 * nobody finds it in the table and takes it off a list it is not yet on.
 */
static struct dpr_flow *
dpr_flow_publish(struct dpr_net *dn, struct dpr_flow *flow,
		 const struct dpr_flow_key *key)
{
	struct dpr_half_open *list = dpr_half_open_list(dn, flow);
	struct dpr_flow *old;

	spin_lock(&list->lock);
	for (;;) {
		old = rhashtable_lookup_get_insert_key(&dn->flows, key,
						       &flow->node,
						       dpr_flow_params);
		if (IS_ERR_OR_NULL(old) ||
		    READ_ONCE(old->state) != DPR_FLOW_GONE)
			break;
		/* Another CPU is removing it, and is not there yet. */
		rhashtable_remove_fast(&dn->flows, &old->node,
				       dpr_flow_params);
	}
	if (!old)
		list_add_tail(&flow->half_open, &list->list);
	spin_unlock(&list->lock);
	return old;
}

/* Sets every member that is not a link; dpr_flow_publish() sets those. */
static void dpr_flow_fill(struct dpr_flow *flow,
			  const struct dpr_segment *seg,
			  struct dpr_peer *peer, u32 shard, u8 offer)
{
	flow->client = (__force u32)seg->key.client.word[3];
	flow->address = (__force u32)seg->key.address.word[3];
	flow->client_port = seg->key.client_port;
	flow->port = seg->key.port;
	flow->isn = seg->seq;
	flow->peer = peer;
	flow->ack = 0;
	flow->asked = jiffies;
	flow->last = jiffies;
	flow->state = DPR_FLOW_SYN;
	flow->shard = shard;
	flow->offer = offer;
	flow->queries = 0;
	if (likely(!seg->key.wide))
		return;
	flow->shard |= DPR_FLOW_WIDE;
	memcpy(flow->wide, &seg->key.client,
	       DPR_FLOW_WORDS * sizeof(*flow->wide));
	memcpy(flow->wide + DPR_FLOW_WORDS, &seg->key.address,
	       DPR_FLOW_WORDS * sizeof(*flow->wide));
}

/**
 * dpr_flow_insert - remember that a connection is redirected
 * @dn: the namespace
 * @cfg: the configuration
 * @seg: the connection's SYN, or a later segment of one that had no flow
 * @peer: the peer that is to serve it
 * @offer: as in struct dpr_flow
 * @direct: DPR_FLOW_DIRECT and DPR_FLOW_MARKED, or neither
 *
 * Called under RCU in softirq.
 *
 * Return: the flow; if another CPU decided on a copy of the SYN first, that one's
 * flow, for this further copy; ERR_PTR(-ENOSPC) if the table is full;
 * ERR_PTR(-ENOMEM).
 */
__flatten struct dpr_flow *dpr_flow_insert(struct dpr_net *dn,
					   const struct dpr_config *cfg,
					   const struct dpr_segment *seg,
					   struct dpr_peer *peer, u8 offer,
					   u8 direct)
{
	struct dpr_flow *flow, *old;
	u32 shard = (u32)raw_smp_processor_id() % DPR_HALF_OPEN_SHARDS;

	if (!dpr_flow_reserve(dn, cfg, seg, shard))
		return ERR_PTR(-ENOSPC);
	flow = dpr_quota_alloc(dn, dpr_flow_cache[seg->key.wide]);
	if (!flow) {
		dpr_flow_unreserve(dn);
		return ERR_PTR(-ENOMEM);
	}
	dpr_flow_fill(flow, seg, peer, shard | direct, offer);
	if (!dpr_peer_get(peer)) {
		old = ERR_PTR(-ENOMEM);
		goto err_free;
	}
	if (unlikely(READ_ONCE(dn->tallies)) && READ_ONCE(peer->tally) &&
	    dpr_tally_counts(dn, ntohs(flow->port)))
		flow->shard |= DPR_FLOW_TALLIED;
	/* Before others see the flow, so that the counts never go below 0. */
	atomic_inc(&peer->flows);
	dpr_flow_count_live(dn, flow, 1);
	old = dpr_flow_publish(dn, flow, &seg->key);
	if (!old) {
		atomic64_inc(&peer->redirects);
		return flow;
	}
	if (!IS_ERR(old))
		dpr_flow_repeat(old);
	dpr_flow_count_live(dn, flow, -1);
	atomic_dec(&peer->flows);
	dpr_peer_put(peer);
err_free:
	dpr_flow_free(flow);
	dpr_flow_unreserve(dn);
	return IS_ERR(old) ? ERR_PTR(-ENOMEM) : old;
}

/*
 * The state after a segment. A FIN or RST may be forged, so it only means that
 * clean-up asks the peer sooner; the connection's segments still go to the peer
 * until the peer says that its socket is gone.
 */
static u8 dpr_flow_next(const struct dpr_segment *seg, u8 state)
{
	if (state == DPR_FLOW_ENDED || (seg->syn && !seg->rst))
		return state;
	if (seg->rst)
		return DPR_FLOW_RST;
	if (seg->fin)
		return DPR_FLOW_FIN;
	return state == DPR_FLOW_FIN ? state : DPR_FLOW_ESTABLISHED;
}

/* As dpr_flow_leave(), to any state but DPR_FLOW_GONE; does the accounting. */
static bool dpr_flow_move(struct dpr_net *dn, struct dpr_flow *flow, u8 state,
			  u8 next)
{
	if (!dpr_flow_leave(dn, flow, state, next))
		return false;
	if (dpr_flow_live(state) != dpr_flow_live(next))
		dpr_flow_count_live(dn, flow, dpr_flow_live(next) ? 1 : -1);
	return true;
}

/**
 * dpr_flow_track - note a segment from the client
 * @dn: the namespace
 * @flow: its flow
 * @seg: the segment
 *
 * Called under RCU in softirq. Writes only what changes.
 */
void dpr_flow_track(struct dpr_net *dn, struct dpr_flow *flow,
		    const struct dpr_segment *seg)
{
	u8 state = READ_ONCE(flow->state);
	u32 now = jiffies;
	u8 next;

	if (state == DPR_FLOW_GONE)
		return;
	next = dpr_flow_next(seg, state);
	if (READ_ONCE(flow->last) != now) {
		WRITE_ONCE(flow->last, now);
		if (unlikely(state == DPR_FLOW_SYN && next == DPR_FLOW_SYN))
			dpr_half_open_refresh(dn, flow);
	}
	if (seg->has_ack && !seg->rst)
		WRITE_ONCE(flow->ack, seg->ack);
	if (next != state)
		dpr_flow_move(dn, flow, state, next);
}

/**
 * dpr_flow_close - mark a connection as closed
 * @dn: the namespace
 * @flow: the flow; retransmitted segments still follow it
 *
 * Called under RCU with bottom halves off.
 */
void dpr_flow_close(struct dpr_net *dn, struct dpr_flow *flow)
{
	u8 state;

	do {
		state = READ_ONCE(flow->state);
		if (!dpr_flow_live(state))
			return;
	} while (!dpr_flow_move(dn, flow, state, DPR_FLOW_ENDED));
}
