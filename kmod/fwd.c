// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netdevice.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "fwd.h"
#include "fwd_ip6.h"
#include "fwd_ipip.h"
#include "local.h"
#include "netns.h"
#include "route.h"
#include "stats.h"

/* Direct calls: an indirect one costs a retpoline for each packet. */
static void dpr_fwd_output(struct dpr_net *dn, struct sk_buff *skb,
			   const struct dpr_route *route, u32 number)
{
	if (unlikely(route->wide))
		dpr_fwd_ip6_output(dn, skb, route, number);
	else
		dpr_fwd_ipip_output(dn, skb, route, number);
}

/**
 * dpr_fwd_find_route - find this CPU's way to a peer anew
 * @dn: the namespace
 * @cfg: the configuration
 * @route: what is kept of it
 * @peer: the peer's address
 * @protocol: of the inner packets, 4 or 41
 *
 * Called in softirq; out of line, for it is rare and dpr_fwd_send() is not.
 *
 * Return: @route, NULL if there is no way.
 */
noinline struct dpr_route *dpr_fwd_find_route(struct dpr_net *dn,
					      const struct dpr_config *cfg,
					      struct dpr_route *route,
					      const struct dpr_addr *peer,
					      u8 protocol)
{
	dst_release(route->dst);
	route->dst = dpr_route_lookup(dn, cfg, peer, protocol);
	if (!route->dst)
		return NULL;
	route->wide = !dpr_addr_is4(peer);
	route->on_link = dpr_route_on_link(route->dst, peer);
	if (route->wide)
		dpr_fwd_ip6_prepare(route, cfg, peer, protocol);
	else
		dpr_fwd_ipip_prepare(route, cfg, peer, protocol);
	return route;
}

static void dpr_fwd_drop(struct dpr_net *dn, struct sk_buff *skb,
			 enum dpr_stat why)
{
	dpr_stats_inc(dn, why);
	kfree_skb(skb);
}

/* Sends a packet of IPv4 that does not fit but may be fragmented. */
static void dpr_fwd_fragment4(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_route *route,
			      unsigned int mtu, u32 number)
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
		     dpr_fwd_overhead(route->wide), mtu - hlen, false, &state);
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
		dpr_fwd_output(dn, fragment, route, number);
	}
	consume_skb(skb);
}

/*
 * Sends a packet of IPv6 that does not fit, though it is no larger than what every link
 * carries: its sender need not make it smaller (RFC 8200, section 5). Routers must not
 * fragment it, but this host is where it was sent to. The tunnel's packets are not
 * fragmented in its place: those of IPv4 would lose the marker.
 */
static void dpr_fwd_fragment6(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_route *route,
			      unsigned int mtu, u32 number)
{
	const unsigned int hlen = sizeof(struct ipv6hdr);
	struct ip6_frag_state state;
	struct sk_buff *fragment;
	u8 next;

	if (skb_ensure_writable(skb, hlen) ||
	    (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_FRAGMENTED);
	next = ipv6_hdr(skb)->nexthdr;
	ip6_frag_init(skb, hlen, mtu - hlen - sizeof(struct frag_hdr),
		      skb_dst(skb)->dev->needed_tailroom,
		      LL_RESERVED_SPACE(skb_dst(skb)->dev) +
		      dpr_fwd_overhead(route->wide), &ipv6_hdr(skb)->nexthdr,
		      next, htonl(get_random_u32()), &state);
	while (state.left > 0) {
		fragment = ip6_frag_next(skb, &state);
		if (IS_ERR(fragment)) {
			dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
			return;
		}
		dpr_fwd_output(dn, fragment, route, number);
	}
	consume_skb(skb);
}

static void dpr_fwd_too_big4(struct sk_buff *skb, unsigned int mtu)
{
	const struct iphdr *iph = ip_hdr(skb);

	/* icmp_send() answers only what has an input route. */
	skb_dst_drop(skb);
	if (!ip_route_input_noref(skb, iph->daddr, iph->saddr,
				  dpr_compat_dscp(iph), skb->dev))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
			  htonl(mtu));
}

