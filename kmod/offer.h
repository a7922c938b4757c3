/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Offers (DPR_POLICY_OFFER): a first host sends a SYN to a peer that may send it
 * back, and then places it anew.
 *
 * An offer differs from other redirected SYNs in that the outer header has
 * no DF; a host that knows no offers does not look at that. A refused offer
 * comes back whole, in a further outer header, so that it says whose it is. A
 * flow is on offer until its peer refuses it or the client repeats the SYN
 * (dpr_flow_withdraw_offer()); at most DPR_MAX_OFFERS peers may refuse a
 * connection.
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

struct dpr_config;
struct dpr_inner;
struct dpr_net;

/* The longest packet that can be offered: sent back, it fits any link. */
#define DPR_OFFER_MAX_LEN	(576 - 2 * sizeof(struct iphdr))

unsigned int __dpr_offer_send_syn(struct dpr_net *dn,
				  const struct dpr_config *cfg,
				  struct sk_buff *skb,
				  const struct dpr_flow *flow, u8 offer);
bool dpr_offer_refused(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct sk_buff *skb, const struct dpr_inner *in);
unsigned int dpr_offer_returned(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, struct dpr_inner *in);

/**
 * dpr_offer_number - is a SYN to be offered, not sent for good
 * @skb: the SYN
 * @n: which peer is asked, counted from 1
 *
 * Return: @n, 0 if the peer must take it: for dpr_flow_insert().
 */
static inline u8 dpr_offer_number(const struct sk_buff *skb, u8 n)
{
	return n <= DPR_MAX_OFFERS && skb->len <= DPR_OFFER_MAX_LEN &&
	       !skb_is_gso(skb) ? n : 0;
}

/**
 * dpr_offer_send_syn - send a SYN to its flow's peer
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the SYN; consumed unless the verdict is NF_DROP
 * @flow: the flow; while it is on offer the peer may refuse
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
static inline unsigned int dpr_offer_send_syn(struct dpr_net *dn,
					      const struct dpr_config *cfg,
					      struct sk_buff *skb,
					      const struct dpr_flow *flow)
{
	u8 offer = READ_ONCE(flow->offer);

	if (unlikely(offer))
		return __dpr_offer_send_syn(dn, cfg, skb, flow, offer);
	dpr_fwd_send(dn, cfg, skb, flow->peer);
	return NF_STOLEN;
}

#endif /* _DPR_OFFER_H */
