// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/dsfield.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include "config.h"
#include "dpr.h"
#include "fwd_ipip.h"
#include "local.h"
#include "netns.h"
#include "route.h"
#include "stats.h"

/**
 * dpr_fwd_ipip_prepare - make the outer header of all packets to a peer
 * @route: the way to it; @route->dst is set
 * @cfg: the configuration
 * @peer: the peer's address
 * @protocol: of the inner packets
 */
void dpr_fwd_ipip_prepare(struct dpr_route *route,
			  const struct dpr_config *cfg,
			  const struct dpr_addr *peer, u8 protocol)
{
	struct iphdr *header = &route->ip;

	*header = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*header) >> 2,
		/* No number: only a SYN has one (offer.h). */
		.frag_off = htons(IP_DF),
		/* What is for a group stays on the link. */
		.ttl = ipv4_is_multicast(peer->word[3]) ?
		       1 : ip4_dst_hoplimit(route->dst),
		.protocol = protocol,
		.saddr = cfg->address.word[3],
		.daddr = peer->word[3],
	};
	if (cfg->marker == DPR_MARKER_FRAGBIT)
		header->frag_off |= htons(DPR_FWD_IPIP_MARK);
	route->check = (__force u16)~ip_fast_csum(header, header->ihl);
	route->marker = cfg->marker;
	route->source = cfg->address.half[1];
}

/*
 * Makes room for the outer header. As a rule the driver left enough, and only a
 * super-packet or a partial checksum needs more than that.
 */
static int dpr_fwd_ipip_make_room(struct sk_buff *skb,
				  const struct dpr_route *route)
{
	int err = skb_cow_head(skb, LL_RESERVED_SPACE(route->dst->dev) +
				    route->dst->header_len +
				    sizeof(struct iphdr));

	if (unlikely(err))
		return err;
	if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL) {
		err = iptunnel_handle_offloads(skb, SKB_GSO_IPXIP4);
		skb_set_inner_ipproto(skb, route->ip.protocol);
		return err;
	}
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	return 0;
}

/* Makes the packet a tunnelled one, ready to go out on its dst. */
static int dpr_fwd_ipip_encapsulate(struct sk_buff *skb,
				    const struct dpr_route *route, u32 number)
{
	int err;
	u8 tos;

	err = dpr_fwd_ipip_make_room(skb, route);
	if (unlikely(err))
		return err;
	tos = dpr_local_wide(skb) ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;
	skb_clear_hash_if_not_l4(skb);
	skb_clear_tstamp(skb);
	skb->ignore_df = 0;
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));

	skb->transport_header = skb->network_header;
	__skb_push(skb, sizeof(struct iphdr));
	skb_reset_network_header(skb);
	dpr_fwd_ipip_header(ip_hdr(skb), route, tos, skb->len, number);
	return 0;
}

/* The last step, for any kind of route and neighbour. */
static noinline int dpr_fwd_ipip_finish(struct net *net, struct sock *sk,
					struct sk_buff *skb)
{
	struct rtable *rt = skb_rtable(skb);
	struct neighbour *neigh;
	bool v6 = false;
	int err;

	/* A firewall may have chosen another way, or the route has a twist. */
	if (unlikely(dst_xfrm(&rt->dst) || rt->dst.lwtstate)) {
		/* It has passed the POST_ROUTING hooks. */
		IPCB(skb)->flags |= IPSKB_REROUTED;
		return dst_output(net, sk, skb);
	}
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
static noinline int dpr_fwd_ipip_post_routing(struct net *net,
					      struct sk_buff *skb,
					      const struct nf_hook_entries *hooks)
{
	struct nf_hook_state state;

	nf_hook_state_init(&state, NF_INET_POST_ROUTING, NFPROTO_IPV4, NULL,
			   skb->dev, NULL, net, dpr_fwd_ipip_finish);
	return nf_hook_slow(skb, &state, hooks, 0);
}

/* See dpr_fwd_ipip_xmit_on(). */
static __always_inline int __dpr_fwd_ipip_xmit_on(struct net *net,
						  struct sk_buff *skb)
{
	const struct nf_hook_entries *post;
	struct neighbour *neigh;
	struct rtable *rt;
	int verdict;

	IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, skb->len);
	skb->dev = skb_dst(skb)->dev;
	skb->protocol = htons(ETH_P_IP);
	/* AppArmor has one, which asks for a socket. */
	post = rcu_dereference(net->nf.hooks_ipv4[NF_INET_POST_ROUTING]);
	if (post) {
		verdict = dpr_fwd_ipip_post_routing(net, skb, post);
		if (unlikely(verdict != 1))
			return verdict;
	}
	/* A hook may have chosen another way. */
	rt = skb_rtable(skb);
	if (unlikely(dst_xfrm(&rt->dst) || rt->dst.lwtstate ||
		     rt->rt_gw_family == AF_INET6))
		return dpr_fwd_ipip_finish(net, NULL, skb);
	neigh = __ipv4_neigh_lookup_noref(rt->dst.dev, (__force u32)
					  (rt->rt_gw_family == AF_INET ?
					   rt->rt_gw4 : ip_hdr(skb)->daddr));
	if (unlikely(!neigh))
		return dpr_fwd_ipip_finish(net, NULL, skb);
	return neigh_output(neigh, skb, false);
}

/**
 * dpr_fwd_ipip_xmit_on - send any packet of IPv4 that fits its way, without a socket
 * @net: the namespace
 * @skb: the packet, with its dst and room for the link layer's header; consumed
 *
 * As ip_output() does, by fewer steps. Called under RCU in softirq.
 *
 * Return: as dst_output().
 */
int dpr_fwd_ipip_xmit_on(struct net *net, struct sk_buff *skb)
{
	return __dpr_fwd_ipip_xmit_on(net, skb);
}

/*
 * Sends an encapsulated packet as ip_local_out() does, without what cannot apply:
 * skips the LOCAL_OUT hooks if ours is the only one, which accepts all packets of
 * protocol 4; does not test whether the packet fits, which was done before; and
 * there is no socket. Called under RCU.
 */
static int dpr_fwd_ipip_xmit(struct net *net, struct sk_buff *skb)
{
	const struct nf_hook_entries *out;

	out = rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_OUT]);
	if (unlikely(out && out->num_hook_entries > 1))
		return ip_local_out(net, NULL, skb);
	return __dpr_fwd_ipip_xmit_on(net, skb);
}

/**
 * dpr_fwd_ipip_output - send a packet that fits
 * @dn: the namespace
 * @skb: the packet, its dst is @route's; consumed
 * @route: the way, with the outer header to send
 * @number: 0, or its identification, and DPR_FWD_OFFER if it shall have no DF; or
 *	DPR_FWD_BULK if it shall have no mark
 *
 * Called under RCU in softirq.
 */
void dpr_fwd_ipip_output(struct dpr_net *dn, struct sk_buff *skb,
			 const struct dpr_route *route, u32 number)
{
	unsigned int len = skb->len;
	int err;

	if (unlikely(dpr_fwd_ipip_encapsulate(skb, route, number))) {
		dpr_stats_inc(dn, DPR_STAT_TX_NO_MEMORY);
		kfree_skb(skb);
		return;
	}
	err = dpr_fwd_ipip_xmit(dn->net, skb);
	if (unlikely(net_xmit_eval(err))) {
		dpr_stats_inc(dn, DPR_STAT_TX_ERROR);
		return;
	}
	dpr_stats_inc(dn, DPR_STAT_TX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_TX_BYTES, len);
}