/* No packet of IPv6 need be smaller than what every link carries (RFC 8200). */
static void dpr_fwd_too_big6(struct sk_buff *skb, unsigned int mtu)
{
	skb_dst_drop(skb);
	icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, max_t(u32, mtu, IPV6_MIN_MTU));
}

/* Tells the client by ICMP that its packet does not fit the way to the peer. */
static void dpr_fwd_too_big(struct dpr_net *dn, struct sk_buff *skb,
			    unsigned int mtu)
{
	if (dpr_local_wide(skb))
		dpr_fwd_too_big6(skb, mtu);
	else
		dpr_fwd_too_big4(skb, mtu);
	dpr_fwd_drop(dn, skb, DPR_STAT_TX_TOO_BIG);
}

static __always_inline bool dpr_fwd_fits(const struct sk_buff *skb,
					 unsigned int mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/* Must its sender make it, or a super-packet's segments, smaller if they do not fit? */
static bool dpr_fwd_whole(const struct sk_buff *skb, unsigned int mtu)
{
	if (!dpr_local_wide(skb))
		return ip_hdr(skb)->frag_off & htons(IP_DF);
	return !dpr_fwd_fits(skb, IPV6_MIN_MTU) ||
	       ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr) ||
	       mtu < sizeof(struct ipv6hdr) + sizeof(struct frag_hdr) + 8;
}

/**
 * dpr_fwd_refuse_large - refuse a packet that does not fit the way to a peer
 * @dn: the namespace
 * @skb: the packet, as it came to PRE_ROUTING; consumed if it was refused
 * @mtu: bytes that fit
 *
 * Called under RCU in softirq.
 *
 * Return: false if its sender need not make it smaller.
 */
bool dpr_fwd_refuse_large(struct dpr_net *dn, struct sk_buff *skb,
			  unsigned int mtu)
{
	if (!dpr_fwd_whole(skb, mtu))
		return false;
	dpr_fwd_too_big(dn, skb, mtu);
	return true;
}

/**
 * dpr_fwd_mtu - the largest packet that fits the way to a peer
 * @route: the way
 *
 * Return: bytes, without the outer header.
 */
unsigned int dpr_fwd_mtu(const struct dpr_route *route)
{
	return (unlikely(route->wide) ? dst_mtu(route->dst) :
					dpr_route_mtu4(route)) -
	       dpr_fwd_overhead(route->wide);
}

/**
 * dpr_fwd_excess - must a packet's sender make it smaller for the way to a peer
 * @skb: the packet
 * @route: the way
 *
 * Return: bytes that fit; 0 if it fits, or may be fragmented.
 */
unsigned int dpr_fwd_excess(const struct sk_buff *skb,
			    const struct dpr_route *route)
{
	const unsigned int mtu = dpr_fwd_mtu(route);

	return dpr_fwd_fits(skb, mtu) || !dpr_fwd_whole(skb, mtu) ? 0 : mtu;
}

/* Sends one packet that is no super-packet, or whose segments fit. */
static void dpr_fwd_send_one(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_route *route,
			     unsigned int mtu, u32 number)
{
	if (likely(dpr_fwd_fits(skb, mtu)))
		dpr_fwd_output(dn, skb, route, number);
	else if (dpr_fwd_whole(skb, mtu))
		dpr_fwd_too_big(dn, skb, mtu);
	else if (dpr_local_wide(skb))
		dpr_fwd_fragment6(dn, skb, route, mtu, number);
	else
		dpr_fwd_fragment4(dn, skb, route, mtu, number);
}

/* Sends a super-packet segment by segment. */
static void dpr_fwd_segment(struct dpr_net *dn, struct sk_buff *skb,
			    const struct dpr_route *route,
			    unsigned int mtu, u32 number)
{
	struct sk_buff *segs = skb_gso_segment(skb, 0), *seg, *next;

	if (IS_ERR_OR_NULL(segs)) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		dpr_fwd_send_one(dn, seg, route, mtu, number);
	}
}

