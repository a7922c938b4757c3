// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/tcp.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "handover_keep.h"
#include "handover_send.h"
#include "handover_table.h"
#include "local.h"
#include "netns.h"
#include "stats.h"

/* What is kept is not sent again sooner: a client repeats its data after 200 ms, or later. */
#define DPR_HANDOVER_KEEP_AGAIN	(HZ / 8)

/* What is acknowledged, and asked, is less when a client acknowledges some of an answer first. */
#define DPR_HANDOVER_KEEP_ANSWER	(1 << 20)

/* What a segment of a connection that waits is. */
enum dpr_handover_what {
	DPR_HANDOVER_WHAT_STRAY,	/* it cannot be of this connection now */
	DPR_HANDOVER_WHAT_ACK,		/* an acknowledgment without data */
	DPR_HANDOVER_WHAT_DATA,		/* data, or a FIN */
	DPR_HANDOVER_WHAT_RST,
};

static enum dpr_handover_what dpr_handover_what(const struct dpr_handover *one,
						const struct sk_buff *skb,
						const struct dpr_segment *seg)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;
	const u32 first = dpr_handover_next(one);

	/* No socket can begin with a SYN and an acknowledgment, whatever else there is. */
	if (th->syn)
		return DPR_HANDOVER_WHAT_STRAY;
	if (seg->rst)
		return seg->seq == first || one->state == DPR_HANDOVER_SENT ?
		       DPR_HANDOVER_WHAT_RST : DPR_HANDOVER_WHAT_STRAY;
	/* Once a host has it, it may have answered. */
	if (!seg->has_ack || (one->state != DPR_HANDOVER_SENT &&
			      seg->ack != one->options.isn + 1))
		return DPR_HANDOVER_WHAT_STRAY;
	if (seg->seq - first > DPR_HANDOVER_WINDOW &&
	    one->state != DPR_HANDOVER_SENT)
		return DPR_HANDOVER_WHAT_STRAY;
	return seg->end != seg->seq ? DPR_HANDOVER_WHAT_DATA :
				      DPR_HANDOVER_WHAT_ACK;
}

/* Is its checksum wrong? Else a copy that is right would find the place taken. */
static bool dpr_handover_corrupt(struct sk_buff *skb, unsigned int offset)
{
	return dpr_local_wide(skb) ?
	       nf_ip6_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_TCP) :
	       nf_ip_checksum(skb, NF_INET_PRE_ROUTING, offset, IPPROTO_TCP);
}

/**
 * dpr_handover_keep_answered - has the client something of the chosen host's
 * @one: the connection, under its shard's lock
 * @skb: the packet
 * @seg: a segment of it
 *
 * It has if it acknowledges more than this host has sent: nobody else was given the connection
 * that could have sent it. Who does not see the connection does not guess both numbers.
 */
bool dpr_handover_keep_answered(const struct dpr_handover *one, struct sk_buff *skb,
				const struct dpr_segment *seg)
{
	const enum dpr_handover_what what = dpr_handover_what(one, skb, seg);

	return one->state == DPR_HANDOVER_SENT && !one->busy &&
	       (what == DPR_HANDOVER_WHAT_ACK || what == DPR_HANDOVER_WHAT_DATA) &&
	       seg->ack - one->options.isn - 2 < DPR_HANDOVER_KEEP_ANSWER &&
	       seg->seq - dpr_handover_next(one) < DPR_HANDOVER_KEEP_ANSWER &&
	       (skb_is_gso(skb) || !dpr_handover_corrupt(skb, seg->offset));
}

/* Prepares a packet for being kept: nothing that it points to may go meanwhile. */
static bool dpr_handover_still(struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return false;
	skb_orphan(skb);
	skb_dst_drop(skb);
	nf_reset_ct(skb);
	skb->dev = NULL;
	return true;
}

