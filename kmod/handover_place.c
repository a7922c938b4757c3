// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include "compat.h"
#include "config.h"
#include "decide.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "handover_here.h"
#include "handover_msg.h"
#include "handover_place.h"
#include "handover_rules.h"
#include "handover_send.h"
#include "handover_splice.h"
#include "handover_table.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "service.h"
#include "stats.h"
#include "way.h"

/* How many bytes are there, from the first, without a gap; a FIN counts as one. */
static u32 dpr_handover_there(const struct dpr_handover *one)
{
	u32 next = dpr_handover_next(one);
	struct sk_buff *skb;

	skb_queue_walk(&one->kept, skb) {
		const struct dpr_handover_part *part = dpr_handover_part(skb);

		if (after(part->seq, next))
			break;
		if (after(part->end, next))
			next = part->end;
	}
	return next - dpr_handover_next(one);
}

/**
 * dpr_handover_decide - is there enough of a connection's data to choose its host by
 * @dn: the namespace
 * @one: the connection, under its shard's lock
 * @final: there will not be more
 *
 * Without rules by what is asked for the first data are enough. Packets that bring nothing new
 * do not have the rules look again. Called under RCU.
 *
 * Return: false to wait for more, which must not be if @final.
 */
bool dpr_handover_decide(struct dpr_net *dn, struct dpr_handover *one,
			 bool final)
{
	const struct dpr_service *service;
	u32 there;

	if (final)
		return true;
	there = dpr_handover_there(one);
	if (there <= one->looked)
		return false;
	service = dpr_service_match(dn, &one->key);
	return !service || !dpr_handover_rules_wait(service, one, there);
}

/* May a peer be handed a connection? */
static bool dpr_handover_knows(const struct dpr_config *cfg,
			       const struct dpr_peer *peer)
{
	return cfg->keys && READ_ONCE(peer->protocol) >= DPR_PEER_HANDOVER &&
	       !dpr_peer_foreign(peer, cfg);
}

/**
 * struct dpr_handover_choice - who is to serve a connection
 * @peer: the peer; NULL: this host
 * @group: the group of the service's rules that a backend must be of; none such: any
 * @below: load per capacity that its load must be below to get it instead; 0: none can
 * @served: counted if this host serves it
 */
struct dpr_handover_choice {
	struct dpr_peer *peer;
	u32 group;
	u64 below;
	enum dpr_stat served;
};

/*
 * By the service's rules. Returns false if no host of a group can. @avoid is the peer that
 * has just refused it.
 */
static bool dpr_handover_choose_group(struct dpr_net *dn, const struct dpr_config *cfg,
				      struct dpr_handovers *all,
				      const struct dpr_handover *one,
				      const struct dpr_service *service,
				      const struct dpr_peer *avoid,
				      struct dpr_handover_choice *choice)
{
	const bool able = dpr_service_look(dn, service) == DPR_SERVICE_UP;

	choice->served = DPR_STAT_SERVED_GROUP;
	return dpr_handover_rules_host(dn, cfg, service, all, one, able,
				       avoid ? dpr_addr_id(&avoid->address) : 0,
				       &choice->peer, &choice->group,
				       &choice->below);
}

/* The host that the service's policy chooses; the number of peers: this one. */
static u32 dpr_handover_policy(const struct dpr_config *cfg,
			       const struct dpr_policy_args *args,
			       const struct dpr_order *order,
			       const struct dpr_addr *client,
			       struct dpr_handover_choice *choice)
{
	struct dpr_decision decision;
	u32 host;

	if (cfg->affinity && args->policy != DPR_POLICY_OFF) {
		host = dpr_decide_affine(cfg, args, order, client);
		choice->served = DPR_STAT_SERVED_AFFINITY;
		choice->below = host == order->n && args->draining ? ~0ULL : 0;
		return host;
	}
	decision = dpr_policy_decide(args, order);
	choice->served = decision.outcome;
	choice->below = dpr_decide_below(args, order, &decision);
	return decision.outcome == DPR_STAT_REDIRECTED ? decision.peer : order->n;
}

/*
 * By the service's policy. The peer that has just refused it gets it again only if it could not
 * make the connection (dpr_handover_refused()), and neither another one nor this host can.
 */
