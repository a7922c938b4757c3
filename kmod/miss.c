// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/request_sock.h>
#include "ask.h"
#include "config.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "inner.h"
#include "liveness.h"
#include "load_table.h"
#include "members.h"
#include "miss.h"
#include "netns.h"
#include "owner.h"
#include "owner_msg.h"
#include "owner_table.h"
#include "peer.h"
#include "socket.h"
#include "stats.h"

/*
 * How far a flow may be behind its client's SYN: one that a claim has made began with a later
 * segment. A request is as old as a minute; who guesses costs the client a retransmission.
 */
#define DPR_MISS_BEHIND	(1 << 20)

/* Among so many peers the one that sent a packet direct is looked for. */
#define DPR_MISS_PEERS	64
/* So often in a jiffy: anybody can send packets that have it looked for. */
#define DPR_MISS_SEARCHES	2

/*
 * Is a request of this initial sequence number of the flow's connection? That is before the
 * segment that a claim was about, if not before where the flow begins.
 */
static bool dpr_miss_of(const struct dpr_flow *flow, u32 isn)
{
	return isn && flow->isn + DPR_FLOW_CLAIMED - isn <= DPR_MISS_BEHIND;
}

/* Do segments of the connection follow the hash to that peer where there is no flow? */
static bool dpr_miss_hashed(struct dpr_net *dn, const struct dpr_peer *peer,
			    const struct dpr_flow_key *key)
{
	const struct dpr_members *base = rcu_dereference(dn->base);

	return base && dpr_members_pick(base, key) == peer;
}

/*
 * Did a peer put a packet on the link that it came by? Only one that this host reaches there may
 * have: of another one no link-layer address is asked for on that link.
 */
static bool dpr_miss_from(struct dpr_net *dn, const struct dpr_config *cfg,
			  const struct sk_buff *skb, const struct dpr_inner *in,
			  const struct dpr_peer *peer)
{
	const struct dpr_route *route;

	if (dpr_peer_foreign(peer, cfg))
		return false;
	route = dpr_fwd_route_of(dn, cfg, peer, in->wide);
	return route && route->on_link && route->dst->dev == skb->dev &&
	       dpr_fwd_direct_from(dn, skb, peer);
}

/*
 * Is a sender to be looked for among all peers? Not again in a jiffy if it was none of theirs, so
 * that what comes by a router does not use up the searches of others. Sets @limited if there were
 * too many in this jiffy.
 */
static bool dpr_miss_may_search(struct dpr_miss_senders *all,
				const struct dpr_miss_sender *is,
				const struct dpr_miss_sender *was, bool *limited)
{
	bool may = false;

	spin_lock(&all->lock);
	if (all->at != is->at) {
		all->at = is->at;
		all->searches = 0;
	}
	if (was->at != is->at || was->mac != is->mac || was->iif != is->iif) {
		may = all->searches < DPR_MISS_SEARCHES;
		all->searches += may;
		*limited = !may;
	}
	spin_unlock(&all->lock);
	return may;
}

/* The peer that put a packet on the link that it came by. @limited as above. */
static struct dpr_peer *dpr_miss_sender(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct sk_buff *skb,
					const struct dpr_inner *in,
					const struct dpr_table *table,
					bool *limited)
{
	struct dpr_miss_sender *was, is = {
		.at = jiffies,
		.iif = skb->dev->ifindex,
		.mac = ether_addr_to_u64(eth_hdr(skb)->h_source),
	};

	was = &dn->senders.of[jhash_2words(is.mac, is.mac >> 32, dn->secret) %
			      DPR_MISS_SENDERS];
	is.place = READ_ONCE(was->place);
	if (is.place < table->known &&
	    dpr_miss_from(dn, cfg, skb, in, table->peer[is.place]))
		return table->peer[is.place];
	if (!dpr_miss_may_search(&dn->senders, &is, was, limited))
		return NULL;
	for (is.place = 0; is.place < table->known; is.place++)
		if (dpr_miss_from(dn, cfg, skb, in, table->peer[is.place])) {
			WRITE_ONCE(was->place, is.place);
			return table->peer[is.place];
		}
	spin_lock(&dn->senders.lock);
	was->at = is.at;
	was->iif = is.iif;
	was->mac = is.mac;
	spin_unlock(&dn->senders.lock);
	return NULL;
}

/* As dpr_miss_first(). Sets @limited if the sender is not looked for, as too many others were. */
static struct dpr_peer *dpr_miss_find(struct dpr_net *dn,
				      const struct dpr_config *cfg,
				      const struct sk_buff *skb,
				      const struct dpr_inner *in, bool *limited)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_peer *first = dpr_peer_find(dn, &in->first);

	if (in->olen || (first && dpr_miss_from(dn, cfg, skb, in, first)))
		return first;
	if (!table || table->known > DPR_MISS_PEERS ||
	    skb->dev->type != ARPHRD_ETHER || !skb_mac_header_was_set(skb))
		return NULL;
	return dpr_miss_sender(dn, cfg, skb, in, table, limited);
}

/**
 * dpr_miss_first - the peer that redirected a packet; of one that came direct its link says who did
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet
 * @in: what is known of it
 *
 * Anybody on the link can send packets direct, so among many peers it is only looked for by its
 * own address, and among few not for each packet. Called under RCU in softirq.
 *
 * Return: the peer, NULL if none is known to have sent it.
 */
