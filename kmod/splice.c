// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include "backend.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "handover.h"
#include "handover_opened.h"
#include "netns.h"
#include "protected.h"
#include "splice.h"
#include "splice_out.h"
#include "splice_send.h"
#include "splice_table.h"
#include "splice_track.h"
#include "stats.h"

/* Has all of the TCP header in the linear part; pointers are stale afterwards. */
static bool dpr_splice_pull(struct sk_buff *skb, const struct dpr_segment *seg)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;

	return pskb_may_pull(skb, seg->offset + max_t(unsigned int, sizeof(*th),
						      th->doff * 4));
}

/*
 * Begins a client's connection anew, on the ports that its last one had: the backend's TCP
 * knows from its TIME_WAIT whether it may (RFC 6191), as if the client had come itself.
 */
static bool dpr_splice_renew(struct dpr_net *dn, struct dpr_splice *splice,
			     u8 state, const struct dpr_segment *seg,
			     const struct tcphdr *th)
{
	if (!dpr_backend_again(dn, splice->backend, &seg->key))
		return false;
	/* Nobody may find it half-open, and as old as it was. */
	WRITE_ONCE(splice->last, (u32)jiffies);
	if (!dpr_splice_table_move(dn, splice, state, DPR_SPLICE_SYN))
		return false;
	dpr_splice_track_syn(dn, splice, seg, th);
	atomic64_inc(&splice->backend->spliced);
	dpr_stats_inc(dn, DPR_STAT_SPLICED);
	return true;
}

/* A SYN of a splice that is there. Returns false if it is of it no more; removes it. */
static bool dpr_splice_again(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     struct dpr_splice *splice)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;
	const u8 state = READ_ONCE(splice->state);

	/* The backend has not answered, and will not. */
	if (state == DPR_SPLICE_SYN && !splice->flags &&
	    !(splice->end[DPR_SPLICE_BACKEND].scale & DPR_SPLICE_ANSWERED) &&
	    dpr_backend_left(dn, splice->backend)) {
		dpr_splice_table_kill(dn, splice);
		return false;
	}
	if (seg->seq == splice->isn || state == DPR_SPLICE_ESTABLISHED) {
		dpr_stats_inc(dn, DPR_STAT_SYN_RETRANSMITTED);
		return true;
	}
	/*
	 * The client has given up, and tries anew. It has no more time: or it could keep others
	 * from being evicted, as the oldest goes first.
	 */
	if (state == DPR_SPLICE_SYN) {
		dpr_stats_inc(dn, DPR_STAT_SYN_RETRANSMITTED);
		dpr_splice_track_syn_again(dn, splice, seg, th);
		return true;
	}
	/* What the client asks for next may be for somebody else. */
	if (state <= DPR_SPLICE_RESET && !splice->flags &&
	    dpr_splice_renew(dn, splice, state, seg, th))
		return true;
	dpr_splice_table_kill(dn, splice);
	return false;
}

/*
 * The backend answers a SYN of the client's that is not the one that is known here. The client
 * repeats it, for a splice of its own; this host's stack ends it at the backend by a RST.
 */
static noinline unsigned int dpr_splice_anew(struct dpr_net *dn,
					     struct dpr_splice *splice)
{
	dpr_splice_table_kill(dn, splice);
	dpr_stats_inc(dn, DPR_STAT_SPLICE_REFUSED);
	return NF_ACCEPT;
}

/* A segment of a connection whose client had its handshake before. */
static noinline bool dpr_splice_placed(struct dpr_net *dn, const struct dpr_config *cfg,
				       struct sk_buff *skb,
				       const struct dpr_segment *seg,
				       struct dpr_splice *splice,
				       enum dpr_splice_from from, u8 flags,
				       unsigned int *verdict)
{
	struct dpr_segment shifted = *seg;

	if (flags & DPR_SPLICE_FLAG_OPENING && from == DPR_SPLICE_BACKEND) {
		*verdict = dpr_handover_opened(dn, cfg, skb, seg, splice);
		return true;
	}
	if (flags & DPR_SPLICE_FLAG_OPENING) {
		/* Nothing is passed on yet: what the client sends is kept (handover.h). */
		if (seg->syn)
			return false;
		if (dpr_handover_segment(dn, cfg, skb, seg, verdict))
			return true;
		/* Another CPU has opened it meanwhile, or the client has given up. */
		if (smp_load_acquire(&splice->flags) & DPR_SPLICE_FLAG_OPENING)
			return false;
	}
	if (from == DPR_SPLICE_BACKEND) {
		shifted.seq += splice->shift;
		shifted.end += splice->shift;
	}
	*verdict = dpr_splice_send(dn, skb, &shifted, splice, from);
	return true;
}

/**
 * dpr_splice_segment - pass a client's segment on to its backend, if it has one
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, as it came to PRE_ROUTING
 * @seg: the segment
 * @verdict: set to the netfilter verdict
 *
 * Called under RCU in softirq.
 *
 * Return: false if it has none.
 */
