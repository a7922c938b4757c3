// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "config.h"
#include "core/parse.h"
#include "core/policy.h"
#include "decide.h"
#include "deliver.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "inner.h"
#include "load_table.h"
#include "local.h"
#include "members.h"
#include "netns.h"
#include "offer.h"
#include "peer.h"
#include "probe.h"
#include "service.h"
#include "socket.h"
#include "stats.h"

/**
 * struct dpr_refusal - what a SYN that came back says
 * @peer: the host that refused it
 * @reason: why
 * @asked: how many peers were asked, this one included; DPR_FLOW_ASKED or more
 * @policy: enum dpr_policy by which it is placed anew
 */
struct dpr_refusal {
	struct dpr_addr peer;
	enum dpr_offer_reason reason;
	u8 asked;
	u32 policy;
};

/* The number of a SYN without a flow: nobody else can compute it. */
static u32 dpr_offer_hash(const struct dpr_net *dn,
			  const struct dpr_segment *seg)
{
	return dpr_parse_hash(&seg->key, dn->secret ^ seg->seq);
}

static u16 dpr_offer_hash_number(u32 hash)
{
	return DPR_OFFER_HASH | (hash & (DPR_OFFER_DIRECT - 1));
}

/**
 * dpr_offer_send_hash - send a SYN to the peer that the stateless policy names
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the SYN; consumed
 * @seg: the same, parsed
 * @peer: the peer
 * @route: the way to it
 *
 * Called under RCU in softirq.
 */
void dpr_offer_send_hash(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb, const struct dpr_segment *seg,
			 struct dpr_peer *peer, const struct dpr_route *route)
{
	const u32 hash = dpr_offer_hash(dn, seg);
	struct net_device *dev = skb->dev;
	u32 number = dpr_offer_hash_number(hash);

	if (unlikely(dpr_fwd_direct_how(cfg, peer, &seg->key, route)))
		number |= dpr_offer_announce(skb, peer, route);
	dpr_fwd_send_by(dn, skb, route, number);
	/* May look the way up anew, so not before. */
	dpr_probe_sample(dn, cfg, dev, peer, hash);
}

/*
 * Takes off the outer header of this host's own offer, which is now @in's inner
 * one. What is left must be the SYN that was offered.
 */
static enum dpr_stat dpr_offer_unwrap(struct sk_buff *skb,
				      struct dpr_inner *in)
{
	const u8 tos = dpr_inner_tos(skb, in);
	bool ce = false;

	in->wide = in->protocol == IPPROTO_IPV6;
	in->olen = in->offset;
	if (!dpr_inner_valid(skb, in))
		return DPR_STAT_RX_MALFORMED;
	if (in->protocol != IPPROTO_TCP || in->fragment)
		return DPR_STAT_RX_NESTED;
	if (!dpr_inner_connection(skb, in))
		return DPR_STAT_RX_MALFORMED;
	dpr_inner_numbers(skb, in);
	if (__INET_ECN_decapsulate(tos, dpr_inner_tos(skb, in), &ce) > 1)
		return DPR_STAT_RX_ECN;
	in->ce |= ce;
	return in->seg.syn ? DPR_STAT_UNSPEC : DPR_STAT_RX_NESTED;
}

/*
 * Removes a flow whose peer refuses the SYN of this @number. A copy of the SYN
 * that comes meanwhile sees this and does not go to the peer after all. If there was
 * no copy yet, the number does not matter: a firewall may draw others. Returns what
 * the flow had, 0 if the peer may not refuse it.
 */
static u8 dpr_offer_take_back(struct dpr_net *dn, struct dpr_flow *flow,
			      u16 number)
{
	u8 offer = READ_ONCE(flow->offer);

	if (READ_ONCE(flow->state) != DPR_FLOW_SYN || !offer ||
	    offer == DPR_FLOW_RETURNED ||
	    (offer & DPR_FLOW_COPY && offer != number) ||
	    cmpxchg(&flow->offer, offer, DPR_FLOW_RETURNED) != offer)
		return 0;
	return dpr_flow_kill(dn, flow) ? offer : 0;
}

/*
 * Has this host sent this SYN, which has no flow, to this peer? It has no socket
 * of the connection either.
 */
