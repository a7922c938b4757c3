// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/arp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/neighbour.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "stats.h"

/* See dpr_fwd_direct_how(). */
u8 __dpr_fwd_direct_how(const struct dpr_config *cfg,
			const struct dpr_peer *peer,
			const struct dpr_flow_key *key)
{
	if (READ_ONCE(peer->protocol) < DPR_PEER_PROTOCOL6)
		return 0;
	if (dpr_addr_equal(&key->address, &cfg->address) ||
	    !dpr_peer_may_have(peer, &key->address))
		return DPR_FLOW_DIRECT;
	/* Nothing else in the packet would tell that it was redirected. */
	if (key->wide || cfg->marker != DPR_MARKER_FRAGBIT)
		return 0;
	return DPR_FLOW_DIRECT | DPR_FLOW_MARKED;
}

static bool dpr_fwd_direct_fits(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/* False if it must go in a tunnel. */
static __always_inline bool dpr_fwd_direct_prepare4(struct sk_buff *skb,
						    bool marked)
{
	if (ip_hdr(skb)->ttl <= 1 ||
	    skb_ensure_writable(skb, sizeof(struct iphdr)))
		return false;
	dpr_fwd_direct_header(ip_hdr(skb), marked);
	return true;
}

static bool dpr_fwd_direct_prepare6(struct sk_buff *skb)
{
	if (ipv6_hdr(skb)->hop_limit <= 1 ||
	    skb_ensure_writable(skb, sizeof(struct ipv6hdr)))
		return false;
	ipv6_hdr(skb)->hop_limit--;
	return true;
}

/**
 * struct dpr_fwd_direct_cb - what a packet says while it passes the POST_ROUTING hooks
 * @ip: what IPv4 says there
 * @ip6: what IPv6 does
 * @peer: dpr_addr_id() of the peer, of which nothing else in the packet says anything
 *
 * A queue that wants no super-packets makes segments of one (NFQUEUE), which have of this
 * what is before %SKB_GSO_CB_OFFSET.
 */
struct dpr_fwd_direct_cb {
	union {
		struct inet_skb_parm ip;
		struct inet6_skb_parm ip6;
	};
	u32 peer;
};

/* The neighbour that has an address; made if there is none. */
static __always_inline struct neighbour *
dpr_fwd_direct_neighbour(struct net_device *dev, const struct dpr_addr *addr,
			 bool wide)
{
	struct neighbour *neigh;

	if (unlikely(wide))
		return ip_neigh_gw6(dev, dpr_local_in6(addr));
	neigh = __ipv4_neigh_lookup_noref(dev, (__force u32)addr->word[3]);
	return likely(neigh) ? neigh : ip_neigh_gw4(dev, addr->word[3]);
}

/* The last step. Called under RCU. */
static __always_inline int dpr_fwd_direct_output(struct sk_buff *skb,
						 const struct dpr_addr *addr)
{
	struct neighbour *neigh = dpr_fwd_direct_neighbour(skb->dev, addr,
							   dpr_local_wide(skb));

	if (IS_ERR(neigh)) {
		kfree_skb(skb);
		return PTR_ERR(neigh);
	}
	/*
	 * If it has to wait for the neighbour's link-layer address, it goes to whom its
	 * route leads to for its own destination, if it has one.
	 */
	if (unlikely(!(READ_ONCE(neigh->nud_state) & NUD_CONNECTED)))
		skb_dst_drop(skb);
	return neigh_output(neigh, skb, false);
}

/* The peer's address again. False if it is not known any more. Called under RCU. */
static bool dpr_fwd_direct_peer(struct net *net, const struct sk_buff *skb,
				struct dpr_addr *addr)
{
	const struct dpr_fwd_direct_cb *cb = (const void *)skb->cb;
	const struct dpr_peer *peer;

	if (!dpr_local_wide(skb)) {
		*addr = dpr_addr_of4((__force __be32)cb->peer);
		return true;
	}
	peer = dpr_peer_by_id6(dpr_netns(net), cb->peer);
	if (!peer)
		return false;
	*addr = peer->address;
	return true;
}

/* The last step of a packet that a program has accepted (NFQUEUE in POST_ROUTING). */
static int dpr_fwd_direct_finish(struct net *net, struct sock *sk,
				 struct sk_buff *skb)
{
	struct dpr_addr peer;
	int err;

	rcu_read_lock();
	if (dpr_fwd_direct_peer(net, skb, &peer)) {
		err = dpr_fwd_direct_output(skb, &peer);
	} else {
		kfree_skb(skb);
		err = -EHOSTUNREACH;
	}
	rcu_read_unlock();
	return err;
}

/* The POST_ROUTING hooks of its family. 1 if they let the packet pass, else it is gone. */
static noinline int dpr_fwd_direct_hooks(struct net *net, struct sk_buff *skb,
					 const struct dpr_addr *peer,
					 const struct nf_hook_entries *hooks)
{
	struct dpr_fwd_direct_cb *cb = (void *)skb->cb;
	struct nf_hook_state state;

	BUILD_BUG_ON(offsetofend(struct dpr_fwd_direct_cb, peer) >
		     SKB_GSO_CB_OFFSET);
	cb->peer = dpr_addr_id(peer);
	nf_hook_state_init(&state, NF_INET_POST_ROUTING,
			   dpr_local_wide(skb) ? NFPROTO_IPV6 : NFPROTO_IPV4,
			   NULL, skb->dev, NULL, net, dpr_fwd_direct_finish);
	return nf_hook_slow(skb, &state, hooks, 0);
}

/* Sends a packet that is ready. Called under RCU. */
static __always_inline int dpr_fwd_direct_xmit(struct net *net,
					       struct sk_buff *skb,
					       const struct dpr_peer *peer)
{
	const struct nf_hook_entries *post;
	int verdict;

	if (unlikely(dpr_local_wide(skb)))
		post = rcu_dereference(net->nf.hooks_ipv6[NF_INET_POST_ROUTING]);
	else
		post = rcu_dereference(net->nf.hooks_ipv4[NF_INET_POST_ROUTING]);
	if (post) {
		verdict = dpr_fwd_direct_hooks(net, skb, &peer->address, post);
		if (unlikely(verdict != 1))
			return verdict;
	}
	return dpr_fwd_direct_output(skb, &peer->address);
}

/**
 * dpr_fwd_direct_send - send a client's packet as it is, if it can go so now
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a segment, whole and no SYN, as it came to PRE_ROUTING; consumed if it was sent
 * @peer: the host that serves the connection
 * @how: what dpr_fwd_direct_how() returned, not 0
 *
 * If it is too large for the link, its sender is told by ICMP. Called under RCU in softirq.
 *
 * Return: false if it must go in a tunnel.
 */
bool dpr_fwd_direct_send(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb, const struct dpr_peer *peer,
			 u8 how)
{
	const struct dpr_route *route = dpr_fwd_route(dn, cfg, peer, skb);
	const bool wide = dpr_local_wide(skb);
	unsigned int len = skb->len, mtu;
	int err;

	if (unlikely(!route || !route->on_link || wide != route->wide))
		return false;
	mtu = dpr_fwd_direct_mtu(route);
	if (unlikely(!dpr_fwd_direct_fits(skb, mtu)))
		return dpr_fwd_refuse_large(dn, skb, mtu);
	if (unlikely(skb_is_gso(skb) && skb_warn_if_lro(skb)) ||
	    unlikely(skb_cow_head(skb, LL_RESERVED_SPACE(route->dst->dev))) ||
	    !(unlikely(wide) ? dpr_fwd_direct_prepare6(skb) :
			       dpr_fwd_direct_prepare4(skb, how & DPR_FLOW_MARKED)))
		return false;
	skb_dst_drop(skb);
	/* The peer's reference lasts as long as this RCU section. */
	skb_dst_set_noref(skb, route->dst);
	skb->dev = route->dst->dev;
	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
	if (unlikely(wide))
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	else
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	err = dpr_fwd_direct_xmit(dn->net, skb, peer);
	if (unlikely(net_xmit_eval(err))) {
		dpr_stats_inc(dn, DPR_STAT_TX_ERROR);
		return true;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_DIRECT);
	dpr_stats_inc(dn, DPR_STAT_TX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_TX_BYTES, len);
	return true;
}

/**
 * dpr_fwd_direct_from - did a peer put a packet on the link
 * @dn: the namespace
 * @skb: the packet, as it came to PRE_ROUTING
 * @peer: the peer
 *
 * If the peer's link-layer address is not known, it is asked for: of what comes later
 * this can be said. Called under RCU in softirq.
 *
 * Return: true if the packet's link-layer sender is known to be the peer's address.
 */
bool dpr_fwd_direct_from(struct dpr_net *dn, const struct sk_buff *skb,
			 const struct dpr_peer *peer)
{
	struct neighbour *neigh;

	if (skb->dev->type != ARPHRD_ETHER || !skb_mac_header_was_set(skb))
		return false;
	neigh = dpr_fwd_direct_neighbour(skb->dev, &peer->address,
					 !dpr_addr_is4(&peer->address));
	if (IS_ERR(neigh))
		return false;
	if (!(READ_ONCE(neigh->nud_state) & NUD_VALID)) {
		neigh_event_send(neigh, NULL);
		return false;
	}
	return ether_addr_equal(neigh->ha, eth_hdr(skb)->h_source);
}