bool dpr_splice_segment(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_segment *seg,
			unsigned int *verdict)
{
	struct dpr_splice_end *end = dpr_splice_table_find(dn, &seg->key);
	const struct tcphdr *th;
	struct dpr_splice *splice;
	u8 flags;

	if (likely(!end))
		return false;
	splice = dpr_splice_of(end);
	if (unlikely(end->from == DPR_SPLICE_BACKEND &&
		     !dpr_splice_noted(splice)) ||
	    !dpr_protected(skb, seg->key.wide)) {
		*verdict = dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
		return true;
	}
	if (unlikely(dpr_splice_expired(splice, cfg))) {
		if (dpr_splice_table_kill(dn, splice))
			dpr_stats_inc(dn, DPR_STAT_SPLICE_EXPIRED);
		return false;
	}
	th = (const void *)skb->data + seg->offset;
	if (unlikely(th->syn)) {
		if (!dpr_splice_pull(skb, seg)) {
			*verdict = dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
			return true;
		}
		if (end->from == DPR_SPLICE_BACKEND &&
		    dpr_splice_answers_other(dn, splice, seg)) {
			*verdict = dpr_splice_anew(dn, splice);
			return true;
		}
	}
	/* Pairs with dpr_splice_open_answer(). */
	flags = smp_load_acquire(&splice->flags);
	if (unlikely(seg->syn) && end->from == DPR_SPLICE_CLIENT &&
	    !(flags & DPR_SPLICE_FLAG_OPENING) &&
	    !dpr_splice_again(dn, skb, seg, splice))
		return false;
	if (flags)
		return dpr_splice_placed(dn, cfg, skb, seg, splice, end->from,
					 flags, verdict);
	*verdict = dpr_splice_send(dn, skb, seg, splice, end->from);
	return true;
}

/**
 * dpr_splice_begin - give a new connection to a backend, if one can take it
 * @dn: the namespace
 * @cfg: the service's configuration
 * @skb: its SYN, credible
 * @seg: the same, parsed; pointers into it are stale afterwards
 * @below: load per capacity that the backend's must be below
 * @verdict: set to the netfilter verdict
 *
 * Called under RCU in softirq.
 *
 * Return: false if none can.
 */
bool dpr_splice_begin(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct sk_buff *skb, const struct dpr_segment *seg,
		      u64 below, unsigned int *verdict)
{
	struct dpr_backend_choice choice;
	const struct dpr_backend_way *way;
	struct dpr_splice *splice;

	if (!rcu_access_pointer(dn->splices) || netif_is_l3_slave(skb->dev) ||
	    !dpr_splice_plain(skb, seg) || !dpr_splice_pull(skb, seg) ||
	    !dpr_protected(skb, seg->key.wide))
		return false;
	choice = dpr_backend_choose(dn, &seg->key,
				    dpr_config_connection_load(cfg), below, NULL);
	if (!choice.backend) {
		if (choice.loop)
			dpr_stats_inc(dn, DPR_STAT_SPLICE_LOOP);
		else if (choice.limited)
			dpr_stats_inc(dn, DPR_STAT_SPLICE_LIMITED);
		return false;
	}
	way = dpr_backend_way(dn, choice.backend);
	if (!way) {
		dpr_stats_inc(dn, DPR_STAT_SPLICE_NO_ROUTE);
		return false;
	}
	splice = dpr_splice_table_insert(dn, cfg, seg, choice.backend, way, 0);
	if (!splice)
		return false;
	dpr_splice_track_syn_first(dn, splice, seg,
				   (void *)skb->data + seg->offset);
	*verdict = dpr_splice_send(dn, skb, seg, splice, DPR_SPLICE_CLIENT);
	return true;
}

/* Passes a backend's segment on to its client. */
static unsigned int dpr_splice_back(struct dpr_net *dn, struct sk_buff *skb,
				    const struct dpr_segment *seg)
{
	unsigned int verdict;

	/* Backends do not begin connections, and the stack would answer by a RST. */
	if (unlikely(seg->syn))
		return dpr_splice_table_find(dn, &seg->key) ?
		       dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED) : NF_ACCEPT;
	return dpr_splice_segment(dn, rcu_dereference(dn->config), skb, seg,
				  &verdict) ? verdict : NF_ACCEPT;
}

/**
 * dpr_splice_answer - handle a segment to a port of splices
 * @dn: the namespace
 * @skb: a whole segment, its headers in the linear part
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_splice_answer(struct dpr_net *dn, struct sk_buff *skb)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	dpr_parse_segment(ip_hdr(skb), skb->len, 0, &seg);
	return dpr_splice_back(dn, skb, &seg);
}

/** dpr_splice_answer6 - the same for IPv6, without extension headers before TCP's */
unsigned int dpr_splice_answer6(struct dpr_net *dn, struct sk_buff *skb)
{
	return dpr_splice_answer6_at(dn, skb, sizeof(struct ipv6hdr));
}

/**
 * dpr_splice_answer6_at - the same for IPv6
 * @dn: the namespace
 * @skb: a whole segment, its headers in the linear part
 * @offset: where TCP's header is
 */
unsigned int dpr_splice_answer6_at(struct dpr_net *dn, struct sk_buff *skb,
				   unsigned int offset)
{
	struct dpr_segment seg __uninitialized; /* all of it is set */

	if (unlikely(skb->dev->flags & IFF_LOOPBACK))
		return NF_ACCEPT;
	dpr_parse_segment6(ipv6_hdr(skb), (void *)skb->data + offset,
			   skb->len - offset, offset, &seg);
	return dpr_splice_back(dn, skb, &seg);
}
