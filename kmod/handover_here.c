// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/tcp.h>
#include "compat.h"
#include "deliver.h"
#include "dpr.h"
#include "flow.h"
#include "handover_child.h"
#include "handover_here.h"
#include "handover_send.h"
#include "handover_table.h"
#include "inner.h"
#include "local.h"
#include "migrate_watch.h"
#include "netns.h"
#include "peer.h"
#include "reset.h"
#include "socket.h"
#include "stats.h"

/**
 * dpr_handover_give_up - forget a connection that no host can have
 * @dn: the namespace
 * @all: the table
 * @one: the connection, busy by the caller; freed
 * @why: counted
 *
 * The client gets a RST. Called under RCU with bottom halves off.
 */
void dpr_handover_give_up(struct dpr_net *dn, struct dpr_handovers *all,
			  struct dpr_handover *one, enum dpr_stat why)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct dpr_flow *flow = dpr_flow_find(dn, &one->key);

	spin_lock(&shard->lock);
	dpr_handover_table_unlink(all, one);
	spin_unlock(&shard->lock);
	if (flow && one->peer && flow->peer == one->peer &&
	    READ_ONCE(flow->state) == DPR_FLOW_SYN)
		dpr_flow_kill(dn, flow);
	dpr_stats_inc(dn, why);
	dpr_reset_connection(dn, &one->key, one->options.isn + 1);
	dpr_handover_table_free(all, one);
}

/* Gives a packet that was kept the route that it would have got on its way in. */
static bool dpr_handover_route(struct net_device *dev, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	skb->dev = dev;
	if (dpr_local_wide(skb))
		return dpr_inner_route6(skb);
	return !ip_route_input_noref(skb, iph->daddr, iph->saddr,
				     dpr_compat_dscp(iph), dev) &&
	       skb_rtable(skb)->rt_type == RTN_LOCAL;
}

/* This host's listener; NULL if there is none. */
static struct sock *dpr_handover_listener(struct dpr_net *dn,
					  const struct dpr_handover *one,
					  struct sk_buff *skb)
{
	return dpr_socket_listener(dn->net, NULL, 0, &one->key,
				   &one->key.address, dpr_compat_dif(skb),
				   dpr_compat_sdif(skb));
}

/* Is there a socket of an earlier connection that stands in the way? Ends one that waits. */
static bool dpr_handover_taken_by_other(struct dpr_net *dn,
					const struct dpr_handover *one,
					struct sk_buff *skb)
{
	struct sock *sk = dpr_socket_find(dn, &one->key, dpr_compat_dif(skb),
					  dpr_compat_sdif(skb));

	if (!sk)
		return false;
	if (sk->sk_state == TCP_TIME_WAIT) {
		inet_twsk_deschedule_put(inet_twsk(sk));
		return false;
	}
	sock_gen_put(sk);
	return true;
}

/* Reads a packet that was kept, and makes it what the stack expects. */
static void dpr_handover_release(struct dpr_net *dn, const struct dpr_handover *one,
				 struct sk_buff *skb)
{
	if (dpr_migrate_on())
		dpr_migrate_watch_kept(dn, &one->key, skb);
	if (one->key.wide)
		dpr_inner_transport6(skb);
}

/* The packet that makes this host's own socket, where it is kept; NULL if it has not come. */
static struct sk_buff *dpr_handover_first(struct dpr_handovers *all,
					  const struct dpr_handover *one)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct sk_buff *skb;

	spin_lock(&shard->lock);
	skb = dpr_handover_headed(one) ? skb_peek(&one->kept) : one->ack;
	spin_unlock(&shard->lock);
	return skb;
}

/*
 * Takes that packet out. Of an acknowledgment it makes a copy, NULL if there is no memory: no
 * client sends it again if it does not make the socket.
 */
static struct sk_buff *dpr_handover_draw(struct dpr_handovers *all,
					 struct dpr_handover *one, struct sk_buff *skb)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);

	if (skb == one->ack)
		return skb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);
	spin_lock(&shard->lock);
	__skb_unlink(skb, &one->kept);
	one->looked = 0;
	spin_unlock(&shard->lock);
	dpr_handover_table_uncharge(all, skb);
	return skb;
}

