// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/netdevice.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "stats.h"
#include "tunnel.h"

static void dpr_tunnel_drop(struct dpr_net *dn, struct sk_buff *skb,
			    enum dpr_stat why)
{
	dpr_stats_inc(dn, why);
	kfree_skb(skb);
}

/*
 * Makes room for the outer header. Whoever made the packet left enough, as a
 * rule, and nothing but a super-packet or an open checksum needs more.
 */
static int dpr_tunnel_prepare(struct sk_buff *skb, const struct rtable *rt)
{
	int err = skb_cow_head(skb, LL_RESERVED_SPACE(rt->dst.dev) +
				    rt->dst.header_len + sizeof(struct iphdr));

	if (unlikely(err))
		return err;
	if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL) {
		err = iptunnel_handle_offloads(skb, SKB_GSO_IPXIP4);
		skb_set_inner_ipproto(skb, IPPROTO_IPIP);
		return err;
	}
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	return 0;
}

/* Makes the packet a tunnelled one, ready to go out on its dst. */
static int dpr_tunnel_encapsulate(struct sk_buff *skb,
				  const struct dpr_route *route)
{
	struct iphdr *outer;
	u32 check;
	int err;
	u8 tos;

	err = dpr_tunnel_prepare(skb, route->rt);
	if (unlikely(err))
		return err;
	/* RFC 6040, normal mode: the outer header tells of congestion so far. */
	tos = ip_hdr(skb)->tos;
	skb_clear_hash_if_not_l4(skb);
	skb_clear_tstamp(skb);
	skb->ignore_df = 0;
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));

	skb->transport_header = skb->network_header;
	__skb_push(skb, sizeof(*outer));
	skb_reset_network_header(skb);
	outer = ip_hdr(skb);
	*outer = route->header;
	outer->tos = tos;
	outer->tot_len = htons(skb->len);
	check = route->check + (__force u16)htons(tos) +
		(__force u16)outer->tot_len;
	outer->check = csum_fold((__force __wsum)check);
	return 0;
}

/* The last step, whatever the route and its neighbour are like. */
static noinline int dpr_tunnel_finish(struct net *net, struct sock *sk,
				      struct sk_buff *skb)
{
	struct rtable *rt = skb_rtable(skb);
	struct neighbour *neigh;
	bool v6 = false;
	int err;

	/* A firewall may have chosen another way, or the route has a twist. */
	if (unlikely(dst_xfrm(&rt->dst) || rt->dst.lwtstate))
		return dst_output(net, sk, skb);
	rcu_read_lock();
	neigh = ip_neigh_for_gw(rt, skb, &v6);
	if (!IS_ERR(neigh)) {
		err = neigh_output(neigh, skb, v6);
	} else {
		kfree_skb(skb);
		err = PTR_ERR(neigh);
	}
	rcu_read_unlock();
	return err;
}

/* The POST_ROUTING hooks. 1 if they let the packet pass, else it is gone. */
static noinline int dpr_tunnel_post_routing(struct net *net,
					    struct sk_buff *skb,
					    const struct nf_hook_entries *hooks)
{
	struct nf_hook_state state;

	nf_hook_state_init(&state, NF_INET_POST_ROUTING, NFPROTO_IPV4, NULL,
			   skb->dev, NULL, net, dpr_tunnel_finish);
	return nf_hook_slow(skb, &state, hooks, 0);
}

/*
 * Sends an encapsulated packet: as ip_local_out() does, less what cannot
 * apply to it. The LOCAL_OUT hooks are left out if there is none but ours,
 * which passes all packets of protocol 4; the test whether the packet fits,
 * because it was made before; a socket's part, because there is none. Called
 * under RCU.
 */
