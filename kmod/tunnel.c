// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/netdevice.h>
#include <net/dst_cache.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include "compat.h"
#include "peer.h"
#include "tunnel.h"

/*
 * The route to a peer. A route back into this host would redirect for ever,
 * so only a unicast one over a real device will do.
 */
static struct rtable *dpr_tunnel_route(struct dpr_net *dn,
				       const struct dpr_config *cfg,
				       struct dpr_peer *peer)
{
	struct flowi4 fl4 = {
		.daddr = peer->address,
		.saddr = cfg->address,
		.flowi4_proto = IPPROTO_IPIP,
	};
	struct rtable *rt;
	__be32 saddr;

	rt = dst_cache_get_ip4(&peer->route, &saddr);
	if (rt && saddr == cfg->address)
		return rt;
	ip_rt_put(rt);
	rt = ip_route_output_key(dn->net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type != RTN_UNICAST || rt->dst.dev->flags & IFF_LOOPBACK) {
		ip_rt_put(rt);
		return NULL;
	}
	dst_cache_set_ip4(&peer->route, &rt->dst, cfg->address);
	return rt;
}

static void dpr_tunnel_drop(struct dpr_net *dn, struct sk_buff *skb,
			    enum dpr_stat why)
{
	dpr_stats_inc(dn, why);
	kfree_skb(skb);
}

/* Makes the packet a tunnelled one, ready to go out on its dst. */
static int dpr_tunnel_encapsulate(struct dpr_net *dn,
				  const struct dpr_config *cfg,
				  struct sk_buff *skb, struct dpr_peer *peer)
{
	struct rtable *rt = skb_rtable(skb);
	struct iphdr *outer;
	u8 tos;
	int err;

	err = skb_cow_head(skb, LL_RESERVED_SPACE(rt->dst.dev) +
				rt->dst.header_len + sizeof(*outer));
	if (!err)
		err = iptunnel_handle_offloads(skb, SKB_GSO_IPXIP4);
	if (err)
		return err;
	tos = ip_tunnel_ecn_encap(ip_hdr(skb)->tos, ip_hdr(skb), skb);
	skb_set_inner_ipproto(skb, IPPROTO_IPIP);
	skb_clear_hash_if_not_l4(skb);
	skb_clear_tstamp(skb);
	skb->ignore_df = 0;
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));

	skb->transport_header = skb->network_header;
	skb_push(skb, sizeof(*outer));
	skb_reset_network_header(skb);
	outer = ip_hdr(skb);
	outer->version = 4;
	outer->ihl = sizeof(*outer) >> 2;
	outer->tos = tos;
	outer->frag_off = htons(IP_DF);
	if (cfg->marker == DPR_MARKER_FRAGBIT)
		outer->frag_off |= htons(DPR_TUNNEL_MARK);
	outer->ttl = ip4_dst_hoplimit(&rt->dst);
	outer->protocol = IPPROTO_IPIP;
	outer->saddr = cfg->address;
	outer->daddr = peer->address;
	__ip_select_ident(dn->net, outer, skb_shinfo(skb)->gso_segs ?: 1);
	return 0;
}

/* Sends a packet that fits, on its dst. */
static void dpr_tunnel_output(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct sk_buff *skb, struct dpr_peer *peer)
{
	unsigned int len = skb->len;
	int err;

	if (dpr_tunnel_encapsulate(dn, cfg, skb, peer)) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	err = ip_local_out(dn->net, NULL, skb);
	if (unlikely(net_xmit_eval(err))) {
		dpr_stats_inc(dn, DPR_STAT_TX_ERROR);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_TX_BYTES, len);
}

/* Later fragments carry only the options that have the copied bit (RFC 791). */
static void dpr_tunnel_strip_options(struct iphdr *iph)
{
	u8 *opt = (u8 *)(iph + 1), *end = (u8 *)iph + iph->ihl * 4;

	while (opt < end && *opt != IPOPT_END) {
		int len = *opt == IPOPT_NOOP ? 1 : end - opt > 1 ? opt[1] : 0;

		if (!len || len > end - opt)
			break;
		if (!IPOPT_COPIED(*opt))
			memset(opt, IPOPT_NOOP, len);
		opt += len;
	}
	ip_send_check(iph);
}