/* Reads where a segment is, of which dpr_steer_tcp() knew it as a whole. */
static bool dpr_handover_read(struct sk_buff *skb, unsigned int offset)
{
	struct dpr_handover_part *part = dpr_handover_part(skb);
	const struct tcphdr *th;
	unsigned int doff;

	if (!pskb_may_pull(skb, offset + sizeof(*th)))
		return false;
	th = (void *)skb->data + offset;
	doff = th->doff * 4;
	if (doff < sizeof(*th) || !pskb_may_pull(skb, offset + doff))
		return false;
	skb_set_transport_header(skb, offset);
	th = (void *)skb->data + offset;
	part->seq = ntohl(th->seq);
	part->end = part->seq + skb->len - offset - doff + th->fin;
	return true;
}

/* Could it be for another host, too? Not if it acknowledges what this one has not sent. */
static bool dpr_handover_keep_may(const struct dpr_handover *one, struct sk_buff *skb)
{
	return dpr_handover_part(skb)->seq - dpr_handover_next(one) <=
	       DPR_HANDOVER_WINDOW &&
	       ntohl(tcp_hdr(skb)->ack_seq) == one->options.isn + 1;
}

/* Makes a handover of a segment. */
static void dpr_handover_keep_wrap(const struct dpr_config *cfg,
				   struct dpr_handover *one, struct sk_buff *skb,
				   struct sk_buff_head *out)
{
	struct sk_buff *wrapped = dpr_handover_wrap(cfg, one, skb);

	if (wrapped)
		__skb_queue_tail(out, wrapped);
}

/*
 * Keeps a segment, and sends it on if the connection is handed over already. Returns what
 * became of it, to be counted.
 */
static enum dpr_stat dpr_handover_keep_one(const struct dpr_config *cfg,
					   struct dpr_handovers *all,
					   struct dpr_handover *one,
					   struct sk_buff *skb, unsigned int offset,
					   struct sk_buff_head *out)
{
	const bool sent = one->state == DPR_HANDOVER_SENT && !one->busy;
	enum dpr_stat what = DPR_STAT_HANDOVER_KEPT;
	bool again;

	if (dpr_handover_corrupt(skb, offset)) {
		kfree_skb(skb);
		return DPR_STAT_HANDOVER_STRAY;
	}
	if (!dpr_handover_still(skb) || !dpr_handover_read(skb, offset)) {
		kfree_skb(skb);
		return DPR_STAT_HANDOVER_LIMITED;
	}
	/* A first one again: the client has no answer to any. */
	again = sent && dpr_handover_part(skb)->seq == dpr_handover_next(one) &&
		(u32)jiffies - one->wrapped >= DPR_HANDOVER_KEEP_AGAIN;
	if (sent && !again)
		dpr_handover_keep_wrap(cfg, one, skb, out);
	if (!dpr_handover_keep_may(one, skb) || !dpr_handover_table_keep(all, one, skb)) {
		what = DPR_STAT_HANDOVER_NOTED;
		/* There was no room for a first one. */
		if (again && !dpr_handover_headed(one))
			dpr_handover_keep_wrap(cfg, one, skb, out);
		kfree_skb(skb);
	}
	if (again)
		dpr_handover_wrap_all(cfg, one, out);
	return what;
}

/* The same of a packet, which may be a super-packet of many segments. */
static enum dpr_stat dpr_handover_keep_all(const struct dpr_config *cfg,
					   struct dpr_handovers *all,
					   struct dpr_handover *one,
					   struct sk_buff *skb, unsigned int offset,
					   struct sk_buff_head *out)
{
	enum dpr_stat what = DPR_STAT_HANDOVER_NOTED, last;
	struct sk_buff *segs, *seg, *next;

	if (likely(!skb_is_gso(skb)))
		return dpr_handover_keep_one(cfg, all, one, skb, offset, out);
	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs)) {
		kfree_skb(skb);
		return DPR_STAT_HANDOVER_LIMITED;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		last = dpr_handover_keep_one(cfg, all, one, seg, offset, out);
		if (last == DPR_STAT_HANDOVER_KEPT)
			what = last;
	}
	return what;
}

/* Keeps the first acknowledgment of a connection whose server may speak first. */
static bool dpr_handover_keep_ack(struct dpr_handovers *all, struct dpr_handover *one,
				  struct sk_buff *skb, const struct dpr_segment *seg)
{
	if (one->ack || seg->seq != dpr_handover_next(one) ||
	    skb->len > 512 || !dpr_handover_still(skb) ||
	    !dpr_handover_read(skb, seg->offset) ||
	    !dpr_handover_table_charge(all, skb, false))
		return false;
	one->ack = skb;
	return true;
}

