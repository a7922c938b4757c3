// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/route.h>
#include <net/sock.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "core/policy.h"
#include "decide.h"
#include "dpr.h"
#include "event.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "handover.h"
#include "liveness.h"
#include "load.h"
#include "load_table.h"
#include "local.h"
#include "members.h"
#include "netns.h"
#include "offer.h"
#include "owner.h"
#include "peer.h"
#include "probe.h"
#include "service.h"
#include "socket.h"
#include "splice.h"
#include "stats.h"
#include "syn.h"
#include "way.h"

/*
 * Does this SYN follow a flow? Yes if it is a copy of the SYN that made the flow,
 * and until the serving host has said that the connection has closed: anybody can
 * send a SYN, and that host's TCP knows how to answer (RFC 5961, section 4).
 * Afterwards a new SYN is a new connection; removes the flow.
 */
static bool dpr_syn_of_flow(struct dpr_net *dn, const struct dpr_config *cfg,
			    const struct dpr_segment *seg,
			    struct dpr_flow *flow)
{
	if (dpr_flow_over(flow, cfg)) {
		dpr_flow_reap(dn, flow);
		return false;
	}
	if (seg->seq == flow->isn ||
	    READ_ONCE(flow->state) != DPR_FLOW_ENDED)
		return true;
	if (dpr_flow_kill(dn, flow))
		dpr_stats_inc(dn, DPR_STAT_FLOWS_REPLACED);
	return false;
}

/* Is it a copy of the flow's first SYN, which nobody has answered yet? */
static bool dpr_syn_unanswered(const struct dpr_segment *seg,
			       const struct dpr_flow *flow)
{
	return seg->seq == flow->isn && READ_ONCE(flow->state) == DPR_FLOW_SYN;
}

/*
 * Have the flow's SYNs got lost on their way? That a client repeats one may have many
 * reasons: asks the peer. If it is lost the connection is placed anew, which cannot
 * be told from silence alone; removes the flow.
 */
static bool dpr_syn_lost(struct dpr_net *dn, const struct dpr_config *cfg,
			 const struct sk_buff *skb,
			 const struct dpr_segment *seg, struct dpr_flow *flow)
{
	if (!dpr_syn_unanswered(seg, flow))
		return false;
	if (likely(!READ_ONCE(flow->peer->lost))) {
		dpr_probe_doubt(dn, cfg, skb->dev, flow->peer);
		return false;
	}
	if (dpr_flow_kill(dn, flow))
		dpr_stats_inc(dn, DPR_STAT_FLOWS_LOST);
	return true;
}

/* A SYN of a flow, after the first. */
static unsigned int dpr_syn_again(struct dpr_net *dn,
				  const struct dpr_config *cfg,
				  struct sk_buff *skb,
				  const struct dpr_segment *seg,
				  struct dpr_flow *flow)
{
	if (seg->seq != flow->isn)
		dpr_liveness_note_reuse(flow);
	dpr_stats_inc(dn, DPR_STAT_SYN_RETRANSMITTED);
	dpr_flow_track(dn, flow, seg);
	/* Only a copy of the first SYN may come back, before an answer. */
	if (dpr_syn_unanswered(seg, flow))
		dpr_flow_repeat(flow);
	else
		dpr_flow_withdraw(flow);
	return dpr_offer_send_syn(dn, skb, flow,
				  dpr_fwd_route(dn, cfg, flow->peer, skb));
}

/**
 * struct dpr_syn_ends - which ends of a connection are this host's
 * @to: the address that the client talks to is
 * @from: the client's is
 */
struct dpr_syn_ends {
	bool to;
	bool from;
};

static noinline struct dpr_syn_ends
dpr_syn_ends6(struct dpr_net *dn, const struct dpr_config *cfg,
	      const struct sk_buff *skb, const struct dpr_flow_key *key)
{
	return (struct dpr_syn_ends){
		.to = dpr_local_has(dn->net, skb->dev, &key->address),
		.from = dpr_addr_equal(&key->client, &cfg->address) ||
			dpr_addr_equal(&key->client, &key->address) ||
			dpr_local_has(dn->net, skb->dev, &key->client),
	};
}

/*
 * This host's own packets come over loopback and never get here; packets that
 * come from its addresses all the same are forged, or a wiring fault. The few
 * addresses that they could plausibly have are compared: a full lookup is not
 * worth its cost. The client mostly talks to an address of the receiving device,
 * but any address of this host will do.
 */
