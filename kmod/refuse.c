// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include "config.h"
#include "core/policy.h"
#include "decide.h"
#include "dpr.h"
#include "fwd.h"
#include "inner.h"
#include "load_table.h"
#include "netns.h"
#include "offer.h"
#include "peer.h"
#include "refuse.h"
#include "service.h"
#include "stats.h"

/* By the load of this host and its peers. */
static enum dpr_stat dpr_refuse_load(struct dpr_net *dn,
				     const struct dpr_config *cfg,
				     const struct sk_buff *skb,
				     const struct dpr_inner *in)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const struct dpr_flow_key *key = &in->seg.key;
	const struct dpr_service *service;
	const struct dpr_order *order;
	struct dpr_policy_args args;

	if (!in->offer)
		return DPR_STAT_UNSPEC;
	service = dpr_service_served(dn, key);
	if (service)
		cfg = dpr_service_config(service, cfg);
	if (cfg->policy != DPR_POLICY_OFFER && cfg->state == DPR_STATE_ACTIVE)
		return DPR_STAT_UNSPEC;
	order = dpr_decide_args(dn, cfg, table, cfg->policy, &key->client, key,
				NULL, true, &args);
	return dpr_policy_refuses(&args, order);
}

/**
 * dpr_refuse_why - does this host refuse a redirected SYN
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet
 * @in: what is known of it, its sockets included
 *
 * It must serve what it has answered already. Called under RCU in softirq.
 *
 * Return: the counter that says why it refuses, DPR_STAT_UNSPEC if it does not.
 */
enum dpr_stat dpr_refuse_why(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct sk_buff *skb,
			     const struct dpr_inner *in)
{
	if (in->sk && in->sk != in->listener &&
	    in->sk->sk_state != TCP_TIME_WAIT)
		return DPR_STAT_UNSPEC;
	if (in->number) {
		if (cfg->state != DPR_STATE_ACTIVE)
			return DPR_STAT_REFUSED_DRAINING;
		if (!in->listener)
			return DPR_STAT_REFUSED_NO_LISTENER;
		if (in->sk == in->listener && sk_acceptq_is_full(in->sk))
			return DPR_STAT_REFUSED_FULL;
	}
	return dpr_refuse_load(dn, cfg, skb, in);
}

static enum dpr_offer_reason dpr_refuse_reason(enum dpr_stat why)
{
	switch (why) {
	case DPR_STAT_REFUSED_LOAD:
		return DPR_OFFER_LOAD;
	case DPR_STAT_REFUSED_OWN:
		return DPR_OFFER_CLIENT;
	default:
		return DPR_OFFER_UNABLE;
	}
}

/**
 * dpr_refuse - send a redirected SYN back
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet
 * @in: what is known of it
 * @why: DPR_STAT_REFUSED_*; counted if it is sent back
 *
 * Called under RCU in softirq.
 *
 * Return: NF_STOLEN if it is on its way; NF_DROP if it cannot be sent back: what
 * the client sends next will be shorter (RFC 7413); NF_ACCEPT if this host must
 * take it.
 */
unsigned int dpr_refuse(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_inner *in,
			enum dpr_stat why)
{
	struct dpr_peer *peer = dpr_peer_find(dn, &in->first);
	const bool fits = in->olen && dpr_offer_fits(skb, in->olen);

	if (!peer || (!fits && !in->number))
		return NF_ACCEPT;
	dpr_stats_inc(dn, fits ? why : DPR_STAT_REFUSED_LONG);
	if (!fits)
		return NF_DROP;
	/* Unchanged: its outer header says whose it is, and which copy. */
	dpr_fwd_send_by(dn, skb, dpr_fwd_route(dn, cfg, peer, skb),
			dpr_refuse_reason(why));
	return NF_STOLEN;
}
