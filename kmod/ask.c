// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include "ask.h"
#include "config.h"
#include "dpr.h"
#include "fwd.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"
#include "stats.h"

/**
 * dpr_ask_send_made - send a message that is made already to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace; the packet's until it is routed
 * @peer: the peer, of this host's family
 * @skb: the message; consumed
 *
 * Called under RCU in softirq.
 */
void dpr_ask_send_made(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct net_device *dev, struct dpr_peer *peer,
		       struct sk_buff *skb)
{
	skb->dev = dev;
	dpr_stats_inc(dn, DPR_STAT_TX_OWNER_MESSAGES);
	dpr_fwd_send(dn, cfg, skb, peer);
}

/**
 * dpr_ask_send - send a message to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace; the packet's until it is routed
 * @peer: the peer
 * @kind: what the message says
 * @nonce: number of the question
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: false if there is no memory.
 */
bool dpr_ask_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct net_device *dev, struct dpr_peer *peer,
		  enum dpr_owner_msg_kind kind, u32 nonce,
		  const struct dpr_flow_key *key)
{
	const struct dpr_owner_msg msg = {
		.kind = kind,
		.nonce = nonce,
		.key = *key,
	};
	struct sk_buff *skb;

	if (dpr_peer_foreign(peer, cfg))
		return true;
	skb = dpr_owner_msg_encode(&msg, &cfg->address, &peer->address);
	if (!skb)
		return false;
	dpr_ask_send_made(dn, cfg, dev, peer, skb);
	return true;
}

/**
 * dpr_ask_send_copy - send a copy of a message to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace; the packet's until it is routed
 * @peer: the peer
 * @skb: the message; stays the caller's
 *
 * Called under RCU in softirq.
 *
 * Return: false if nothing was sent: there is no memory, or the peer's address is of the
 * other family.
 */
bool dpr_ask_send_copy(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct net_device *dev, struct dpr_peer *peer,
		       const struct sk_buff *skb)
{
	struct sk_buff *copy;

	if (dpr_peer_foreign(peer, cfg))
		return false;
	copy = dpr_owner_msg_copy(skb, &peer->address);
	if (!copy)
		return false;
	dpr_ask_send_made(dn, cfg, dev, peer, copy);
	return true;
}