/*
 * Takes a segment without data: under the shard's lock. Returns whether the packet is
 * consumed.
 */
static bool dpr_handover_ack(struct dpr_net *dn, const struct dpr_config *cfg,
			     struct dpr_handovers *all, struct dpr_handover *one,
			     struct sk_buff *skb, const struct dpr_segment *seg,
			     struct sk_buff_head *out)
{
	dpr_stats_inc(dn, DPR_STAT_HANDOVER_NOTED);
	if (one->state != DPR_HANDOVER_SENT)
		return dpr_handover_keep_ack(all, one, skb, seg);
	if (one->busy || skb_is_gso(skb) ||
	    (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)))
		return false;
	dpr_handover_keep_wrap(cfg, one, skb, out);
	return false;
}

/* Lets the SYN before the last one count again, if there was one. */
static bool dpr_handover_keep_restore(struct dpr_handover *one)
{
	if (!one->was.mss)
		return false;
	one->options = one->was;
	one->iif = one->was_iif;
	one->odd = one->was_odd;
	one->was.mss = 0;
	return true;
}

/*
 * The client acknowledges the answer to an earlier SYN than the last one: that was not its own.
 * Or it has never sent the earlier one.
 */
static void dpr_handover_keep_syn(struct dpr_handover *one, const struct dpr_segment *seg)
{
	const u32 first = one->was.client_isn + 1;

	if (!one->was.mss || one->busy || one->state != DPR_HANDOVER_SYN)
		return;
	if (seg->rst && seg->seq == first)
		one->was.mss = 0;
	else if (!seg->rst && seg->has_ack && seg->ack == one->was.isn + 1 &&
		 seg->seq - first <= DPR_HANDOVER_WINDOW)
		dpr_handover_keep_restore(one);
}

/**
 * dpr_handover_keep - take in a segment of a connection that waits
 * @dn: the namespace
 * @cfg: the configuration
 * @all: the table; the lock of the connection's shard is held
 * @one: the connection; if the client gives it up it leaves the table (gone)
 * @skb: the packet
 * @seg: the segment, no SYN
 * @out: handovers that the segment is the reason for are added to it
 *
 * Called under RCU in softirq.
 *
 * Return: true if the packet is consumed.
 */
bool dpr_handover_keep(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct dpr_handovers *all, struct dpr_handover *one,
		       struct sk_buff *skb, const struct dpr_segment *seg,
		       struct sk_buff_head *out)
{
	enum dpr_handover_what what;

	dpr_handover_keep_syn(one, seg);
	what = dpr_handover_what(one, skb, seg);
	/* Backends get nothing of it then; what does not belong to it has no say. */
	if (what != DPR_HANDOVER_WHAT_STRAY)
		one->odd |= !dpr_parse_bare(seg);
	if (one->state == DPR_HANDOVER_SYN && !one->busy &&
	    (what == DPR_HANDOVER_WHAT_ACK || what == DPR_HANDOVER_WHAT_DATA)) {
		one->state = DPR_HANDOVER_OPEN;
		one->was.mss = 0;
		one->tries = 0;
		one->due = jiffies + DPR_HANDOVER_SILENCE;
	}
	switch (what) {
	case DPR_HANDOVER_WHAT_DATA:
		dpr_stats_inc(dn, dpr_handover_keep_all(cfg, all, one, skb,
							seg->offset, out));
		return true;
	case DPR_HANDOVER_WHAT_RST:
		if (one->state != DPR_HANDOVER_SENT) {
			dpr_stats_inc(dn, DPR_STAT_HANDOVER_NOTED);
			if (!one->busy && !dpr_handover_keep_restore(one))
				dpr_handover_table_unlink(all, one);
			return false;
		}
		fallthrough;
	case DPR_HANDOVER_WHAT_ACK:
		return dpr_handover_ack(dn, cfg, all, one, skb, seg, out);
	default:
		dpr_stats_inc(dn, DPR_STAT_HANDOVER_STRAY);
		return false;
	}
}