/*
 * Sends a super-packet, or a packet that does not fit. A SYN among these cannot come
 * back: its number is 0.
 */
static noinline void dpr_fwd_send_large(struct dpr_net *dn,
					struct sk_buff *skb,
					const struct dpr_route *route,
					unsigned int mtu, u32 number)
{
	number &= DPR_FWD_NUMBERED | DPR_FWD_BULK;
	if (unlikely(skb_warn_if_lro(skb))) {
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_ERROR);
		return;
	}
	/* The outer length field must hold a super-packet's length, too. */
	if (skb_is_gso(skb) &&
	    (skb->len > IP_MAX_MTU - dpr_fwd_overhead(route->wide) ||
	     (!dpr_fwd_whole(skb, mtu) && !dpr_fwd_fits(skb, mtu))))
		dpr_fwd_segment(dn, skb, route, mtu, number);
	else
		dpr_fwd_send_one(dn, skb, route, mtu, number);
}

/* Sends a packet by a way of either family, which the caller knows. */
static __always_inline void dpr_fwd_send_within(struct dpr_net *dn,
						struct sk_buff *skb,
						const struct dpr_route *route,
						unsigned int mtu, bool wide,
						u32 number)
{
	mtu -= dpr_fwd_overhead(wide);
	skb_dst_drop(skb);
	/* The peer's reference lasts as long as this RCU section. */
	skb_dst_set_noref(skb, route->dst);
	if (unlikely(skb_is_gso(skb) || skb->len > mtu))
		dpr_fwd_send_large(dn, skb, route, mtu, number);
	else if (wide)
		dpr_fwd_ip6_output(dn, skb, route, number);
	else
		dpr_fwd_ipip_output(dn, skb, route, number);
}

static noinline void dpr_fwd_send_wide(struct dpr_net *dn, struct sk_buff *skb,
				       const struct dpr_route *route, u32 number)
{
	dpr_fwd_send_within(dn, skb, route, dst_mtu(route->dst), true, number);
}

static __always_inline void __dpr_fwd_send_by(struct dpr_net *dn,
					      struct sk_buff *skb,
					      const struct dpr_route *route,
					      u32 number)
{
	if (unlikely(!route))
		dpr_fwd_drop(dn, skb, DPR_STAT_TX_NO_ROUTE);
	else if (unlikely(route->wide))
		dpr_fwd_send_wide(dn, skb, route, number);
	else
		dpr_fwd_send_within(dn, skb, route, dpr_route_mtu4(route), false,
				    number);
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
	__dpr_fwd_send_by(dn, skb, dpr_fwd_route(dn, cfg, peer, skb), 0);
}

/**
 * dpr_fwd_send_bulk - as dpr_fwd_send(), for data of a connection whose socket is there
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the client's segment, as it came to PRE_ROUTING; consumed
 * @peer: the host that serves it
 *
 * Without the mark, which keeps receivers from merging segments (GRO), if the peer takes
 * that.
 */
void dpr_fwd_send_bulk(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct sk_buff *skb, struct dpr_peer *peer)
{
	__dpr_fwd_send_by(dn, skb, dpr_fwd_route(dn, cfg, peer, skb),
			  dpr_fwd_bulk(peer));
}

/**
 * dpr_fwd_send_by - as dpr_fwd_send(), by a way that the caller has looked up
 * @dn: the namespace
 * @skb: a client's SYN, or what is sent back to a peer; consumed
 * @route: the way to the host that gets it; NULL if there is none
 * @number: identification of the outer header, and DPR_FWD_OFFER; a packet that
 *	is too large has 0
 *
 * Called under RCU, in the softirq in which the way was looked up.
 */
void dpr_fwd_send_by(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_route *route, u32 number)
{
	__dpr_fwd_send_by(dn, skb, route, number | DPR_FWD_NUMBERED);
}