static struct dpr_syn_ends dpr_syn_ends(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct sk_buff *skb,
					const struct dpr_flow_key *key)
{
	const struct in_device *in_dev = __in_dev_get_rcu(skb->dev);
	const __be32 client = key->client.word[3];
	const __be32 address = key->address.word[3];
	const struct in_ifaddr *ifa;
	struct dpr_syn_ends ends;

	if (unlikely(key->wide))
		return dpr_syn_ends6(dn, cfg, skb, key);
	ends.to = false;
	ends.from = client == address ||
		    key->client.half[1] == cfg->address.half[1];
	if (in_dev) {
		in_dev_for_each_ifa_rcu(ifa, in_dev) {
			ends.to |= ifa->ifa_local == address;
			ends.from |= ifa->ifa_local == client;
		}
	}
	if (!ends.to)
		ends.to = __ip_dev_find(dn->net, address, false);
	return ends;
}

/*
 * Would the stack accept the packet? It refuses sources that no client can have,
 * loopback addresses and, with rp_filter, sources that the route back does not lead
 * to, which the peer cannot know. An address that means something on one link only
 * means another host to the peer.
 */
static __always_inline bool dpr_syn_credible(struct sk_buff *skb)
{
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);
	const struct iphdr *iph = ip_hdr(skb);
	bool credible;

	if (dpr_local_wide(skb))
		return dpr_local_unicast6(&ipv6_hdr(skb)->saddr) &&
		       dpr_local_unicast6(&ipv6_hdr(skb)->daddr);

	if (!in_dev || ipv4_is_multicast(iph->saddr) ||
	    ipv4_is_lbcast(iph->saddr) || ipv4_is_zeronet(iph->saddr) ||
	    ipv4_is_loopback(iph->saddr) || ipv4_is_loopback(iph->daddr))
		return false;
	if (!IN_DEV_RPFILTER(in_dev))
		return true;
	credible = !ip_route_input_noref(skb, iph->daddr, iph->saddr,
					 dpr_compat_dscp(iph), skb->dev);
	skb_dst_drop(skb);
	return credible;
}

/*
 * Makes the flow, whose SYN has the number @offer, and sends the SYN; serves the
 * connection here if there is no room or no way to the peer.
 */
static __always_inline unsigned int
dpr_syn_redirect(struct dpr_net *dn, const struct dpr_config *cfg,
		 struct sk_buff *skb, const struct dpr_segment *seg,
		 struct dpr_peer *peer, u8 offer)
{
	const struct dpr_route *route;
	struct dpr_flow *flow;

	if (!dpr_syn_credible(skb))
		return NF_ACCEPT;
	route = dpr_way(dn, cfg, skb->dev, dpr_local_wide(skb), peer,
			&seg->key.client);
	if (unlikely(!route))
		return NF_ACCEPT;
	flow = dpr_flow_insert(dn, cfg, seg, peer, offer,
			       dpr_fwd_direct_how(cfg, peer, &seg->key, route));
	if (IS_ERR(flow)) {
		if (PTR_ERR(flow) == -ENOSPC) {
			dpr_stats_inc(dn, DPR_STAT_SERVED_TABLE_FULL);
			dpr_event_notify_full(dn);
		} else {
			dpr_stats_inc(dn, DPR_STAT_SERVED_NO_MEMORY);
		}
		return NF_ACCEPT;
	}
	dpr_stats_inc(dn, DPR_STAT_REDIRECTED);
	/* Another CPU has placed a copy of it. */
	if (unlikely(flow->peer != peer))
		route = dpr_fwd_route(dn, cfg, flow->peer, skb);
	return dpr_offer_send_syn(dn, skb, flow, route);
}

/* Does a backend get it instead? */
static noinline bool dpr_syn_splice(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb,
				    const struct dpr_segment *seg, u64 below,
				    unsigned int *verdict)
{
	return below && dpr_syn_credible(skb) &&
	       dpr_splice_begin(dn, cfg, skb, seg, below, verdict);
}

/* The same for what a hash leaves to this host. */
static noinline bool dpr_syn_splice_own(struct dpr_net *dn,
					const struct dpr_config *cfg,
					struct sk_buff *skb,
					const struct dpr_segment *seg,
					unsigned int *verdict)
{
	const u64 below = cfg->state == DPR_STATE_ACTIVE ?
			  dpr_policy_key(dpr_load_own(dn, cfg), cfg->weight) :
			  ~0ULL;

	return dpr_syn_splice(dn, cfg, skb, seg, below, verdict);
}

