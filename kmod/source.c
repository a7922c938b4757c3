// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "ask.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "local.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"
#include "route.h"
#include "source.h"
#include "stats.h"

#define DPR_SOURCE_WAIT	HZ		/* for answers */

/*
 * Least time from one answer to a peer to the next. Whoever can send in a peer's name can
 * have this host send that peer twelve small packets a second, no more.
 */
#define DPR_SOURCE_GAP	(HZ / 4)

/* A peer of an older version does not know the question. */
#define DPR_SOURCE_PROTOCOL	3

/* Begins a question, unless the last one is still open. */
static bool dpr_source_begin(struct dpr_net *dn, struct dpr_peer *peer,
			     u32 nonce)
{
	struct dpr_peer_source *source = &peer->source;
	bool begin;

	spin_lock_bh(&dn->order_lock);
	begin = !source->asked || jiffies - source->at > DPR_SOURCE_WAIT;
	if (begin) {
		source->nonce = nonce;
		WRITE_ONCE(source->came, 0);
		WRITE_ONCE(source->at, jiffies);
		WRITE_ONCE(source->asked, true);
	}
	spin_unlock_bh(&dn->order_lock);
	return begin;
}

/**
 * dpr_source_ask - ask a peer for its three answers
 * @dn: the namespace; its lock is held
 * @peer: the peer
 *
 * Which came is in @peer->source from then on; those that take more than a second do not
 * count.
 *
 * Return: 0; -EDESTADDRREQ if this host has no address; -EAFNOSUPPORT if the peer's is of
 * the other family; -EOPNOTSUPP if it does not know the question; -EBUSY if it was asked
 * less than a second ago; -ENOMEM.
 */
int dpr_source_ask(struct dpr_net *dn, struct dpr_peer *peer)
{
	struct dpr_owner_msg msg = {
		.kind = DPR_OWNER_MSG_SOURCE_PROBE,
		.nonce = get_random_u32(),
	};
	const struct dpr_config *cfg;
	struct sk_buff *skb;

	cfg = rcu_dereference_protected(dn->config, lockdep_is_held(&dn->lock));
	if (dpr_addr_none(&cfg->address))
		return -EDESTADDRREQ;
	if (dpr_peer_foreign(peer, cfg))
		return -EAFNOSUPPORT;
	if (peer->protocol < DPR_SOURCE_PROTOCOL)
		return -EOPNOTSUPP;
	skb = dpr_owner_msg_encode(&msg, &cfg->address, &peer->address);
	if (!skb)
		return -ENOMEM;
	if (!dpr_source_begin(dn, peer, msg.nonce)) {
		kfree_skb(skb);
		return -EBUSY;
	}
	local_bh_disable();
	rcu_read_lock();
	dpr_ask_send_made(dn, cfg, dn->net->loopback_dev, peer, skb);
	rcu_read_unlock();
	local_bh_enable();
	return 0;
}