/*
 * Makes the socket here, by @skb, from dpr_handover_first(): nobody else changes it meanwhile.
 * It stays where it is if there can be no socket now. Returns -EAGAIN if there may be later,
 * -ECONNREFUSED if nothing listens.
 */
static int dpr_handover_serve(struct dpr_net *dn, struct dpr_handovers *all,
			      struct dpr_handover *one,
			      struct net_device *dev, struct sk_buff *skb)
{
	struct dpr_handover_options options = one->options;
	struct sk_buff *first = NULL;
	struct sock *lsk;
	int err = -EAGAIN;

	if (!dpr_handover_route(dev, skb) ||
	    dpr_handover_taken_by_other(dn, one, skb))
		goto stay;
	lsk = dpr_handover_listener(dn, one, skb);
	if (!lsk)
		err = -ECONNREFUSED;
	if (!lsk || sk_acceptq_is_full(lsk) || !dpr_handover_child_possible(dn, lsk))
		goto stay;
	first = dpr_handover_draw(all, one, skb);
	if (!first)
		goto stay;
	options.ts_now = (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC) + one->ts_off;
	if (dpr_migrate_on())
		dpr_migrate_watch_begin(dn, &one->key, &options);
	dpr_handover_release(dn, one, first);
	err = dpr_handover_child_deliver(dn, lsk, first, &one->key, &options) ?
	      0 : -EAGAIN;
	if (first == skb)
		return err;
stay:
	/* What is kept has neither. */
	skb_dst_drop(skb);
	skb->dev = NULL;
	return err;
}

/**
 * dpr_handover_pop - the next segment for whoever has the connection now
 * @all: the table
 * @one: the connection, busy by the caller
 *
 * Return: it; NULL if there is none: then what comes from now on goes there by itself, and
 * the connection is in the table no more.
 */
struct sk_buff *dpr_handover_pop(struct dpr_handovers *all, struct dpr_handover *one)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct sk_buff *skb;

	spin_lock(&shard->lock);
	skb = __skb_dequeue(&one->kept);
	if (!skb)
		dpr_handover_table_unlink(all, one);
	spin_unlock(&shard->lock);
	if (skb)
		dpr_handover_table_uncharge(all, skb);
	return skb;
}

/**
 * dpr_handover_here - serve a connection on this host
 * @dn: the namespace
 * @all: the table
 * @one: the connection, busy by the caller, who may not touch it afterwards
 * @served: why, to be counted once it ends here
 *
 * If the server cannot take it now, it may a moment later. Called under RCU with bottom
 * halves off, without a lock.
 */
void dpr_handover_here(struct dpr_net *dn, struct dpr_handovers *all,
		       struct dpr_handover *one, enum dpr_stat served)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct net_device *dev = dev_get_by_index_rcu(dn->net, one->iif);
	struct sk_buff *skb = dev ? dpr_handover_first(all, one) : NULL;
	int err = skb ? dpr_handover_serve(dn, all, one, dev, skb) : -EAGAIN;

	if (err) {
		if (!dev || (u32)jiffies - one->born > DPR_HANDOVER_LIFE ||
		    one->refusals || err == -ECONNREFUSED) {
			if (!one->counted && !one->moved)
				dpr_stats_inc(dn, served);
			dpr_handover_give_up(dn, all, one, DPR_STAT_HANDOVER_RESET);
			return;
		}
		spin_lock(&shard->lock);
		one->state = DPR_HANDOVER_OPEN;
		one->due = jiffies + HZ;
		one->busy = false;
		spin_unlock(&shard->lock);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_HANDOVER_LOCAL);
	/* One that moves has been counted where it began. */
	if (!one->moved)
		dpr_stats_inc(dn, one->counted ? DPR_STAT_OFFER_SERVED : served);
	while ((skb = dpr_handover_pop(all, one))) {
		dpr_handover_release(dn, one, skb);
		if (dpr_handover_route(dev, skb))
			dpr_deliver_routed(dn, skb);
		else
			kfree_skb(skb);
	}
	dpr_handover_table_free(all, one);
}