/*
 * By load. A host that is not @able to serve redirects what it can. Inlined for what
 * comes straight from dpr_syn().
 */
static __always_inline unsigned int
__dpr_syn_decide(struct dpr_net *dn, const struct dpr_config *cfg,
		 struct sk_buff *skb, const struct dpr_segment *seg,
		 const struct dpr_service *service, bool able)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 policy = cfg->policy == DPR_POLICY_STATELESS ? DPR_POLICY_LOWEST :
							   cfg->policy;
	const struct dpr_order *order;
	struct dpr_policy_args args;
	struct dpr_decision decision;
	unsigned int verdict;

	order = dpr_decide_args(dn, cfg, table, policy, &seg->key.client,
				&seg->key, service, able, &args);
	decision = dpr_policy_decide(&args, order);
	if (dpr_splice_on() &&
	    dpr_syn_splice(dn, cfg, skb, seg,
			   dpr_decide_below(&args, order, &decision), &verdict))
		return verdict;
	if (decision.outcome == DPR_STAT_REDIRECTED)
		return dpr_syn_redirect(dn, cfg, skb, seg,
					table->peer[decision.peer],
					dpr_offer_number(skb, policy, 1));
	dpr_stats_inc(dn, decision.outcome);
	return NF_ACCEPT;
}

static noinline unsigned int
dpr_syn_decide(struct dpr_net *dn, const struct dpr_config *cfg,
	       struct sk_buff *skb, const struct dpr_segment *seg,
	       const struct dpr_service *service, bool able)
{
	return __dpr_syn_decide(dn, cfg, skb, seg, service, able);
}

/* By the client's address, whatever the loads. */
static noinline unsigned int
dpr_syn_affine(struct dpr_net *dn, const struct dpr_config *cfg,
	       struct sk_buff *skb, const struct dpr_segment *seg,
	       const struct dpr_service *service, bool able)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const struct dpr_order *order = dpr_decide_order(table);
	struct dpr_policy_args args;
	unsigned int verdict;
	u32 peer;

	dpr_decide_args(dn, cfg, table, DPR_POLICY_LOWEST, &seg->key.client,
			&seg->key, service, able, &args);
	peer = dpr_decide_affine(cfg, &args, order, &seg->key.client);
	if (peer != order->n)
		return dpr_syn_redirect(dn, cfg, skb, seg, table->peer[peer],
					dpr_offer_number(skb, DPR_POLICY_LOWEST,
							 1));
	if (dpr_splice_on() && args.draining &&
	    dpr_syn_splice(dn, cfg, skb, seg, ~0ULL, &verdict))
		return verdict;
	dpr_stats_inc(dn, DPR_STAT_SERVED_AFFINITY);
	return NF_ACCEPT;
}

static bool dpr_syn_peer_usable(struct dpr_net *dn,
				const struct dpr_config *cfg,
				const struct dpr_peer *peer,
				const struct dpr_service *service,
				const struct dpr_flow_key *key)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 slot = READ_ONCE(peer->slot);

	return table && slot < table->order.n && table->peer[slot] == peer &&
	       dpr_policy_usable(&table->order.view[slot], jiffies,
				 cfg->report_max_age_jiffies) &&
	       !(READ_ONCE(table->order.view[slot].down[key->wide]) &
		 dpr_service_needs(service)) &&
	       !dpr_addr_equal(&peer->address, &key->client);
}

/*
 * The stateless policy. See members.h for when a connection needs a flow; it
 * does, too, if a socket in TIME_WAIT would keep its packets here. A host that is
 * not @able to serve what the hash leaves to it decides by load.
 */