/* Sends an answer past the tunnel, as the answer of a socket goes to a client. */
static void dpr_source_send(struct dpr_net *dn, const struct dpr_config *cfg,
			    const struct dpr_owner_msg *msg,
			    const struct dpr_addr *from,
			    const struct dpr_addr *to)
{
	struct dst_entry *dst;
	struct sk_buff *skb;

	dst = dpr_route_lookup_from(dn, cfg, from, to, DPR_OWNER_MSG_PROTOCOL);
	if (!dst) {
		dpr_stats_inc(dn, DPR_STAT_TX_NO_ROUTE);
		return;
	}
	skb = dpr_owner_msg_encode(msg, from, to);
	if (!skb) {
		dst_release(dst);
		dpr_stats_inc(dn, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	skb_dst_set(skb, dst);
	/* Nothing will answer it, so that nothing should be kept of it. */
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	if (!dpr_addr_is4(from)) {
		skb_set_transport_header(skb, sizeof(struct ipv6hdr));
		ipv6_hdr(skb)->hop_limit = ip6_dst_hoplimit(dst);
		ip6_local_out(dn->net, NULL, skb);
		return;
	}
	skb_set_transport_header(skb, sizeof(struct iphdr));
	ip_hdr(skb)->ttl = ip4_dst_hoplimit(dst);
	__ip_select_ident(dn->net, ip_hdr(skb), 1);
	ip_local_out(dn->net, NULL, skb);
}

/* May a peer have an answer now? */
static bool dpr_source_may(struct dpr_net *dn, struct dpr_peer *peer)
{
	bool may;

	spin_lock(&dn->order_lock);
	may = jiffies - peer->source.answered >= DPR_SOURCE_GAP;
	if (may)
		peer->source.answered = jiffies;
	spin_unlock(&dn->order_lock);
	return may;
}

/**
 * dpr_source_answer - answer a peer's question
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: a device of the namespace
 * @peer: the peer, from whose address the question came through the tunnel
 * @nonce: the question's
 *
 * The answers go to the peer's own address, whatever the question says, and say who
 * answers: from an address of the peer's that would not be known. Counts what became of
 * the question. Called under RCU in softirq.
 */
void dpr_source_answer(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct net_device *dev, struct dpr_peer *peer, u32 nonce)
{
	const struct dpr_owner_msg msg = {
		.kind = DPR_OWNER_MSG_SOURCE_ECHO,
		.nonce = nonce,
		.key = {
			.client = peer->address,
			.address = cfg->address,
			.wide = !dpr_addr_is4(&cfg->address),
		},
	};

	if (dpr_peer_foreign(peer, cfg)) {
		dpr_stats_inc(dn, DPR_STAT_RX_BAD_ADDRESS);
		return;
	}
	if (!dpr_source_may(dn, peer)) {
		dpr_stats_inc(dn, DPR_STAT_RX_SOURCE_LIMITED);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_RX_SOURCE_ASKED);
	dpr_ask_send(dn, cfg, dev, peer, msg.kind, nonce, &msg.key);
	dpr_source_send(dn, cfg, &msg, &cfg->address, &peer->address);
	dpr_source_send(dn, cfg, &msg, &peer->address, &peer->address);
}

/* Does a peer owe this host that answer? Then it has come. */
static bool dpr_source_note(struct dpr_net *dn, struct dpr_peer *peer,
			    u32 nonce, u8 answer)
{
	struct dpr_peer_source *source = &peer->source;
	bool owed;

	/* The lock is one that SYNs need: a flood of forged answers must not have it. */
	if (!READ_ONCE(source->asked) ||
	    jiffies - READ_ONCE(source->at) > DPR_SOURCE_WAIT)
		return false;
	spin_lock(&dn->order_lock);
	owed = source->nonce == nonce && !(source->came & answer);
	if (owed)
		WRITE_ONCE(source->came, source->came | answer);
	spin_unlock(&dn->order_lock);
	return owed;
}

/**
 * dpr_source_answered - a peer has answered
 * @dn: the namespace
 * @peer: the peer; NULL if it is unknown
 * @nonce: what it repeats of the question
 * @answer: DPR_ANSWER_*; 0 if it comes from a wrong address
 *
 * Called under RCU in softirq.
 *
 * Return: false if this host does not wait for that answer.
 */
bool dpr_source_answered(struct dpr_net *dn, struct dpr_peer *peer, u32 nonce,
			 u8 answer)
{
	return peer && answer && dpr_source_note(dn, peer, nonce, answer);
}

/*
 * A packet of the protocol that messages have, but not from a tunnel. What is no answer to
 * this host is none of ours: others may use the protocol, too.
 */
static unsigned int dpr_source_receive_any(struct dpr_net *dn,
					   const struct dpr_config *cfg,
					   const struct sk_buff *skb,
					   unsigned int offset,
					   const struct dpr_addr *from,
					   const struct dpr_addr *to)
{
	struct dpr_owner_msg msg __uninitialized; /* set as a whole */
	struct dpr_peer *peer;
	u8 answer = 0;

	if (skb->dev->flags & IFF_LOOPBACK || !dpr_addr_equal(to, &cfg->address))
		return NF_ACCEPT;
	if (skb->len < offset ||
	    !dpr_owner_msg_decode(skb, offset, skb->len - offset, &msg) ||
	    msg.kind != DPR_OWNER_MSG_SOURCE_ECHO)
		return NF_ACCEPT;
	peer = dpr_peer_find(dn, &msg.key.address);
	if (dpr_addr_equal(from, &cfg->address))
		answer = DPR_ANSWER_FOREIGN;
	else if (dpr_addr_equal(from, &msg.key.address))
		answer = DPR_ANSWER_OWN;
	dpr_stats_inc(dn, dpr_source_answered(dn, peer, msg.nonce, answer) ?
			  DPR_STAT_RX_SOURCE_ANSWERED :
			  DPR_STAT_RX_SOURCE_REFUSED);
	return NF_DROP;
}

/**
 * dpr_source_receive - an answer to this host that came past the tunnel
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, as it came to PRE_ROUTING; of DPR_OWNER_MSG_PROTOCOL
 *
 * Its source may be this host's own address, so that routing would drop it. Called under
 * RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_source_receive(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct dpr_addr from = dpr_addr_of4(iph->saddr);
	const struct dpr_addr to = dpr_addr_of4(iph->daddr);

	if (ip_is_fragment(iph))
		return NF_ACCEPT;
	return dpr_source_receive_any(dn, cfg, skb, ip_hdrlen(skb), &from, &to);
}

/**
 * dpr_source_receive6 - likewise, a packet of IPv6
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet; it has no extension headers
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_source_receive6(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct sk_buff *skb)
{
	const struct dpr_addr from = dpr_addr_of6(&ipv6_hdr(skb)->saddr);
	const struct dpr_addr to = dpr_addr_of6(&ipv6_hdr(skb)->daddr);

	return dpr_source_receive_any(dn, cfg, skb, sizeof(struct ipv6hdr),
				      &from, &to);
}
