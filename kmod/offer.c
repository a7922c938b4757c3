// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include "config.h"
#include "core/parse.h"
#include "core/policy.h"
#include "decide.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_ipip.h"
#include "inner.h"
#include "netns.h"
#include "offer.h"
#include "peer.h"
#include "route.h"
#include "service.h"
#include "socket.h"
#include "stats.h"

/* Sends a SYN that the peer may refuse. */
static void dpr_offer_output(struct dpr_net *dn, const struct dpr_config *cfg,
			     struct sk_buff *skb, struct dpr_peer *peer)
{
	const struct dpr_route *route;
	struct dpr_route offer;

	route = dpr_fwd_route(dn, cfg, peer);
	if (unlikely(!route)) {
		dpr_stats_inc(dn, DPR_STAT_TX_NO_ROUTE);
		kfree_skb(skb);
		return;
	}
	offer = *route;
	offer.header.frag_off &= ~htons(IP_DF);
	offer.check += (__force u16)~htons(IP_DF);
	skb_dst_drop(skb);
	/* The peer's reference lasts as long as this RCU section. */
	skb_dst_set_noref(skb, &route->rt->dst);
	dpr_fwd_ipip_output(dn, skb, &offer);
}

/* See dpr_offer_send_syn(). */
unsigned int __dpr_offer_send_syn(struct dpr_net *dn,
				  const struct dpr_config *cfg,
				  struct sk_buff *skb,
				  const struct dpr_flow *flow, u8 offer)
{
	/* Another CPU is placing a copy of it. */
	if (offer == DPR_FLOW_RETURNED)
		return NF_DROP;
	dpr_stats_inc(dn, DPR_STAT_OFFERED);
	dpr_offer_output(dn, cfg, skb, flow->peer);
	return NF_STOLEN;
}

/*
 * Does this host refuse a connection that a peer offers? It must serve what it has
 * answered already. Returns the counter that says why it refuses, DPR_STAT_UNSPEC
 * if it takes the connection.
 */
static enum dpr_stat dpr_offer_why(struct dpr_net *dn,
				   const struct dpr_config *cfg,
				   const struct sk_buff *skb,
				   const struct dpr_flow_key *key)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_policy_args args;
	enum dpr_stat why;

	if (cfg->policy != DPR_POLICY_OFFER && cfg->state == DPR_STATE_ACTIVE)
		return DPR_STAT_UNSPEC;
	args = dpr_decide_args(dn, cfg, cfg->policy, key->client);
	why = dpr_policy_refuses(&args,
				 table ? &table->order : &dpr_decide_nobody);
	if (why && dpr_socket_state(dn, skb, key) == DPR_SOCKET_OPEN)
		return DPR_STAT_UNSPEC;
	return why;
}

/**
 * dpr_offer_refused - send an offer back if this host refuses it
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a redirected SYN that is on offer; consumed if it is refused
 * @in: what is known of it
 *
 * Called under RCU in softirq.
 *
 * Return: false if this host takes it.
 */
bool dpr_offer_refused(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct sk_buff *skb, const struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);
	struct dpr_segment seg;
	struct dpr_peer *peer;
	enum dpr_stat why;

	dpr_parse_segment(iph, ntohs(iph->tot_len), &seg);
	if (skb->len - in->olen > DPR_OFFER_MAX_LEN || skb_is_gso(skb) ||
	    !dpr_service_ours(dn, ntohs(seg.key.port)) ||
	    !dpr_inner_addresses(dn, skb, in))
		return false;
	why = dpr_offer_why(dn, cfg, skb, &seg.key);
	if (!why)
		return false;
	peer = dpr_peer_find(dn, ip_hdr(skb)->saddr);
	if (!peer)
		return false;
	dpr_stats_inc(dn, why);
	/* Unchanged: its outer header says whose offer it is. */
	dpr_fwd_send(dn, cfg, skb, peer);
	return true;
}

/*
 * Takes off the outer header of this host's own offer, which is now @in's inner
 * one. What is left must be the SYN that was offered.
 */
