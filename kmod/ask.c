// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <net/ip.h>
#include "ask.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "ended.h"
#include "flow.h"
#include "netns.h"
#include "owner.h"
#include "peer.h"
#include "service.h"
#include "stats.h"
#include "tunnel.h"

#define DPR_ASK_MAGIC		0x4450526f /* "DPRo" */

/**
 * struct dpr_ask_message - what an inner packet of DPR_ASK_PROTOCOL holds
 * @magic: DPR_ASK_MAGIC
 * @kind: enum dpr_ask_kind
 * @zero: 0
 * @check: Internet checksum of the message
 * @nonce: drawn with DPR_ASK_WHO, repeated by the claim; of a connection that
 *	has a flow it is the client's initial sequence number
 * @key: the connection
 */
struct dpr_ask_message {
	__be32 magic;
	u8 kind;
	u8 zero;
	__sum16 check;
	__be32 nonce;
	struct dpr_flow_key key;
};

static __sum16 dpr_ask_check(const struct dpr_ask_message *msg)
{
	return ip_compute_csum(msg, sizeof(*msg));
}

/**
 * dpr_ask_send - send a message to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace; the packet's until it is routed
 * @peer: whom to
 * @kind: what the message says
 * @nonce: number of the question
 * @key: the connection
 *
 * It goes in an IP packet as if from this host to the peer, through the
 * tunnel. Called under RCU in softirq.
 *
 * Return: false if there is no memory.
 */
bool dpr_ask_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct net_device *dev, struct dpr_peer *peer,
		  enum dpr_ask_kind kind, u32 nonce,
		  const struct dpr_flow_key *key)
{
	const unsigned int room = LL_MAX_HEADER + sizeof(struct iphdr);
	struct dpr_ask_message *msg;
	struct sk_buff *skb;
	struct iphdr *iph;

	BUILD_BUG_ON(sizeof(*msg) != 24);
	skb = alloc_skb(room + sizeof(*iph) + sizeof(*msg),
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return false;
	skb_reserve(skb, room);
	skb_reset_network_header(skb);
	iph = skb_put_zero(skb, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tot_len = htons(sizeof(*iph) + sizeof(*msg));
	iph->frag_off = htons(IP_DF);
	iph->ttl = 1;
	iph->protocol = DPR_ASK_PROTOCOL;
	iph->saddr = cfg->address;
	iph->daddr = peer->address;
	ip_send_check(iph);
	msg = skb_put_zero(skb, sizeof(*msg));
	msg->magic = htonl(DPR_ASK_MAGIC);
	msg->kind = kind;
	msg->nonce = htonl(nonce);
	msg->key = *key;
	msg->check = dpr_ask_check(msg);
	skb->protocol = htons(ETH_P_IP);
	skb->dev = dev;
	dpr_stats_inc(dn, DPR_STAT_TX_OWNER_MESSAGES);
	dpr_tunnel_send(dn, cfg, skb, peer);
	return true;
}

/*
 * A peer asks who has a connection, or whether this host still has it. Of what is
 * no service's, nothing is said. Only who has the socket answers DPR_ASK_WHO.
 */
static void dpr_ask_answer(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct sk_buff *skb, struct dpr_peer *peer,
			   const struct dpr_ask_message *msg)
{
	const bool who = msg->kind == DPR_ASK_WHO;
	enum dpr_ask_kind kind;

	dpr_stats_inc(dn, who ? DPR_STAT_RX_OWNER_ASKED :
				DPR_STAT_RX_FLOW_ASKED);
	if (!dpr_service_ours(dn, ntohs(msg->key.port)))
		return;
	if (who)
		kind = dpr_owner_self(dn, &msg->key, skb->skb_iif) ?
		       DPR_ASK_CLAIM : 0;
	else
		kind = dpr_ended_state(dn, &msg->key, skb->skb_iif);
	if (kind && dpr_ask_send(dn, cfg, skb->dev, peer, kind,
				 ntohl(msg->nonce), &msg->key) &&
	    kind == DPR_ASK_CLAIM)
		dpr_stats_inc(dn, DPR_STAT_OWNER_CLAIMED);
}

/* What a peer says of a connection that has a flow to it. */
static void dpr_ask_flow(struct dpr_net *dn, struct dpr_flow *flow,
			 const struct dpr_ask_message *msg)
{
	if (msg->kind == DPR_ASK_CLAIM)
		dpr_flow_confirm(flow);
	else
		dpr_flow_end(dn, flow, msg->kind == DPR_ASK_TIME_WAIT);
	dpr_stats_inc(dn, DPR_STAT_RX_FLOW_ANSWERED);
}

static void dpr_ask_claimed(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb, struct dpr_peer *peer,
			    const struct dpr_ask_message *msg)
{
	dpr_stats_inc(dn, dpr_owner_claimed(dn, cfg, peer,
					    ntohl(msg->nonce), &msg->key,
					    skb->skb_iif) ?
			  DPR_STAT_OWNER_FOUND : DPR_STAT_RX_OWNER_REFUSED);
}

/**
 * dpr_ask_receive - take in a message of a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, its outer header checked and from a known peer to this
 *	host; its inner IP header in the linear part, checked
 * @olen: length of the outer header
 *
 * Called under RCU in softirq.
 *
 * Return: what to count: DPR_STAT_UNSPEC if it was counted here. The packet is
 * to be dropped in any case.
 */
enum dpr_stat dpr_ask_receive(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct sk_buff *skb, unsigned int olen)
{
	struct dpr_ask_message _msg, *msg;
	struct dpr_flow *flow;
	struct dpr_peer *peer;
	struct iphdr *iph;
	unsigned int at;

	iph = (struct iphdr *)(skb->data + olen);
	peer = dpr_peer_find(dn, iph->saddr);
	if (!peer || ip_is_fragment(iph) || iph->saddr != ip_hdr(skb)->saddr)
		return DPR_STAT_RX_BAD_ADDRESS;
	at = olen + iph->ihl * 4;
	if (ntohs(iph->tot_len) < iph->ihl * 4 + sizeof(*msg))
		return DPR_STAT_RX_MALFORMED;
	msg = skb_header_pointer(skb, at, sizeof(_msg), &_msg);
	if (!msg || msg->magic != htonl(DPR_ASK_MAGIC) || msg->zero ||
	    dpr_ask_check(msg))
		return DPR_STAT_RX_MALFORMED;
	switch (msg->kind) {
	case DPR_ASK_WHO:
	case DPR_ASK_STILL:
		dpr_ask_answer(dn, cfg, skb, peer, msg);
		return DPR_STAT_UNSPEC;
	case DPR_ASK_CLAIM:
	case DPR_ASK_ENDED:
	case DPR_ASK_TIME_WAIT:
		flow = dpr_flow_find(dn, &msg->key);
		if (dpr_flow_is(flow, peer, ntohl(msg->nonce)) &&
		    (msg->kind == DPR_ASK_CLAIM || dpr_flow_believes(flow)))
			dpr_ask_flow(dn, flow, msg);
		else if (msg->kind == DPR_ASK_CLAIM)
			dpr_ask_claimed(dn, cfg, skb, peer, msg);
		else
			dpr_stats_inc(dn, DPR_STAT_RX_FLOW_REFUSED);
		return DPR_STAT_UNSPEC;
	default:
		return DPR_STAT_RX_MALFORMED;
	}
}