static void dpr_handover_choose_any(struct dpr_net *dn, const struct dpr_config *cfg,
				    const struct dpr_handover *one,
				    const struct dpr_service *service,
				    const struct dpr_peer *avoid,
				    struct dpr_handover_choice *choice)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const u32 policy = cfg->policy == DPR_POLICY_STATELESS ?
			   DPR_POLICY_LOWEST : cfg->policy;
	const bool able = dpr_service_look(dn, service) == DPR_SERVICE_UP;
	const struct dpr_addr *client = &one->key.client;
	struct dpr_handover_choice same;
	const struct dpr_order *order;
	struct dpr_policy_args args;
	u32 host, other;

	*choice = (struct dpr_handover_choice){ .group = DPR_RULES_NONE };
	order = dpr_decide_args(dn, cfg, table, policy, client, &one->key,
				service, able, &args);
	if (avoid)
		args.avoid = dpr_addr_id(&avoid->address);
	host = dpr_handover_policy(cfg, &args, order, client, choice);
	if (avoid && host < order->n && order->view[host].address == args.avoid) {
		same = *choice;
		/* In the place of the client's host, which must not get it either. */
		args.client = args.avoid;
		other = dpr_handover_policy(cfg, &args, order, client, choice);
		if (other == order->n ? !able :
		    order->view[other].address == dpr_addr_id(client))
			*choice = same;
		else
			host = other;
	}
	if (host < order->n)
		choice->peer = table->peer[host];
}

/*
 * Who is to serve a connection; true if a backend is, which it was given to. The peer that it
 * has, if any, has just refused it. If no peer is chosen, @served is why.
 */
static bool dpr_handover_choose(struct dpr_net *dn, const struct dpr_config *cfg,
				struct dpr_handovers *all, struct dpr_handover *one,
				const struct dpr_service *service,
				struct dpr_peer **peer, enum dpr_stat *served)
{
	struct dpr_handover_choice choice;
	bool found;

	*peer = NULL;
	if (!service || one->refusals >= DPR_MAX_OFFERS)
		return false;
	found = dpr_handover_choose_group(dn, cfg, all, one, service, one->peer,
					  &choice);
	if (dpr_handover_splice(dn, cfg, all, one, service, choice.group,
				choice.below))
		return true;
	if (!found) {
		dpr_handover_choose_any(dn, cfg, one, service, one->peer, &choice);
		if (dpr_handover_splice(dn, cfg, all, one, service, choice.group,
					choice.below))
			return true;
	}
	*peer = choice.peer;
	if (!choice.peer)
		*served = choice.served;
	return false;
}

/*
 * Do the packets that are kept fit the tunnel with a handover each? If the way to the peer
 * is narrower than this host's link to the client, they may not.
 */
static bool dpr_handover_fits(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct dpr_handovers *all, struct dpr_handover *one,
			      const struct dpr_peer *peer)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	const bool wide = !dpr_addr_is4(&cfg->address);
	const struct dpr_route *route = dpr_fwd_route_of(dn, cfg, peer, wide);
	struct sk_buff *skb;
	unsigned int most;
	bool fits = true;

	if (!route)
		return false;
	most = dpr_fwd_mtu(route);
	spin_lock(&shard->lock);
	skb_queue_walk(&one->kept, skb)
		fits &= skb->len + dpr_handover_msg_overhead(wide) <= most;
	spin_unlock(&shard->lock);
	return fits;
}

/* Makes the flow. If the connection cannot go to the peer: why this host serves it therefore. */
static enum dpr_stat dpr_handover_flow(struct dpr_net *dn, const struct dpr_config *cfg,
				       struct dpr_handovers *all,
				       struct dpr_handover *one,
				       struct dpr_peer *peer)
{
	const struct net_device *dev = dev_get_by_index_rcu(dn->net, one->iif);
	const struct dpr_segment seg = {
		.key = one->key,
		.seq = one->options.client_isn,
		/* One that has moved is known to live, and may evict any handshake. */
		.syn = !one->moved,
	};
	enum dpr_stat why = DPR_STAT_SERVED_NO_ROUTE;
	struct dpr_flow *flow;

