/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SYNs that come back: a first host sends a SYN to a peer that may refuse it, and
 * then places it anew.
 *
 * The outer header of such a SYN has an identification that is not 0, its number; one of
 * IPv6 has it in its flow label, and where IPv4 has no DF there DPR_FWD_OFFER.
 * A refused SYN comes back whole, in a further outer header, so that it says whose
 * it is and which copy. It may come back because the peer cannot serve it (nothing
 * listens, the accept queue is full, the host drains); or, if it was offered
 * (DPR_POLICY_OFFER), because the peer has too much load. An offer has no DF in its
 * outer header. At most DPR_MAX_OFFERS peers may refuse an offer so.
 *
 * Each copy of a SYN has a number of its own, and only what the peer says of the
 * last one counts: it may have refused one copy and taken the next. Hosts of
 * version 0.1 send no numbers, and get nothing back but their offers.
 */
#ifndef _DPR_OFFER_H
#define _DPR_OFFER_H

#include <linux/ip.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include "core/policy.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "stats.h"

struct dpr_config;
struct dpr_inner;
struct dpr_net;

/* The longest packet that can come back: sent back, it fits any link. */
#define DPR_OFFER_MAX_LEN	(576 - 2 * sizeof(struct iphdr))

/* Numbers of SYNs that have no flow; the rest is dpr_offer_hash_number(). */
#define DPR_OFFER_HASH		0x8000
/* With a number of either kind: the connection's other packets come direct. */
#define DPR_OFFER_DIRECT	0x4000

/* Why a SYN comes back: identification of the header that brings it. */
enum dpr_offer_reason {
	DPR_OFFER_LOAD,		/* the host's load is too high */
	DPR_OFFER_UNABLE,	/* it cannot serve the service now */
	DPR_OFFER_CLIENT,	/* the client is the host itself */
};

void dpr_offer_send_hash(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb, const struct dpr_segment *seg,
			 struct dpr_peer *peer, const struct dpr_route *route);
unsigned int dpr_offer_returned(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, struct dpr_inner *in);

/**
 * dpr_offer_fits - can a packet come back
 * @skb: the packet
 * @offset: of the client's header in it
 */
static inline bool dpr_offer_fits(const struct sk_buff *skb, unsigned int offset)
{
	return skb->len - offset <= DPR_OFFER_MAX_LEN && !skb_is_gso(skb);
}

/**
 * dpr_offer_number - the first number of a SYN's flow
 * @skb: the SYN
 * @policy: enum dpr_policy
 * @n: how many peers have been asked, this one included
 *
 * Return: for dpr_flow_insert().
 */
static inline u8 dpr_offer_number(const struct sk_buff *skb, u32 policy, u8 n)
{
	const u8 number = min_t(u8, n, DPR_FLOW_ASKED);

	return policy == DPR_POLICY_OFFER && n <= DPR_MAX_OFFERS &&
	       dpr_offer_fits(skb, 0) ? number | DPR_FLOW_OFFER : number;
}

/*
 * Announces to a peer that what follows a SYN comes direct; returns what the SYN's number says.
 * One that is too large has no number (dpr_fwd_send_by()), and so announces nothing.
 */
static inline u32 dpr_offer_announce(const struct sk_buff *skb,
				     struct dpr_peer *peer,
				     const struct dpr_route *route)
{
	if (unlikely(!READ_ONCE(peer->knows_direct)) && route &&
	    !skb_is_gso(skb) && skb->len <= dpr_fwd_mtu(route))
		WRITE_ONCE(peer->knows_direct, true);
	return DPR_OFFER_DIRECT;
}

/**
 * dpr_offer_send_syn - send a SYN to its flow's peer
 * @dn: the namespace
 * @skb: the SYN; consumed unless the verdict is NF_DROP
 * @flow: the flow
 * @route: the way to its peer; NULL if there is none
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
static inline unsigned int dpr_offer_send_syn(struct dpr_net *dn,
					      struct sk_buff *skb,
					      const struct dpr_flow *flow,
					      const struct dpr_route *route)
{
	u32 number = READ_ONCE(flow->offer);

	/* Another CPU is placing a copy of it. */
	if (unlikely(number == DPR_FLOW_RETURNED))
		return NF_DROP;
	if (unlikely(number & DPR_FLOW_OFFER)) {
		dpr_stats_inc(dn, DPR_STAT_OFFERED);
		number |= DPR_FWD_OFFER;
	}
	if (unlikely(flow->shard & DPR_FLOW_DIRECT))
		number |= dpr_offer_announce(skb, flow->peer, route);
	dpr_fwd_send_by(dn, skb, route, number);
	return NF_STOLEN;
}

#endif /* _DPR_OFFER_H */