static bool dpr_offer_hashed(struct dpr_net *dn, const struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     const struct dpr_addr *address, u16 number)
{
	const struct dpr_members *base = rcu_dereference(dn->base);
	const struct dpr_flow_key *key = &seg->key;
	struct dpr_peer *peer;

	if (!base || number != dpr_offer_hash_number(dpr_offer_hash(dn, seg)))
		return false;
	peer = dpr_members_pick(base, key);
	return peer && dpr_addr_equal(&peer->address, address) &&
	       !dpr_socket_exists(dn, skb, key);
}

/* Is it a flow's SYN, and was it sent to this peer? */
static bool dpr_offer_of_flow(const struct dpr_flow *flow,
			      const struct dpr_segment *seg,
			      const struct dpr_addr *address)
{
	return dpr_addr_equal(&flow->peer->address, address) &&
	       flow->isn == seg->seq;
}

/* Notes that a peer cannot serve a connection's service. */
static void dpr_offer_unable(struct dpr_net *dn,
			     const struct dpr_service *service, bool wide,
			     const struct dpr_addr *address)
{
	struct dpr_peer *peer = dpr_peer_find(dn, address);

	if (service && peer)
		dpr_table_refused(dn, peer, wide, service->bit);
}

/*
 * The policy by which a connection is placed that peers have refused: that under
 * which it was offered, though the policy may have changed since; or the present
 * one, if that compares loads.
 */
static u32 dpr_offer_policy(const struct dpr_config *cfg, u8 offer)
{
	if (offer & DPR_FLOW_OFFER)
		return DPR_POLICY_OFFER;
	return cfg->policy >= DPR_POLICY_LOWEST ? cfg->policy :
						  DPR_POLICY_LOWEST;
}

/* Whatever else a later version says, the peer cannot serve it. */
static enum dpr_offer_reason dpr_offer_why(u16 reason, u8 offer)
{
	if (reason == DPR_OFFER_CLIENT ||
	    (reason == DPR_OFFER_LOAD && offer & DPR_FLOW_OFFER))
		return reason;
	return DPR_OFFER_UNABLE;
}

/*
 * The peer that gets a connection that another one has refused; NULL if this host
 * serves it. It must not go from peer to peer for ever: two peers may refuse it for
 * their load; who cannot serve the service is passed over from then on; and what
 * nothing says of the next peer is tried a few times only.
 */
static struct dpr_peer *dpr_offer_choose(struct dpr_net *dn,
					 const struct dpr_config *cfg,
					 struct sk_buff *skb,
					 const struct dpr_segment *seg,
					 struct dpr_service *service,
					 const struct dpr_refusal *refusal)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const struct dpr_order *order;
	struct dpr_policy_args args;
	struct dpr_decision decision;
	bool able;

	if (!table || !service ||
	    (refusal->asked == DPR_FLOW_ASKED &&
	     (refusal->reason == DPR_OFFER_CLIENT || !service->bit)))
		return NULL;
	able = dpr_service_state(dn, skb, service, seg) == DPR_SERVICE_UP;
	order = dpr_decide_args(dn, cfg, table, refusal->policy,
				refusal->reason == DPR_OFFER_CLIENT ?
				&refusal->peer : &seg->key.client, &seg->key,
				service, able, &args);
	args.avoid = dpr_addr_id(&refusal->peer);
	if (cfg->affinity && cfg->policy != DPR_POLICY_OFF &&
	    refusal->reason == DPR_OFFER_UNABLE) {
		u32 peer = dpr_decide_affine(cfg, &args, &table->order,
					     &seg->key.client);

		return peer == table->order.n ? NULL : table->peer[peer];
	}
	decision = dpr_policy_decide(&args, order);
	return decision.outcome == DPR_STAT_REDIRECTED ?
	       table->peer[decision.peer] : NULL;
}

