// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include <net/tcp.h>
#include "config.h"
#include "dpr.h"
#include "fwd.h"
#include "handover_msg.h"
#include "handover_send.h"
#include "handover_table.h"
#include "netns.h"
#include "peer.h"
#include "stats.h"

/**
 * dpr_handover_wrap - make the handover that takes a client's packet to the chosen host
 * @cfg: the configuration
 * @one: the connection, handed over, under its shard's lock
 * @packet: the packet, its IP header at skb->data
 *
 * Return: it; NULL if there is no memory, or no key any more.
 */
struct sk_buff *dpr_handover_wrap(const struct dpr_config *cfg,
				  struct dpr_handover *one,
				  const struct sk_buff *packet)
{
	struct dpr_handover_msg msg = {
		.kind = DPR_HANDOVER_MSG_TAKE,
		.attempt = one->attempt,
		.must = one->must,
		.key = one->key,
		.options = one->options,
	};

	if (!cfg->keys)
		return NULL;
	msg.options.ts_now = (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC) +
			     one->ts_off;
	return dpr_handover_msg_encode(cfg, &msg, packet, &one->peer->address);
}

/**
 * dpr_handover_wrap_all - likewise, of all that is kept
 * @cfg: the configuration
 * @one: the connection, handed over, under its shard's lock
 * @out: the handovers are added to it
 *
 * Without its first data the client's acknowledgment makes the socket.
 */
void dpr_handover_wrap_all(const struct dpr_config *cfg, struct dpr_handover *one,
			   struct sk_buff_head *out)
{
	struct sk_buff *skb, *wrapped;

	one->wrapped = jiffies;
	if (one->ack && !dpr_handover_headed(one)) {
		wrapped = dpr_handover_wrap(cfg, one, one->ack);
		if (wrapped)
			__skb_queue_tail(out, wrapped);
	}
	skb_queue_walk(&one->kept, skb) {
		wrapped = dpr_handover_wrap(cfg, one, skb);
		if (wrapped)
			__skb_queue_tail(out, wrapped);
	}
}

/**
 * dpr_handover_wrap_first - likewise, of what makes the socket: the first data, or else the
 *	client's acknowledgment
 * @cfg: the configuration
 * @one: the connection, handed over, under its shard's lock
 * @out: the handover is added to it
 */
void dpr_handover_wrap_first(const struct dpr_config *cfg, struct dpr_handover *one,
			     struct sk_buff_head *out)
{
	struct sk_buff *skb = dpr_handover_headed(one) ? skb_peek(&one->kept) : one->ack;
	struct sk_buff *wrapped = skb ? dpr_handover_wrap(cfg, one, skb) : NULL;

	if (wrapped)
		__skb_queue_tail(out, wrapped);
}

/**
 * dpr_handover_send - send handovers
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the chosen host
 * @out: they; empty afterwards
 *
 * Called under RCU with bottom halves off, without a lock: a device may bring what is sent
 * back to this host at once.
 */
void dpr_handover_send(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct dpr_peer *peer, struct sk_buff_head *out)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(out))) {
		skb->dev = dn->net->loopback_dev;
		dpr_stats_inc(dn, DPR_STAT_TX_HANDOVER);
		dpr_fwd_send(dn, cfg, skb, peer);
	}
}
