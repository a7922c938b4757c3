// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include <net/ip.h>
#include "answer.h"
#include "ask.h"
#include "closing.h"
#include "compat.h"
#include "dpr.h"
#include "flow.h"
#include "handover_table.h"
#include "inner.h"
#include "liveness.h"
#include "local.h"
#include "miss.h"
#include "netns.h"
#include "owner.h"
#include "owner_msg.h"
#include "peer.h"
#include "probe.h"
#include "service.h"
#include "socket.h"
#include "source.h"
#include "stats.h"

/*
 * What is left of a connection here; 0 if its handshake is not over, or it waits for the
 * host that will have its socket, which may have it by now.
 */
static enum dpr_owner_msg_kind dpr_answer_state(struct dpr_net *dn,
						const struct sk_buff *skb,
						const struct dpr_flow_key *key)
{
	const int dif = dpr_compat_dif(skb), sdif = dpr_compat_sdif(skb);
	const enum dpr_owner_msg_kind kind = dpr_closing_state(dn, key, dif,
							       sdif);

	if (kind != DPR_OWNER_MSG_GONE || !dpr_handover_on())
		return kind;
	if (dpr_handover_table_has(dn, key))
		return 0;
	/* Its wait may have ended just now, by a socket here. */
	return dpr_closing_state(dn, key, dif, sdif);
}

/*
 * A peer asks who has a connection, or whether this host still has it. Reveals
 * nothing about ports that are no service's. The question who has it is answered only by
 * the host that has the socket.
 */
static void dpr_answer_question(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, struct dpr_peer *peer,
				const struct dpr_owner_msg *msg)
{
	const bool who = msg->kind == DPR_OWNER_MSG_WHO;
	enum dpr_owner_msg_kind kind;

	if (!dpr_service_ours(dn, ntohs(msg->key.port)))
		kind = who ? 0 : DPR_OWNER_MSG_GONE;
	else if (who)
		kind = dpr_socket_exists(dn, skb, &msg->key) ?
		       DPR_OWNER_MSG_CLAIM : 0;
	else
		kind = dpr_answer_state(dn, skb, &msg->key);
	if (kind && dpr_ask_send(dn, cfg, skb->dev, peer, kind, msg->nonce,
				 &msg->key) &&
	    kind == DPR_OWNER_MSG_CLAIM)
		dpr_stats_inc(dn, DPR_STAT_OWNER_CLAIMED);
}

/* Several questions of a peer, each as if it came by itself. */
static void dpr_answer_many(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb, struct dpr_peer *peer,
			    const struct dpr_owner_many *many)
{
	struct dpr_owner_msg msg __uninitialized; /* set as a whole */
	u32 i;

	for (i = 0; i < many->n; i++)
		if (dpr_owner_msg_question(skb, many, i, &msg))
			dpr_answer_question(dn, cfg, skb, peer, &msg);
}

/* A peer reports on a connection that has a flow to it. */
static void dpr_answer_flow(struct dpr_net *dn, struct dpr_flow *flow,
			    const struct dpr_owner_msg *msg)
{
	if (msg->kind == DPR_OWNER_MSG_CLAIM)
		dpr_liveness_confirm(flow);
	else
		dpr_liveness_end(dn, flow,
				 msg->kind == DPR_OWNER_MSG_TIME_WAIT);
	dpr_stats_inc(dn, DPR_STAT_RX_FLOW_ANSWERED);
}

/*
 * A peer says that it has a connection, or no longer has it. It has not the one that waits here
 * for its host: the client has begun that from the same port since.
 */
static void dpr_answer_statement(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct sk_buff *skb, struct dpr_peer *peer,
				 const struct dpr_owner_msg *msg)
{
	struct dpr_flow *flow = dpr_flow_find(dn, &msg->key);

	if (dpr_liveness_concerns(flow, peer, msg->nonce) &&
	    (msg->kind == DPR_OWNER_MSG_CLAIM || dpr_liveness_credible(flow)))
		dpr_answer_flow(dn, flow, msg);
	else if (msg->kind == DPR_OWNER_MSG_GONE)
		dpr_stats_inc(dn, dpr_owner_denied(dn, peer, msg->nonce, &msg->key) ?
				  DPR_STAT_OWNER_DENIED : DPR_STAT_RX_FLOW_REFUSED);
	else if (!(dpr_handover_on() && dpr_handover_table_has(dn, &msg->key)) &&
		 dpr_owner_claimed(dn, cfg, skb, peer, msg->nonce, &msg->key))
		dpr_stats_inc(dn, DPR_STAT_OWNER_FOUND);
	else
		dpr_stats_inc(dn, msg->kind == DPR_OWNER_MSG_CLAIM ?
				  DPR_STAT_RX_OWNER_REFUSED :
				  DPR_STAT_RX_FLOW_REFUSED);
}

