// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "handover_here.h"
#include "handover_opened.h"
#include "handover_place.h"
#include "handover_send.h"
#include "handover_table.h"
#include "local.h"
#include "netns.h"
#include "splice_open.h"
#include "splice_send.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "splice_track.h"
#include "stats.h"

/*
 * The connection that waits for the backend's answer, which is the caller's then; NULL if
 * there is none. @wait is set if somebody else has it.
 */
static struct dpr_handover *dpr_handover_opened_claim(struct dpr_handovers *all,
						      const struct dpr_splice *splice,
						      bool *wait)
{
	const struct dpr_flow_key key =
		dpr_splice_key(&splice->end[DPR_SPLICE_CLIENT]);
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &key);
	struct dpr_handover *one;

	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, &key);
	if (one && one->options.client_isn != splice->isn)
		one = NULL;
	*wait = one && one->busy;
	if (one && (one->busy || one->state != DPR_HANDOVER_ASKED))
		one = NULL;
	if (one)
		one->busy = true;
	spin_unlock(&shard->lock);
	return one;
}

/* Which timestamp of this host the client echoes. */
static u32 dpr_handover_opened_echo(struct dpr_handovers *all, struct dpr_handover *one)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	u32 echo = (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC) + one->ts_off;
	const struct sk_buff *skb;
	const struct tcphdr *th;
	const u8 *at;

	spin_lock(&shard->lock);
	skb = skb_peek(&one->kept) ?: one->ack;
	if (skb) {
		/* All of it is in the linear part (handover_keep.c). */
		th = tcp_hdr(skb);
		dpr_splice_tcp_each(at, th)
			if (at[0] == TCPOPT_TIMESTAMP &&
			    at[1] == TCPOLEN_TIMESTAMP)
				echo = get_unaligned_be32(at + 6);
	}
	spin_unlock(&shard->lock);
	return echo;
}

/* The client's acknowledgment, if its first data are not there; NULL: they are. */
static struct sk_buff *dpr_handover_opened_ack(struct dpr_handovers *all,
					       struct dpr_handover *one)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	struct sk_buff *skb, *ack = NULL;

	spin_lock(&shard->lock);
	skb = skb_peek(&one->kept);
	if (!skb || dpr_handover_part(skb)->seq != dpr_handover_next(one)) {
		ack = one->ack;
		one->ack = NULL;
	}
	spin_unlock(&shard->lock);
	if (ack)
		dpr_handover_table_uncharge(all, ack);
	return ack;
}

static void dpr_handover_opened_pass(struct dpr_net *dn, struct net_device *dev,
				     struct sk_buff *skb, struct dpr_splice *splice)
{
	const unsigned int offset = skb_transport_offset(skb);
	struct dpr_segment seg;

	skb->dev = dev;
	if (dpr_local_wide(skb))
		dpr_parse_segment6(ipv6_hdr(skb), tcp_hdr(skb), skb->len - offset,
				   offset, &seg);
	else
		dpr_parse_segment(ip_hdr(skb), skb->len, 0, &seg);
	if (!dev || dpr_splice_send_kept(dn, skb, &seg, splice) != NF_STOLEN)
		kfree_skb(skb);
}

/* The backend has it: what the client has sent is passed on, and what comes is from now on. */
static void dpr_handover_opened_all(struct dpr_net *dn, struct dpr_handovers *all,
				    struct dpr_handover *one,
				    struct dpr_splice *splice)
{
	struct net_device *dev = dev_get_by_index_rcu(dn->net, one->iif);
	struct sk_buff *skb = dpr_handover_opened_ack(all, one);

	dpr_stats_inc(dn, DPR_STAT_HANDOVER_SPLICED);
	if (skb)
		dpr_handover_opened_pass(dn, dev, skb, splice);
	while ((skb = dpr_handover_pop(all, one)))
		dpr_handover_opened_pass(dn, dev, skb, splice);
	dpr_handover_table_free(all, one);
}

/* The backend does not have it: it goes to another one, or a host. */
static void dpr_handover_opened_not(struct dpr_net *dn, const struct dpr_config *cfg,
				    struct dpr_handovers *all,
				    struct dpr_handover *one,
				    struct dpr_splice *splice)
{
	dpr_splice_table_kill(dn, splice);
	one->refusals++;
	dpr_stats_inc(dn, DPR_STAT_SPLICE_UNANSWERED);
	dpr_handover_place(dn, cfg, all, one);
}

/* Its SYN. A verdict of NF_ACCEPT lets this host's stack answer by a RST. */
static unsigned int dpr_handover_opened_syn(struct dpr_net *dn,
					    const struct dpr_config *cfg,
					    struct dpr_handovers *all,
					    struct dpr_handover *one,
					    struct sk_buff *skb,
					    const struct dpr_segment *seg,
					    struct dpr_splice *splice)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);

	switch (dpr_splice_open_answer(dn, splice, skb, seg, &one->options,
				       dpr_handover_opened_echo(all, one))) {
	case DPR_SPLICE_OPEN:
		dpr_handover_opened_all(dn, all, one, splice);
		return NF_DROP;
	case DPR_SPLICE_OPEN_OTHERWISE:
		dpr_handover_opened_not(dn, cfg, all, one, splice);
		return NF_ACCEPT;
	default:
		spin_lock(&shard->lock);
		one->busy = false;
		spin_unlock(&shard->lock);
		return NF_DROP;
	}
}

/**
 * dpr_handover_opened - take what a backend answers that was asked to take a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet
 * @seg: the segment; if it is a SYN all of its TCP header is in the linear part
 * @splice: its splice, not open yet
 *
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_handover_opened(struct dpr_net *dn, const struct dpr_config *cfg,
				 struct sk_buff *skb, const struct dpr_segment *seg,
				 struct dpr_splice *splice)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover *one;
	bool wait = false;

	/* Only these can be answers. */
	if (!seg->has_ack || (!th->syn && !th->rst))
		return NF_DROP;
	DPR_RACE_WINDOW();
	one = all ? dpr_handover_opened_claim(all, splice, &wait) : NULL;
	/* The backend answers again, here or to a CPU that has opened it since it was found. */
	if (wait || (!one && !(smp_load_acquire(&splice->flags) & DPR_SPLICE_FLAG_OPENING)))
		return NF_DROP;
	if (!one) {
		dpr_splice_table_kill(dn, splice);
		return NF_ACCEPT;
	}
	if (!th->rst)
		return dpr_handover_opened_syn(dn, cfg, all, one, skb, seg, splice);
	if (dpr_splice_track(dn, splice, DPR_SPLICE_BACKEND, seg, th)) {
		dpr_handover_opened_not(dn, cfg, all, one, splice);
		return NF_DROP;
	}
	spin_lock(&dpr_handover_table_shard(all, &one->key)->lock);
	one->busy = false;
	spin_unlock(&dpr_handover_table_shard(all, &one->key)->lock);
	return NF_DROP;
}