/* Sends a packet that does not fit but may be fragmented. */
static void dpr_tunnel_fragment(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, struct dpr_peer *peer,
				unsigned int mtu)
{
	unsigned int hlen = ip_hdrlen(skb);
	struct ip_frag_state state;
	struct sk_buff *fragment;
	bool first = true;

	if (mtu < hlen + 8) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_ROUTE);
		return;
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_FRAGMENTED);
	ip_frag_init(skb, hlen,
		     LL_RESERVED_SPACE(skb_dst(skb)->dev) +
		     sizeof(struct iphdr), mtu - hlen, false, &state);
	while (state.left > 0) {
		fragment = ip_frag_next(skb, &state);
		if (IS_ERR(fragment)) {
			dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
			return;
		}
		if (!first && hlen > sizeof(struct iphdr))
			dpr_tunnel_strip_options(ip_hdr(fragment));
		first = false;
		dpr_tunnel_output(dn, cfg, fragment, peer);
	}
	consume_skb(skb);
}

/* Tells the client that its packet is too large for the way to the peer. */
static void dpr_tunnel_too_big(struct dpr_net *dn, struct sk_buff *skb,
			       unsigned int mtu)
{
	const struct iphdr *iph = ip_hdr(skb);

	/* icmp_send() answers only what has an input route. */
	skb_dst_drop(skb);
	if (!ip_route_input_noref(skb, iph->daddr, iph->saddr,
				  dpr_compat_dscp(iph), skb->dev))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
			  htonl(mtu));
	dpr_tunnel_drop(dn, skb, DPR_STAT_TX_TOO_BIG);
}

static bool dpr_tunnel_fits(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/* Sends one packet that is no super-packet, or whose segments fit. */
static void dpr_tunnel_send_one(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb, struct dpr_peer *peer,
				unsigned int mtu)
{
	if (likely(dpr_tunnel_fits(skb, mtu)))
		dpr_tunnel_output(dn, cfg, skb, peer);
	else if (ip_hdr(skb)->frag_off & htons(IP_DF))
		dpr_tunnel_too_big(dn, skb, mtu);
	else
		dpr_tunnel_fragment(dn, cfg, skb, peer, mtu);
}

/* Sends a super-packet segment by segment. */
static void dpr_tunnel_segment(struct dpr_net *dn,
			       const struct dpr_config *cfg,
			       struct sk_buff *skb, struct dpr_peer *peer,
			       unsigned int mtu)
{
	struct sk_buff *segs = skb_gso_segment(skb, 0), *seg, *next;

	if (IS_ERR_OR_NULL(segs)) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		dpr_tunnel_send_one(dn, cfg, seg, peer, mtu);
	}
}

/**
 * dpr_tunnel_send - redirect a packet
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the client's packet, as it came to PRE_ROUTING; consumed
 * @peer: the host that serves it
 *
 * The client hears of a packet that is too large for the way (RFC 1191); one
 * that may be fragmented is, before it is encapsulated, so that the outer
 * packets never are. Called under RCU in softirq.
 */
void dpr_tunnel_send(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, struct dpr_peer *peer)
{
	struct rtable *rt;
	unsigned int mtu;

	if (unlikely(skb_warn_if_lro(skb))) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_ERROR);
		return;
	}
	rt = dpr_tunnel_route(dn, cfg, peer);
	if (unlikely(!rt)) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_ROUTE);
		return;
	}
	mtu = dst_mtu(&rt->dst) - sizeof(struct iphdr);
	skb_dst_drop(skb);
	skb_dst_set(skb, &rt->dst);
	/* The outer length field must hold a super-packet's length, too. */
	if (unlikely(skb_is_gso(skb) &&
		     (skb->len > IP_MAX_MTU - sizeof(struct iphdr) ||
		      (!(ip_hdr(skb)->frag_off & htons(IP_DF)) &&
		       !dpr_tunnel_fits(skb, mtu)))))
		dpr_tunnel_segment(dn, cfg, skb, peer, mtu);
	else
		dpr_tunnel_send_one(dn, cfg, skb, peer, mtu);
}
