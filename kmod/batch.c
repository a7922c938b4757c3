// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include "ask.h"
#include "batch.h"
#include "config.h"
#include "dpr.h"
#include "fwd.h"
#include "group.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "stats.h"

/**
 * dpr_batch_take - make a message of the questions that wait
 * @batch: the questions, one or more; none wait afterwards
 * @cfg: the configuration
 *
 * Called in softirq, under the lock of the questions.
 *
 * Return: the message, to nobody yet; NULL if there is no memory. Then the questions are
 * lost, as if no peer had got them.
 */
struct sk_buff *dpr_batch_take(struct dpr_batch *batch,
			       const struct dpr_config *cfg)
{
	struct sk_buff *skb;

	skb = dpr_owner_msg_encode_many(batch->question, batch->n, &cfg->address,
					&cfg->address);
	batch->n = 0;
	return skb;
}

/* Puts the questions of a message to a peer that takes one at a time. */
static u32 dpr_batch_send_each(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct net_device *dev, struct dpr_peer *peer,
			       const struct sk_buff *skb,
			       const struct dpr_owner_many *many)
{
	struct dpr_owner_msg msg __uninitialized; /* set as a whole */
	u32 i;

	for (i = 0; i < many->n; i++)
		if (!dpr_owner_msg_question(skb, many, i, &msg) ||
		    !dpr_ask_send(dn, cfg, dev, peer, DPR_OWNER_MSG_WHO,
				  msg.nonce, &msg.key))
			break;
	return i;
}

/**
 * dpr_batch_send - put questions to all peers
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace
 * @skb: the message, by dpr_batch_take(); consumed
 * @alone: ask each by itself, also where the group reaches it: it was not answered
 *
 * Those that have left the load table are asked by themselves in any case.
 *
 * Called under RCU in softirq.
 *
 * Return: how many messages it took.
 */
u32 dpr_batch_send(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct net_device *dev, struct sk_buff *skb, bool alone)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const unsigned int header = dpr_addr_is4(&cfg->address) ?
				    sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct dpr_group_way way = {};
	struct dpr_owner_many many;
	u32 i, messages = 0;

	if (!dpr_owner_msg_decode_many(skb, header, skb->len - header, &many))
		goto out;
	for (i = 0; table && i < table->known; i++) {
		struct dpr_peer *peer = table->peer[i];
		const u32 protocol = READ_ONCE(peer->protocol);

		if ((many.wide && protocol < DPR_PEER_PROTOCOL6) ||
		    (!alone && i < table->order.n &&
		     dpr_group_reaches(dn, cfg, peer, &way)))
			continue;
		if (protocol < DPR_PEER_PROTOCOL_MANY)
			messages += dpr_batch_send_each(dn, cfg, dev, peer, skb,
							&many);
		else
			messages += dpr_ask_send_copy(dn, cfg, dev, peer, skb);
	}
	if (way.rt) {
		const struct dpr_addr group = dpr_addr_of4(cfg->group);

		messages++;
		dpr_group_send(dn, cfg, dev, &way,
			       dpr_owner_msg_copy(skb, &group));
	}
out:
	kfree_skb(skb);
	return messages;
}