static noinline unsigned int
dpr_syn_stateless(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct sk_buff *skb, const struct dpr_segment *seg,
		  enum dpr_socket_state socket,
		  const struct dpr_service *service, bool able)
{
	const struct dpr_members *members = rcu_dereference(dn->members);
	struct dpr_members *base = rcu_dereference(dn->base);
	const struct dpr_flow_key *key = &seg->key;
	const struct dpr_route *route;
	struct dpr_peer *peer;
	unsigned int verdict;
	bool usable;

	peer = members ? dpr_members_pick(members, key) : NULL;
	usable = peer && dpr_syn_peer_usable(dn, cfg, peer, service, key);
	if (!usable && !able)
		return dpr_syn_decide(dn, cfg, skb, seg, service, able);
	if (!usable) {
		if (dpr_splice_on() &&
		    dpr_syn_splice_own(dn, cfg, skb, seg, &verdict))
			return verdict;
		dpr_stats_inc(dn, peer ? DPR_STAT_SERVED_NO_PEER :
					 DPR_STAT_SERVED_HASH);
		return NF_ACCEPT;
	}
	if (!base || READ_ONCE(base->frozen) || socket == DPR_SOCKET_TIME_WAIT ||
	    dpr_members_pick(base, key) != peer)
		return dpr_syn_redirect(dn, cfg, skb, seg, peer,
					dpr_offer_number(skb, cfg->policy, 1));
	if (!dpr_syn_credible(skb))
		return NF_ACCEPT;
	route = dpr_way(dn, cfg, skb->dev, dpr_local_wide(skb), peer,
			&key->client);
	if (unlikely(!route))
		return NF_ACCEPT;
	if (!READ_ONCE(base->used))
		WRITE_ONCE(base->used, true);
	dpr_owner_forget(dn, key, peer);
	dpr_stats_inc(dn, DPR_STAT_REDIRECTED_HASH);
	dpr_offer_send_hash(dn, cfg, skb, seg, peer, route);
	return NF_STOLEN;
}

/* By the service's policy. @cfg is the service's. */
static __always_inline unsigned int
dpr_syn_place(struct dpr_net *dn, const struct dpr_config *cfg,
	      struct sk_buff *skb, const struct dpr_segment *seg,
	      enum dpr_socket_state socket, const struct dpr_service *service,
	      bool able)
{
	if (unlikely(cfg->affinity) && cfg->policy != DPR_POLICY_OFF)
		return dpr_syn_affine(dn, cfg, skb, seg, service, able);
	if (cfg->policy == DPR_POLICY_STATELESS)
		return dpr_syn_stateless(dn, cfg, skb, seg, socket, service,
					 able);
	return __dpr_syn_decide(dn, cfg, skb, seg, service, able);
}

/**
 * dpr_syn - serve a new connection, or redirect it
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: its SYN
 * @seg: the same, parsed
 * @flow: the flow of its 4-tuple, NULL if there is none
 *
 * The order of the questions keeps a connection on one host: whoever got the
 * first copy of the SYN gets every other. Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_syn(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_segment *seg,
		     struct dpr_flow *flow)
{
	enum dpr_handover_syn known = DPR_HANDOVER_SYN_NEW;
	const struct dpr_flow_key *key = &seg->key;
	enum dpr_socket_state socket;
	struct dpr_service *service;
	struct dpr_syn_ends ends;
	unsigned int verdict;
	bool able;

	if (dpr_handover_on())
		known = dpr_handover_again(dn, cfg, seg);
	if (known == DPR_HANDOVER_SYN_DONE)
		return NF_DROP;
	if (flow && dpr_syn_of_flow(dn, cfg, seg, flow) &&
	    !dpr_syn_lost(dn, cfg, skb, seg, flow))
		return dpr_syn_again(dn, cfg, skb, seg, flow);
	service = dpr_service_match(dn, key);
	if (!service)
		return NF_ACCEPT;
	ends = dpr_syn_ends(dn, cfg, skb, key);
	if (!ends.to)
		return NF_ACCEPT;
	socket = dpr_socket_state(dn, skb, key);
	able = dpr_service_state(dn, skb, service, seg) == DPR_SERVICE_UP;
	if (socket == DPR_SOCKET_OPEN ||
	    (!able && socket == DPR_SOCKET_NONE &&
	     dpr_service_translated(dn, skb, service, seg))) {
		dpr_stats_inc(dn, DPR_STAT_SYN_OWNED);
		return NF_ACCEPT;
	}
	if (ends.from) {
		dpr_stats_inc(dn, DPR_STAT_SERVED_LOCAL);
		return NF_ACCEPT;
	}
	if (unlikely(key->wide) && (dpr_local_on_link(&key->client) ||
				    dpr_local_on_link(&key->address))) {
		dpr_stats_inc(dn, DPR_STAT_SERVED_BEHIND);
		return NF_ACCEPT;
	}
	cfg = dpr_service_config(service, cfg);
	if (dpr_handover_on() &&
	    (cfg->dispatch != DPR_DISPATCH_SYN || known == DPR_HANDOVER_SYN_OTHER) &&
	    dpr_syn_credible(skb) && dpr_handover_begin(dn, cfg, skb, seg))
		return NF_DROP;
	verdict = dpr_syn_place(dn, cfg, skb, seg, socket, service, able);
	if (unlikely(verdict == NF_ACCEPT && rcu_access_pointer(dn->base)))
		dpr_members_unhash(dn, key);
	return verdict;
}