/* Places a connection that a peer has refused. */
static unsigned int dpr_offer_place(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb,
				    const struct dpr_segment *seg,
				    struct dpr_service *service,
				    const struct dpr_refusal *refusal)
{
	const struct dpr_route *route;
	struct dpr_flow *flow;
	struct dpr_peer *peer;

	peer = dpr_offer_choose(dn, cfg, skb, seg, service, refusal);
	route = peer ? dpr_fwd_route(dn, cfg, peer, skb) : NULL;
	if (route && !dpr_fwd_direct_off_link(cfg, route)) {
		flow = dpr_flow_insert(dn, cfg, seg, peer,
				       dpr_offer_number(skb, refusal->policy,
							refusal->asked + 1),
				       dpr_fwd_direct_how(cfg, peer, &seg->key,
							  route));
		if (!IS_ERR(flow)) {
			/* Another CPU has placed a copy of it. */
			if (flow->peer != peer)
				route = dpr_fwd_route(dn, cfg, flow->peer, skb);
			return dpr_offer_send_syn(dn, skb, flow, route);
		}
	}
	dpr_stats_inc(dn, DPR_STAT_OFFER_SERVED);
	dpr_members_unhash(dn, &seg->key);
	return NF_ACCEPT;
}

/*
 * The number of a SYN of ours that can come back from whom this came from, if that is what
 * the inner header is; 0 if not.
 */
static u16 dpr_offer_ours(const struct sk_buff *skb, const struct dpr_inner *in)
{
	const struct ipv6hdr *ip6h = dpr_inner_header6(skb, in);
	const struct iphdr *iph = dpr_inner_header(skb, in);

	if (in->wide != in->outer6 || in->fragment)
		return 0;
	if (in->wide)
		return ipv6_addr_equal(&ip6h->saddr, dpr_local_in6(&in->local)) &&
		       ipv6_addr_equal(&ip6h->daddr, dpr_local_in6(&in->first)) ?
		       ntohl(ip6_flowlabel(ip6h)) & 0xffff : 0;
	return iph->saddr == in->local.word[3] &&
	       iph->daddr == in->first.word[3] ? ntohs(iph->id) : 0;
}

/* Leaves to this host's stack what has come back, and is counted as that. */
static unsigned int dpr_offer_serve(struct dpr_net *dn, struct sk_buff *skb,
				    const struct dpr_inner *in)
{
	return in->wide != in->outer6 ? dpr_deliver(dn, skb) : NF_ACCEPT;
}

/**
 * dpr_offer_returned - place a connection anew whose SYN a peer sent back
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a redirected packet in which is another one
 * @in: what is known of it
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_offer_returned(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, struct dpr_inner *in)
{
	const u16 number = dpr_offer_ours(skb, in) & ~DPR_OFFER_DIRECT;
	struct dpr_refusal refusal = { .peer = in->first };
	struct dpr_segment *seg = &in->seg;
	u8 was = 1; /* peer asked, if there is no flow */
	struct dpr_service *service;
	struct dpr_flow *flow;
	enum dpr_stat why;
	unsigned int verdict;

	if (!number)
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NESTED);
	why = dpr_offer_unwrap(skb, in);
	if (why)
		return dpr_inner_refuse(dn, skb, in, why);
	flow = dpr_flow_find(dn, &seg->key);
	if (!(flow ? dpr_offer_of_flow(flow, seg, &in->first) :
		     dpr_offer_hashed(dn, skb, seg, &in->first, number))) {
		dpr_stats_inc(dn, DPR_STAT_OFFER_UNKNOWN);
		return NF_DROP;
	}
	if (!dpr_inner_unwrap(skb, in)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	/* From here on it begins with its own header. */
	seg->offset = in->offset - in->olen;
	if (flow)
		was = dpr_offer_take_back(dn, flow, number);
	if (!was) {
		dpr_stats_inc(dn, DPR_STAT_OFFER_LATE);
		return NF_DROP;
	}
	dpr_stats_inc(dn, DPR_STAT_OFFER_RETURNED);
	service = dpr_service_match(dn, &seg->key);
	if (service)
		cfg = dpr_service_config(service, cfg);
	refusal.asked = was & DPR_FLOW_ASKED;
	refusal.policy = dpr_offer_policy(cfg, was);
	refusal.reason = dpr_offer_why(in->number, was);
	if (refusal.reason == DPR_OFFER_UNABLE)
		dpr_offer_unable(dn, service, seg->key.wide, &in->first);
	verdict = dpr_offer_place(dn, cfg, skb, seg, service, &refusal);
	return verdict == NF_ACCEPT ? dpr_offer_serve(dn, skb, in) : verdict;
}
