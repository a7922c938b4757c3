// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/netdevice.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "fwd.h"
#include "fwd_ipip.h"
#include "netns.h"
#include "route.h"
#include "stats.h"

/*
 * Constant, and looked up by a constant as long as there is one way, so that the
 * compiler makes the calls direct ones: an indirect call costs a retpoline for
 * each packet.
 */
static const struct dpr_fwd_ops dpr_fwd_ops[] = {
	[DPR_FWD_IPIP] = {
		.overhead = DPR_FWD_IPIP_OVERHEAD,
		.prepare = dpr_fwd_ipip_prepare,
		.output = dpr_fwd_ipip_output,
	},
};

/* The way that packets take by a route. */
static const struct dpr_fwd_ops *dpr_fwd_by(const struct dpr_route *route)
{
	return &dpr_fwd_ops[DPR_FWD_IPIP];
}

static unsigned int dpr_fwd_overhead(const struct dpr_route *route)
{
	return dpr_fwd_by(route)->overhead;
}

static void dpr_fwd_output(struct dpr_net *dn, struct sk_buff *skb,
			   const struct dpr_route *route, u32 number)
{
	dpr_fwd_by(route)->output(dn, skb, route, number);
}

/**
 * dpr_fwd_find_route - find this CPU's way to a peer anew
 * @dn: the namespace
 * @cfg: the configuration
 * @route: what is kept of it
 * @peer: the peer's address
 *
 * Called in softirq; out of line, for it is rare and dpr_fwd_send() is not.
 *
 * Return: @route, NULL if there is no way.
 */
noinline struct dpr_route *dpr_fwd_find_route(struct dpr_net *dn,
					      const struct dpr_config *cfg,
					      struct dpr_route *route,
					      __be32 peer)
{
	ip_rt_put(route->rt);
	route->rt = dpr_route_lookup(dn, cfg, peer);
	if (!route->rt)
		return NULL;
	dpr_fwd_by(route)->prepare(route, cfg, peer);
	return route;
}

static void dpr_fwd_drop(struct dpr_net *dn, struct sk_buff *skb,
			 enum dpr_stat why)
{
	dpr_stats_inc(dn, why);
	kfree_skb(skb);
}

/* Sends a packet that does not fit but may be fragmented. */
static void dpr_fwd_fragment(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_route *route,
			     unsigned int mtu)
{
	unsigned int hlen = ip_hdrlen(skb);
	struct ip_frag_state state;
	struct sk_buff *fragment;
	bool first = true;

	if (mtu < hlen + 8) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_ROUTE);
		return;
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_FRAGMENTED);
	ip_frag_init(skb, hlen,
		     LL_RESERVED_SPACE(skb_dst(skb)->dev) +
		     dpr_fwd_overhead(route), mtu - hlen, false, &state);
	while (state.left > 0) {
		fragment = ip_frag_next(skb, &state);
		if (IS_ERR(fragment)) {
			dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
			return;
		}
		if (!first && hlen > sizeof(struct iphdr)) {
			dpr_parse_strip_options(ip_hdr(fragment));
			ip_send_check(ip_hdr(fragment));
		}
		first = false;
		dpr_fwd_output(dn, fragment, route, 0);
	}
	consume_skb(skb);
}

/* Tells the client by ICMP that its packet does not fit the way to the peer. */
static void dpr_fwd_too_big(struct dpr_net *dn, struct sk_buff *skb,
			    unsigned int mtu)
{
	const struct iphdr *iph = ip_hdr(skb);

	/* icmp_send() answers only what has an input route. */
	skb_dst_drop(skb);
	if (!ip_route_input_noref(skb, iph->daddr, iph->saddr,
				  dpr_compat_dscp(iph), skb->dev))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
			  htonl(mtu));
	dpr_fwd_drop(dn, skb, DPR_STAT_TX_TOO_BIG);
}

static bool dpr_fwd_fits(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/* Sends one packet that is no super-packet, or whose segments fit. */
static void dpr_fwd_send_one(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_route *route,
			     unsigned int mtu)
{
	if (likely(dpr_fwd_fits(skb, mtu)))
		dpr_fwd_output(dn, skb, route, 0);
	else if (ip_hdr(skb)->frag_off & htons(IP_DF))
		dpr_fwd_too_big(dn, skb, mtu);
	else
		dpr_fwd_fragment(dn, skb, route, mtu);
}

/* Sends a super-packet segment by segment. */
static void dpr_fwd_segment(struct dpr_net *dn, struct sk_buff *skb,
			    const struct dpr_route *route,
			    unsigned int mtu)
{
	struct sk_buff *segs = skb_gso_segment(skb, 0), *seg, *next;

	if (IS_ERR_OR_NULL(segs)) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		dpr_fwd_send_one(dn, seg, route, mtu);
	}
}

/* Sends a super-packet, or a packet that does not fit. */
static noinline void dpr_fwd_send_large(struct dpr_net *dn,
					struct sk_buff *skb,
					const struct dpr_route *route,
					unsigned int mtu)
{
	if (unlikely(skb_warn_if_lro(skb))) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_ERROR);
		return;
	}
	/* The outer length field must hold a super-packet's length, too. */
	if (skb_is_gso(skb) &&
	    (skb->len > IP_MAX_MTU - dpr_fwd_overhead(route) ||
	     (!(ip_hdr(skb)->frag_off & htons(IP_DF)) &&
	      !dpr_fwd_fits(skb, mtu))))
		dpr_fwd_segment(dn, skb, route, mtu);
	else
		dpr_fwd_send_one(dn, skb, route, mtu);
}

static __always_inline void __dpr_fwd_send_by(struct dpr_net *dn,
					      struct sk_buff *skb,
					      const struct dpr_route *route,
					      u32 number)
{
	unsigned int mtu;

	if (unlikely(!route)) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_ROUTE);
		return;
	}
	mtu = dpr_route_mtu(route) - dpr_fwd_overhead(route);
	skb_dst_drop(skb);
	/* The peer's reference lasts as long as this RCU section. */
	skb_dst_set_noref(skb, &route->rt->dst);
	if (likely(!skb_is_gso(skb) && skb->len <= mtu))
		dpr_fwd_output(dn, skb, route, number);
	else
		dpr_fwd_send_large(dn, skb, route, mtu);
}

/**
 * dpr_fwd_send - redirect a packet
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the client's packet, as it came to PRE_ROUTING; consumed
 * @peer: the host that serves it
 *
 * If the packet is too large, the client gets an ICMP error (RFC 1191), or the
 * packet is fragmented if it may be: before it is encapsulated, so that outer
 * packets never are. Called under RCU in softirq.
 */
void dpr_fwd_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct sk_buff *skb, struct dpr_peer *peer)
{
	__dpr_fwd_send_by(dn, skb, dpr_fwd_route(dn, cfg, peer), 0);
}

/**
 * dpr_fwd_send_by - as dpr_fwd_send(), by a way that the caller has looked up
 * @dn: the namespace
 * @skb: a client's SYN, or what is sent back to a peer; consumed
 * @route: the way to the host that gets it; NULL if there is none
 * @number: identification of the outer header, and DPR_FWD_OFFER; a packet that
 *	is too large has none
 *
 * Called under RCU, in the softirq in which the way was looked up.
 */
void dpr_fwd_send_by(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_route *route, u32 number)
{
	__dpr_fwd_send_by(dn, skb, route, number);
}