struct dpr_peer *dpr_miss_first(struct dpr_net *dn, const struct dpr_config *cfg,
				const struct sk_buff *skb,
				const struct dpr_inner *in)
{
	bool limited;

	return dpr_miss_find(dn, cfg, skb, in, &limited);
}

/**
 * dpr_miss_setup - prepare to look for who sent packets
 * @dn: the namespace
 */
void dpr_miss_setup(struct dpr_net *dn)
{
	spin_lock_init(&dn->senders.lock);
}

/* Of what nothing else limits one message is sent in a jiffy. */
static bool dpr_miss_spend(struct dpr_net *dn)
{
	if (READ_ONCE(dn->missed) == (u32)jiffies)
		return false;
	WRITE_ONCE(dn->missed, jiffies);
	return true;
}

/*
 * As dpr_miss_tell(), of a SYN that nothing here listens for. One without a number follows the
 * flow of an older connection and cannot come back. Once the first host has asked about that the
 * flow ends, and the client's next SYN is placed anew.
 */
static bool dpr_miss_tell_syn(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct sk_buff *skb, const struct dpr_inner *in)
{
	struct dpr_peer *first = dpr_peer_find(dn, &in->first);

	if (in->number || in->sk || !first ||
	    READ_ONCE(first->protocol) < DPR_PEER_PROTOCOL_DENIES)
		return false;
	dpr_stats_inc(dn, DPR_STAT_HASH_MISSED);
	if (dpr_miss_spend(dn))
		dpr_ask_send(dn, cfg, skb->dev, first, DPR_OWNER_MSG_MISSED, 0,
			     &in->seg.key);
	return true;
}

/**
 * dpr_miss_tell - tell the first host that this host has no socket of a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a redirected segment for which there is no socket
 * @in: what is known of it; its socket, if it has one, is a request whose answer the
 *	segment does not acknowledge
 *
 * That host may have followed a hash, whatever this one's policy is, or a flow of another
 * connection, or of another copy of the SYN. Called under RCU in softirq.
 *
 * Return: true if the first host sees to the connection, so that the segment is to be
 * dropped; false if it is to be answered by a RST.
 */
bool dpr_miss_tell(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct sk_buff *skb, const struct dpr_inner *in)
{
	struct dpr_peer *first;
	bool limited = false;

	if (in->seg.rst)
		return false;
	if (in->seg.syn)
		return dpr_miss_tell_syn(dn, cfg, skb, in);
	if (likely(cfg->orphans != DPR_ORPHANS_ASK))
		return false;
	/* Before a message is counted: anybody can send those, and questions share the limit. */
	first = dpr_miss_find(dn, cfg, skb, in, &limited);
	if (unlikely(limited)) {
		dpr_stats_inc(dn, DPR_STAT_HASH_MISSED);
		return true;
	}
	if (!first || READ_ONCE(first->protocol) < DPR_PEER_PROTOCOL_DENIES)
		return false;
	dpr_stats_inc(dn, DPR_STAT_HASH_MISSED);
	if (!dpr_owner_spend(dn))
		return true;
	dpr_ask_send(dn, cfg, skb->dev, first, DPR_OWNER_MSG_MISSED,
		     in->refcounted ? tcp_rsk(inet_reqsk(in->sk))->rcv_isn : 0,
		     &in->seg.key);
	return true;
}

/**
 * dpr_miss_tell_bulk - likewise, of bulk data without the mark
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet
 * @in: what is known of it
 *
 * It may as well be of a tunnel of this host's own, so nothing else becomes of it here. Of
 * many such packets one in each jiffy tells. Called under RCU in softirq.
 */
void dpr_miss_tell_bulk(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_inner *in)
{
	struct dpr_peer *first = dpr_peer_find(dn, &in->first);

	if (!first || !dpr_miss_spend(dn))
		return;
	dpr_stats_inc(dn, DPR_STAT_BULK_MISSED);
	dpr_ask_send(dn, cfg, skb->dev, first, DPR_OWNER_MSG_MISSED, 0,
		     &in->seg.key);
}

/**
 * dpr_miss_told - a peer says that a segment has missed
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the message
 * @peer: who says so
 * @msg: the message: the connection, and the client's initial sequence number if the peer
 *	has a request of it
 *
 * Later segments raise a question to the peers, also if this host does not ask for orphans:
 * that peer does, and has not answered by a RST. A flow is believed until its peer says that
 * the connection is gone. If the client has taken another host's answer to its SYN, the peer
 * has a request that this cannot be asked about. Called under RCU in softirq.
 *
 * Return: false if the message is of no use here.
 */
bool dpr_miss_told(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct sk_buff *skb, struct dpr_peer *peer,
		   const struct dpr_owner_msg *msg)
{
	struct dpr_flow *flow = dpr_flow_find(dn, &msg->key);

	if (!flow)
		return dpr_miss_hashed(dn, peer, &msg->key) &&
		       !dpr_socket_open(dn, skb, &msg->key) &&
		       dpr_owner_raise(dn, &msg->key,
				       msg->nonce ? peer : NULL, false);
	if (flow->peer != peer)
		return false;
	/* An older question is about segments before the flow's SYN. */
	if (dpr_miss_of(flow, msg->nonce) && dpr_liveness_credible(flow) &&
	    cfg->orphans == DPR_ORPHANS_ASK &&
	    dpr_owner_raise(dn, &msg->key, peer, true)) {
		dpr_liveness_end(dn, flow, false);
		return true;
	}
	dpr_liveness_doubt(dn, cfg, flow);
	return true;
}