/* Does the message say that it is from the host that the tunnel is from? */
static bool dpr_answer_from(const struct sk_buff *skb, const struct dpr_inner *in)
{
	if (in->wide != in->outer6)
		return false;
	if (unlikely(in->wide))
		return ipv6_addr_equal(&dpr_inner_header6(skb, in)->saddr,
				       dpr_local_in6(&in->first));
	return dpr_inner_header(skb, in)->saddr == in->first.word[3];
}

/**
 * dpr_answer_receive - take in a message from a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, its outer header checked and from a known peer to this
 *	host
 * @in: what is known of it; its inner IP header in the linear part, checked
 * @group: it is for the group, where only questions who has a connection are put
 *
 * Called under RCU in softirq.
 *
 * Return: the counter to increment, DPR_STAT_UNSPEC if that is done. The caller
 * drops the packet in any case.
 */
enum dpr_stat dpr_answer_receive(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct sk_buff *skb, const struct dpr_inner *in,
				 bool group)
{
	struct dpr_owner_msg msg __uninitialized; /* set as a whole */
	struct dpr_owner_many many;
	struct dpr_peer *peer;

	peer = dpr_peer_find(dn, &in->first);
	if (!peer || in->fragment || !dpr_answer_from(skb, in))
		return DPR_STAT_RX_BAD_ADDRESS;
	if (!dpr_owner_msg_decode(skb, in->offset,
				  in->olen + in->len - in->offset, &msg)) {
		if (!dpr_owner_msg_decode_many(skb, in->offset,
					       in->olen + in->len - in->offset,
					       &many))
			return DPR_STAT_RX_MALFORMED;
		dpr_stats_inc(dn, DPR_STAT_RX_OWNER_ASKED);
		dpr_answer_many(dn, cfg, skb, peer, &many);
		return DPR_STAT_UNSPEC;
	}
	if (group && msg.kind != DPR_OWNER_MSG_WHO)
		return DPR_STAT_RX_MALFORMED;
	switch (msg.kind) {
	case DPR_OWNER_MSG_WHO:
	case DPR_OWNER_MSG_STILL:
		dpr_stats_inc(dn, msg.kind == DPR_OWNER_MSG_WHO ?
				  DPR_STAT_RX_OWNER_ASKED :
				  DPR_STAT_RX_FLOW_ASKED);
		dpr_answer_question(dn, cfg, skb, peer, &msg);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_MSG_CLAIM:
	case DPR_OWNER_MSG_GONE:
	case DPR_OWNER_MSG_TIME_WAIT:
		dpr_answer_statement(dn, cfg, skb, peer, &msg);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_MSG_MISSED:
		dpr_stats_inc(dn, dpr_miss_told(dn, cfg, skb, peer, &msg) ?
				  DPR_STAT_RX_HASH_MISSED :
				  DPR_STAT_RX_OWNER_REFUSED);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_MSG_PROBE:
		dpr_stats_inc(dn, DPR_STAT_RX_PROBED);
		dpr_ask_send(dn, cfg, skb->dev, peer, DPR_OWNER_MSG_ECHO,
			     msg.nonce, &msg.key);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_MSG_ECHO:
		dpr_stats_inc(dn, dpr_probe_answered(dn, peer, msg.nonce) ?
				  DPR_STAT_RX_ECHO : DPR_STAT_RX_ECHO_REFUSED);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_MSG_SOURCE_PROBE:
		dpr_source_answer(dn, cfg, skb->dev, peer, msg.nonce);
		return DPR_STAT_UNSPEC;
	case DPR_OWNER_MSG_SOURCE_ECHO:
		dpr_stats_inc(dn, dpr_source_answered(dn, peer, msg.nonce,
						      DPR_ANSWER_TUNNEL) ?
				  DPR_STAT_RX_ECHO : DPR_STAT_RX_ECHO_REFUSED);
		return DPR_STAT_UNSPEC;
	default:
		return DPR_STAT_RX_MALFORMED;
	}
}