static enum dpr_stat dpr_offer_unwrap(struct sk_buff *skb,
				      struct dpr_inner *in,
				      struct dpr_segment *seg)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);
	const u8 tos = iph->tos;
	unsigned int hlen;
	bool ce = false;

	in->olen += iph->ihl * 4;
	if (!dpr_inner_valid(skb, in))
		return DPR_STAT_RX_MALFORMED;
	iph = dpr_inner_header(skb, in);
	if (iph->protocol != IPPROTO_TCP || ip_is_fragment(iph))
		return DPR_STAT_RX_NESTED;
	hlen = iph->ihl * 4;
	if (!pskb_may_pull(skb, in->olen + hlen + sizeof(struct tcphdr)))
		return DPR_STAT_RX_MALFORMED;
	iph = dpr_inner_header(skb, in);
	if (!dpr_parse_tcp_whole(iph, (const void *)iph + hlen))
		return DPR_STAT_RX_MALFORMED;
	if (__INET_ECN_decapsulate(tos, iph->tos, &ce) > 1)
		return DPR_STAT_RX_ECN;
	in->ce |= ce;
	dpr_parse_segment(iph, ntohs(iph->tot_len), seg);
	return seg->syn ? DPR_STAT_UNSPEC : DPR_STAT_RX_NESTED;
}

/*
 * Removes a flow that its peer refuses. A copy of the SYN that comes meanwhile
 * sees this and does not go to the peer after all. Returns how many peers have
 * refused the connection by now, 0 if this one may not refuse.
 */
static u8 dpr_offer_take_back(struct dpr_net *dn, struct dpr_flow *flow)
{
	u8 offer = READ_ONCE(flow->offer);

	if (READ_ONCE(flow->state) != DPR_FLOW_SYN || !offer ||
	    offer == DPR_FLOW_RETURNED ||
	    cmpxchg(&flow->offer, offer, DPR_FLOW_RETURNED) != offer)
		return 0;
	return dpr_flow_kill(dn, flow) ? offer : 0;
}

/*
 * Places a connection that @peer was the last of @refusals peers to refuse. The
 * policy may have changed meanwhile; what was offered under this one is placed
 * under it.
 */
static unsigned int dpr_offer_place(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb,
				    const struct dpr_segment *seg, __be32 peer,
				    u8 refusals)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_policy_args args = dpr_decide_args(dn, cfg, DPR_POLICY_OFFER,
						      seg->key.client);
	struct dpr_decision decision;
	struct dpr_flow *flow;

	args.avoid = (__force u32)peer;
	decision = dpr_policy_decide(&args,
				     table ? &table->order : &dpr_decide_nobody);
	if (decision.outcome == DPR_STAT_REDIRECTED) {
		flow = dpr_flow_insert(dn, cfg, seg,
				       table->peer[decision.peer],
				       dpr_offer_number(skb, refusals + 1));
		if (!IS_ERR(flow))
			return dpr_offer_send_syn(dn, cfg, skb, flow);
	}
	dpr_stats_inc(dn, DPR_STAT_OFFER_SERVED);
	return NF_ACCEPT;
}

/**
 * dpr_offer_returned - place a connection anew whose offer a peer sent back
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
	const struct iphdr *offer = dpr_inner_header(skb, in);
	const __be32 peer = ip_hdr(skb)->saddr;
	struct dpr_segment seg;
	struct dpr_flow *flow;
	enum dpr_stat why;
	u8 refusals;

	if (offer->saddr != in->local || offer->daddr != peer ||
	    offer->frag_off & htons(IP_DF | IP_MF | IP_OFFSET))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NESTED);
	why = dpr_offer_unwrap(skb, in, &seg);
	if (why)
		return dpr_inner_refuse(dn, skb, in, why);
	flow = dpr_flow_find(dn, &seg.key);
	if (!flow || flow->peer->address != peer || flow->isn != seg.seq) {
		dpr_stats_inc(dn, DPR_STAT_OFFER_UNKNOWN);
		return NF_DROP;
	}
	refusals = dpr_offer_take_back(dn, flow);
	if (!refusals) {
		dpr_stats_inc(dn, DPR_STAT_OFFER_LATE);
		return NF_DROP;
	}
	dpr_stats_inc(dn, DPR_STAT_OFFER_RETURNED);
	if (!dpr_inner_unwrap(skb, in)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	return dpr_offer_place(dn, cfg, skb, &seg, peer, refusals);
}