	if (!dev || !dpr_way_why(dn, cfg, dev, one->key.wide, peer, &one->key.client, &why) ||
	    !dpr_handover_fits(dn, cfg, all, one, peer))
		return why;
	flow = dpr_flow_insert(dn, cfg, &seg, peer, 0, 0);
	if (IS_ERR(flow))
		return PTR_ERR(flow) == -ENOSPC ? DPR_STAT_SERVED_TABLE_FULL :
						  DPR_STAT_SERVED_NO_MEMORY;
	if (flow->peer != peer)
		return DPR_STAT_SERVED_NO_PEER;
	/* However often it is placed, and not where it moves to. */
	if (!one->counted && !one->moved)
		dpr_stats_inc(dn, DPR_STAT_REDIRECTED);
	one->counted = true;
	return DPR_STAT_UNSPEC;
}

/*
 * The host that had the connection before, if nobody else can have it: too many have refused
 * it, or it would be this one's, which drains or cannot serve it. It is asked once.
 */
static struct dpr_peer *dpr_handover_home(struct dpr_net *dn,
					  const struct dpr_config *cfg,
					  const struct dpr_service *service,
					  struct dpr_handover *one)
{
	struct dpr_peer *home = one->home;

	if (!home || READ_ONCE(home->dead) ||
	    (one->refusals < DPR_MAX_OFFERS && cfg->state == DPR_STATE_ACTIVE &&
	     service && dpr_service_look(dn, service) == DPR_SERVICE_UP))
		return NULL;
	one->home = NULL;
	one->must = true;
	return home;
}

/* Hands a connection over to a peer, whose reference is taken over. */
static void dpr_handover_to(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct dpr_handovers *all, struct dpr_handover *one,
			    struct dpr_peer *peer)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct dpr_peer *old = one->peer;
	struct sk_buff_head out;

	__skb_queue_head_init(&out);
	spin_lock(&shard->lock);
	one->peer = peer;
	one->attempt++;
	one->state = DPR_HANDOVER_SENT;
	one->tries = 0;
	one->born = jiffies;
	list_move_tail(&one->age, &shard->age);
	one->due = jiffies + HZ;
	dpr_handover_wrap_all(cfg, one, &out);
	one->busy = false;
	spin_unlock(&shard->lock);
	if (old)
		dpr_peer_put(old);
	dpr_handover_send(dn, cfg, peer, &out);
}

/**
 * dpr_handover_place - choose a connection's host or backend, and give it to that
 * @dn: the namespace
 * @cfg: the namespace's configuration
 * @all: the table
 * @one: the connection, busy by the caller, who may not touch it afterwards. If it has a
 *	peer, that has refused it, or is dead
 *
 * Called under RCU with bottom halves off, without a lock.
 */
void dpr_handover_place(struct dpr_net *dn, const struct dpr_config *cfg,
			struct dpr_handovers *all, struct dpr_handover *one)
{
	const struct dpr_service *service = dpr_service_match(dn, &one->key);
	struct dpr_flow *flow = one->peer ? dpr_flow_find(dn, &one->key) : NULL;
	enum dpr_stat served = DPR_STAT_SERVED_NO_PEER;
	struct dpr_peer *peer;

	if (flow && flow->peer == one->peer)
		dpr_flow_kill(dn, flow);
	if (service)
		cfg = dpr_service_config(service, cfg);
	if (dpr_handover_choose(dn, cfg, all, one, service, &peer, &served))
		return;
	if (peer && dpr_handover_knows(cfg, peer) && dpr_peer_get(peer)) {
		served = dpr_handover_flow(dn, cfg, all, one, peer);
		if (!served) {
			dpr_handover_to(dn, cfg, all, one, peer);
			return;
		}
		dpr_peer_put(peer);
	}
	peer = dpr_handover_home(dn, cfg, service, one);
	if (peer) {
		if (!dpr_handover_flow(dn, cfg, all, one, peer)) {
			dpr_handover_to(dn, cfg, all, one, peer);
			return;
		}
		dpr_peer_put(peer);
	}
	dpr_handover_here(dn, all, one, served);
}
