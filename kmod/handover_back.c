// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <net/dst.h>
#include <net/tcp.h>
#include "config.h"
#include "dpr.h"
#include "flow.h"
#include "handover.h"
#include "handover_back.h"
#include "inner.h"
#include "netns.h"
#include "peer.h"
#include "reset.h"
#include "stats.h"

enum dpr_handover_back_as {
	DPR_HANDOVER_BACK_NEW,		/* it waits for its host now */
	DPR_HANDOVER_BACK_AGAIN,	/* it does so already */
	DPR_HANDOVER_BACK_OTHER,	/* another one of its 4-tuple does, or there is no room */
};

/* The device that leads to the client, which its packets are taken to come by; 0: none. */
static int dpr_handover_back_iif(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct dst_entry *dst = dpr_reset_route(dn, key, 0);
	int iif;

	if (!dst)
		return 0;
	iif = dst->dev->ifindex;
	dst_release(dst);
	return iif;
}

/* Connections that give way at most; other processors may be as quick to take the place. */
#define DPR_HANDOVER_BACK_EVICTS	8

/* A connection that is known to live, and has no socket any more, needs its place at once. */
static struct dpr_handover *
dpr_handover_back_room(struct dpr_handovers *all, const struct dpr_flow_key *key)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, key);
	struct dpr_handover *one = dpr_handover_table_alloc(all, key);
	u32 i;

	for (i = 0; !one && i < DPR_HANDOVER_BACK_EVICTS; i++) {
		if (!dpr_handover_table_evict(all, shard, 0))
			break;
		one = dpr_handover_table_alloc(all, key);
	}
	return one;
}

/* Under the shard's lock; @home is the host that had it, NULL if that was this one. */
static struct dpr_handover *
dpr_handover_back_make(struct dpr_handovers *all, const struct dpr_flow_key *key,
		       const struct dpr_handover_options *options, u32 ts_off,
		       int iif, struct dpr_peer *home)
{
	struct dpr_handover *one;

	if (home && !dpr_peer_get(home))
		return NULL;
	one = dpr_handover_back_room(all, key);
	if (!one) {
		if (home)
			dpr_peer_put(home);
		return NULL;
	}
	one->options = *options;
	one->ts_off = ts_off;
	one->iif = iif;
	one->home = home;
	one->moved = true;
	one->state = DPR_HANDOVER_OPEN;
	one->due = jiffies + DPR_HANDOVER_SILENCE;
	dpr_handover_table_insert(all, one);
	return one;
}

static enum dpr_handover_back_as
dpr_handover_back_begin(struct dpr_handovers *all, const struct dpr_flow_key *key,
			const struct dpr_handover_options *options, u32 ts_off,
			int iif, struct dpr_peer *home, bool may)
{
	enum dpr_handover_back_as as = DPR_HANDOVER_BACK_OTHER;
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, key);
	struct dpr_handover *one;

	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, key);
	if (one && one->options.isn == options->isn &&
	    one->options.client_isn == options->client_isn)
		as = DPR_HANDOVER_BACK_AGAIN;
	else if (!one && may &&
		 dpr_handover_back_make(all, key, options, ts_off, iif, home))
		as = DPR_HANDOVER_BACK_NEW;
	spin_unlock(&shard->lock);
	return as;
}

/**
 * dpr_handover_back_own - have a connection wait for another host than this
 * @dn: the namespace
 * @key: the connection, whose socket here is about to end
 * @options: where its ends are
 * @ts_off: from this host's clock to the timestamps that its client has got
 *
 * From now on its packets are for dpr_handover_segment(). Called under RCU with bottom
 * halves off.
 *
 * Return: false if there is no room.
 */
bool dpr_handover_back_own(struct dpr_net *dn, const struct dpr_flow_key *key,
			   const struct dpr_handover_options *options, u32 ts_off)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	const int iif = dpr_handover_back_iif(dn, key);

	return all && iif &&
	       dpr_handover_back_begin(all, key, options, ts_off, iif, NULL,
				       true) == DPR_HANDOVER_BACK_NEW;
}

/**
 * dpr_handover_back_undo - have a connection wait no more, as its socket stays
 * @dn: the namespace
 * @key: the connection, as dpr_handover_back_own() said yes to a moment ago
 *
 * Called under RCU with bottom halves off.
 */
void dpr_handover_back_undo(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, key);
	struct dpr_handover *one;

	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, key);
	if (one && !one->busy && one->state == DPR_HANDOVER_OPEN)
		dpr_handover_table_unlink(all, one);
	else
		one = NULL;
	spin_unlock(&shard->lock);
	if (one)
		dpr_handover_table_free(all, one);
}

/*
 * Does the peer have the connection? It is redirected there, and goes on from where it was
 * when the peer got it: a message from before that has another number.
 */
static struct dpr_flow *dpr_handover_back_flow(struct dpr_net *dn,
					       const struct dpr_handover_msg *msg,
					       const struct dpr_peer *peer)
{
	struct dpr_flow *flow = dpr_flow_find(dn, &msg->key);
	u8 state;

	if (!flow || flow->peer != peer)
		return NULL;
	state = READ_ONCE(flow->state);
	if (state == DPR_FLOW_SYN || state == DPR_FLOW_GONE ||
	    !after(msg->options.client_isn, flow->isn))
		return NULL;
	return flow;
}

/**
 * dpr_handover_back - take a connection back from the host that serves it
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what is known of the client's packet in it
 * @msg: the message, authenticated
 * @peer: whom it is from
 *
 * What comes of it is what comes of a client's packet. Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_handover_back(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct sk_buff *skb, struct dpr_inner *in,
			       const struct dpr_handover_msg *msg,
			       struct dpr_peer *peer)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_flow *flow = dpr_handover_back_flow(dn, msg, peer);
	const u32 ts_off = msg->options.ts_now -
			   (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC);
	const int iif = flow ? dpr_handover_back_iif(dn, &msg->key) : 0;
	enum dpr_handover_back_as as = DPR_HANDOVER_BACK_OTHER;
	struct dpr_segment seg = in->seg;
	unsigned int verdict;

	if (all)
		as = dpr_handover_back_begin(all, &msg->key, &msg->options, ts_off,
					     iif, peer, flow && iif);
	if (as == DPR_HANDOVER_BACK_OTHER)
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_MIGRATE_REFUSED);
	/* Not before: until then its packets must not be without a host. */
	if (as == DPR_HANDOVER_BACK_NEW) {
		dpr_flow_kill(dn, flow);
		dpr_stats_inc(dn, DPR_STAT_MIGRATE_BACK);
	}
	dpr_stats_inc(dn, DPR_STAT_RX_MIGRATE);
	if (!dpr_inner_unwrap(skb, in)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	seg.offset = in->offset - in->olen;
	if (seg.syn || !dpr_handover_segment_kept(dn, cfg, skb, &seg, &verdict)) {
		/* It has got its host meanwhile. */
		dpr_stats_inc(dn, DPR_STAT_HANDOVER_NOTED);
		return NF_DROP;
	}
	return verdict;
}
