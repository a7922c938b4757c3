// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <net/dsfield.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include "config.h"
#include "dpr.h"
#include "fwd_ip6.h"
#include "fwd_ipip.h"
#include "local.h"
#include "netns.h"
#include "route.h"
#include "stats.h"

/**
 * dpr_fwd_ip6_prepare - make the outer header of all packets to a peer
 * @route: the way to it; @route->dst is set
 * @cfg: the configuration
 * @peer: the peer's address
 * @protocol: of the inner packets
 */
void dpr_fwd_ip6_prepare(struct dpr_route *route, const struct dpr_config *cfg,
			 const struct dpr_addr *peer, u8 protocol)
{
	route->ip6 = (struct ipv6hdr){
		.version = 6,
		.nexthdr = protocol,
		.hop_limit = ip6_dst_hoplimit(route->dst),
		.saddr = *dpr_local_in6(&cfg->address),
		.daddr = *dpr_local_in6(peer),
	};
	route->cookie = rt6_get_cookie((struct rt6_info *)route->dst);
	route->marker = cfg->marker;
}

/*
 * The outer flow label. That of a SYN, or of one that is sent back, says its number, as
 * the identification of an IPv4 header does; those of other packets spread connections
 * over equal paths (RFC 6438).
 */
static __be32 dpr_fwd_ip6_label(const struct sk_buff *skb, u32 number)
{
	if (number & DPR_FWD_NUMBERED)
		return htonl(number & ~DPR_FWD_NUMBERED);
	return dpr_local_wide(skb) ? ip6_flowlabel(ipv6_hdr(skb)) : 0;
}

/* Makes the packet a tunnelled one, ready to go out on its dst. */
static int dpr_fwd_ip6_encapsulate(struct sk_buff *skb,
				   const struct dpr_route *route, u32 number)
{
	const bool wide = dpr_local_wide(skb);
	const __be32 label = dpr_fwd_ip6_label(skb, number);
	const unsigned int len = skb->len;
	int err;
	u8 tos;

	err = skb_cow_head(skb, LL_RESERVED_SPACE(route->dst->dev) +
				route->dst->header_len +
				sizeof(struct ipv6hdr));
	if (unlikely(err))
		return err;
	if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL) {
		err = iptunnel_handle_offloads(skb, SKB_GSO_IPXIP6);
		if (unlikely(err))
			return err;
		skb_set_inner_ipproto(skb, route->ip6.nexthdr);
	} else {
		skb->ip_summed = CHECKSUM_NONE;
		skb->encapsulation = 0;
	}
	tos = wide ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;
	skb_clear_hash_if_not_l4(skb);
	skb_clear_tstamp(skb);
	skb->ignore_df = 0;
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));

	skb->transport_header = skb->network_header;
	__skb_push(skb, sizeof(struct ipv6hdr));
	skb_reset_network_header(skb);
	dpr_fwd_ip6_header(ipv6_hdr(skb), route, tos, label, len);
	skb->protocol = htons(ETH_P_IPV6);
	return 0;
}

/**
 * dpr_fwd_ip6_output - send a packet that fits
 * @dn: the namespace
 * @skb: the packet, its dst is @route's; consumed
 * @route: the way, with the outer header to send
 * @number: 0, or its number, DPR_FWD_NUMBERED, and DPR_FWD_OFFER
 *
 * Called under RCU in softirq.
 */
void dpr_fwd_ip6_output(struct dpr_net *dn, struct sk_buff *skb,
			const struct dpr_route *route, u32 number)
{
	unsigned int len = skb->len;
	int err;

	if (unlikely(dpr_fwd_ip6_encapsulate(skb, route, number))) {
		dpr_stats_inc(dn, DPR_STAT_TX_NO_MEMORY);
		kfree_skb(skb);
		return;
	}
	err = ip6_local_out(dn->net, NULL, skb);
	if (unlikely(net_xmit_eval(err))) {
		dpr_stats_inc(dn, DPR_STAT_TX_ERROR);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_TX_BYTES, len);
}