static int dpr_tunnel_xmit(struct net *net, struct sk_buff *skb)
{
	const struct nf_hook_entries *out, *post;
	struct neighbour *neigh;
	struct rtable *rt;
	int verdict;

	out = rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_OUT]);
	if (unlikely(out && out->num_hook_entries > 1))
		return ip_local_out(net, NULL, skb);
	IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, skb->len);
	skb->dev = skb_dst(skb)->dev;
	skb->protocol = htons(ETH_P_IP);
	/* AppArmor has one, which asks for a socket. */
	post = rcu_dereference(net->nf.hooks_ipv4[NF_INET_POST_ROUTING]);
	if (post) {
		verdict = dpr_tunnel_post_routing(net, skb, post);
		if (unlikely(verdict != 1))
			return verdict;
	}
	/* A hook may have chosen another way. */
	rt = skb_rtable(skb);
	if (unlikely(dst_xfrm(&rt->dst) || rt->dst.lwtstate ||
		     rt->rt_gw_family == AF_INET6))
		return dpr_tunnel_finish(net, NULL, skb);
	neigh = __ipv4_neigh_lookup_noref(rt->dst.dev, (__force u32)
					  (rt->rt_gw_family == AF_INET ?
					   rt->rt_gw4 : ip_hdr(skb)->daddr));
	if (unlikely(!neigh))
		return dpr_tunnel_finish(net, NULL, skb);
	return neigh_output(neigh, skb, false);
}

/**
 * dpr_tunnel_output - send a packet that fits
 * @dn: the namespace
 * @skb: the packet, its dst is @route's; consumed
 * @route: the way, with the outer header to send
 *
 * Called under RCU in softirq.
 */
void dpr_tunnel_output(struct dpr_net *dn, struct sk_buff *skb,
		       const struct dpr_route *route)
{
	unsigned int len = skb->len;
	int err;

	if (unlikely(dpr_tunnel_encapsulate(skb, route))) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	err = dpr_tunnel_xmit(dn->net, skb);
	if (unlikely(net_xmit_eval(err))) {
		dpr_stats_inc(dn, DPR_STAT_TX_ERROR);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_TX_BYTES, len);
}

/* Sends a packet that does not fit but may be fragmented. */
static void dpr_tunnel_fragment(struct dpr_net *dn, struct sk_buff *skb,
				const struct dpr_route *route,
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
		if (!first && hlen > sizeof(struct iphdr)) {
			dpr_parse_strip_options(ip_hdr(fragment));
			ip_send_check(ip_hdr(fragment));
		}
		first = false;
		dpr_tunnel_output(dn, fragment, route);
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
static void dpr_tunnel_send_one(struct dpr_net *dn, struct sk_buff *skb,
				const struct dpr_route *route,
				unsigned int mtu)
{
	if (likely(dpr_tunnel_fits(skb, mtu)))
		dpr_tunnel_output(dn, skb, route);
	else if (ip_hdr(skb)->frag_off & htons(IP_DF))
		dpr_tunnel_too_big(dn, skb, mtu);
	else
		dpr_tunnel_fragment(dn, skb, route, mtu);
}

/* Sends a super-packet segment by segment. */
static void dpr_tunnel_segment(struct dpr_net *dn, struct sk_buff *skb,
			       const struct dpr_route *route,
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
		dpr_tunnel_send_one(dn, seg, route, mtu);
	}
}

/* Sends a super-packet, or a packet that does not fit. */
static noinline void dpr_tunnel_send_large(struct dpr_net *dn,
					   struct sk_buff *skb,
					   const struct dpr_route *route,
					   unsigned int mtu)
{
	if (unlikely(skb_warn_if_lro(skb))) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_ERROR);
		return;
	}
	/* The outer length field must hold a super-packet's length, too. */
	if (skb_is_gso(skb) &&
	    (skb->len > IP_MAX_MTU - sizeof(struct iphdr) ||
	     (!(ip_hdr(skb)->frag_off & htons(IP_DF)) &&
	      !dpr_tunnel_fits(skb, mtu))))
		dpr_tunnel_segment(dn, skb, route, mtu);
	else
		dpr_tunnel_send_one(dn, skb, route, mtu);
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
	struct dpr_route *route;
	unsigned int mtu;

	route = dpr_route_get(dn, cfg, peer->routes, peer->address);
	if (unlikely(!route)) {
		dpr_tunnel_drop(dn, skb, DPR_STAT_TX_NO_ROUTE);
		return;
	}
	mtu = dpr_route_mtu(route) - sizeof(struct iphdr);
	skb_dst_drop(skb);
	/* The peer's reference lasts as long as this RCU section. */
	skb_dst_set_noref(skb, &route->rt->dst);
	if (likely(!skb_is_gso(skb) && skb->len <= mtu))
		dpr_tunnel_output(dn, skb, route);
	else
		dpr_tunnel_send_large(dn, skb, route, mtu);
}
