// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <net/inet_ecn.h>
#include <net/addrconf.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/ip_tunnels.h>
#include <net/protocol.h>
#include <net/route.h>
#include <net/xfrm.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "inner.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "stats.h"

/**
 * dpr_inner_route6 - give a packet its input route if it is for this host
 * @skb: a packet of IPv6
 *
 * Called under RCU in softirq.
 *
 * Return: true if it is.
 */
bool dpr_inner_route6(struct sk_buff *skb)
{
	const struct ipv6hdr *outer = ipv6_hdr(skb);
	struct flowi6 fl6 = {
		.flowi6_iif = netif_is_l3_slave(skb->dev) ?
			      l3mdev_master_ifindex_rcu(skb->dev) :
			      skb->dev->ifindex,
		.daddr = outer->daddr,
		.saddr = outer->saddr,
		.flowlabel = ip6_flowinfo(outer),
		.flowi6_mark = skb->mark,
		.flowi6_proto = outer->nexthdr,
	};
	struct dst_entry *dst;

	dst = ip6_route_input_lookup(dev_net(skb->dev), skb->dev, &fl6, skb,
				     RT6_LOOKUP_F_HAS_SADDR);
	if (dst->error || !(((struct rt6_info *)dst)->rt6i_flags &
			    (RTF_LOCAL | RTF_ANYCAST))) {
		dst_release(dst);
		return false;
	}
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	return true;
}

/**
 * dpr_inner_local - is a packet for this host
 * @skb: the packet
 * @in: what is known of it; remembers the answer if it is yes
 *
 * Keeps the outer header's input route on the packet. One that came out of IPsec
 * has a route already, and a reference to it. Called under RCU in softirq.
 *
 * Return: true if the outer header is for this host.
 */
bool dpr_inner_local(struct sk_buff *skb, struct dpr_inner *in)
{
	const struct iphdr *outer = ip_hdr(skb);

	if (in->routed)
		return true;
	skb_dst_drop(skb);
	if (unlikely(in->outer6)) {
		in->routed = dpr_inner_route6(skb);
		return in->routed;
	}
	if (ip_route_input_noref(skb, outer->daddr, outer->saddr,
				 dpr_compat_dscp(outer), skb->dev))
		return false;
	in->routed = skb_rtable(skb)->rt_type == RTN_LOCAL;
	if (!in->routed)
		skb_dst_drop(skb);
	return in->routed;
}

/**
 * dpr_inner_refuse - decide on what is not a redirected packet after all
 * @dn: the namespace
 * @skb: the packet
 * @in: what is known of it
 * @why: what to count if it is dropped
 *
 * It is left to the stack if it was not marked (this host's own tunnels) or is
 * for another host, and dropped if not. Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_inner_refuse(struct dpr_net *dn, struct sk_buff *skb,
			      struct dpr_inner *in, enum dpr_stat why)
{
	if (in->marked && dpr_inner_local(skb, in)) {
		dpr_stats_inc(dn, why);
		return NF_DROP;
	}
	if (in->routed)
		skb_dst_drop(skb);
	return NF_ACCEPT;
}

static bool dpr_inner_valid4(struct sk_buff *skb, struct dpr_inner *in)
{
	const struct iphdr *iph;
	unsigned int hlen;

	if (!pskb_may_pull(skb, in->olen + sizeof(*iph)))
		return false;
	hlen = dpr_parse_ip_hlen(dpr_inner_header(skb, in));
	if (!hlen || !pskb_may_pull(skb, in->olen + hlen))
		return false;
	iph = dpr_inner_header(skb, in);
	if (!dpr_parse_ip_whole(iph, skb->len - in->olen))
		return false;
	in->offset = in->olen + hlen;
	in->len = ntohs(iph->tot_len);
	in->protocol = iph->protocol;
	in->fragment = ip_is_fragment(iph);
	return true;
}

/* First hosts send no others than those whose fragment header is the first. */
static bool dpr_inner_fragment6(struct sk_buff *skb, struct dpr_inner *in)
{
	const struct ipv6hdr *ip6h;
	const struct frag_hdr *header;

	if (!pskb_may_pull(skb, in->olen + sizeof(*ip6h) + sizeof(*header)))
		return false;
	ip6h = dpr_inner_header6(skb, in);
	header = (const void *)(ip6h + 1);
	in->protocol = header->nexthdr;
	return ip6h->nexthdr == NEXTHDR_FRAGMENT;
}

/* A fragment that is whole (RFC 6946) is none. */
static noinline bool dpr_inner_valid6(struct sk_buff *skb, struct dpr_inner *in)
{
	const struct ipv6hdr *ip6h;
	__be16 fragment;
	int offset;

	if (!pskb_may_pull(skb, in->olen + sizeof(*ip6h)))
		return false;
	ip6h = dpr_inner_header6(skb, in);
	in->len = sizeof(*ip6h) + ntohs(ip6h->payload_len);
	if (ip6h->version != 6 || in->len > skb->len - in->olen)
		return false;
	if (unlikely(ipv6_ext_hdr(ip6h->nexthdr) &&
		     dpr_local_routed6(skb, in->olen)))
		return false;
	in->protocol = ip6h->nexthdr;
	offset = ipv6_skip_exthdr(skb, in->olen + sizeof(*ip6h), &in->protocol,
				  &fragment);
	if (offset < 0 || offset > in->olen + in->len ||
	    !pskb_may_pull(skb, offset))
		return false;
	in->offset = offset;
	in->fragment = fragment & htons(IP6_OFFSET | IP6_MF);
	return !in->fragment || dpr_inner_fragment6(skb, in);
}

/**
 * dpr_inner_valid - is there a whole, valid header, and all that it promises
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what is known of it; what the header says is set
 *
 * Return: true if so (RFC 791, RFC 8200); then the header is in the linear part.
 */
bool dpr_inner_valid(struct sk_buff *skb, struct dpr_inner *in)
{
	return unlikely(in->wide) ? dpr_inner_valid6(skb, in) :
				    dpr_inner_valid4(skb, in);
}

/* Is it for a connection whose addresses were checked when it began? */
static bool dpr_inner_known(const struct dpr_inner *in)
{
	return in->marked && in->refcounted && in->answers;
}

/**
 * dpr_inner_gather6 - put the fragments of a packet of IPv6 together
 * @skb: one, whose fragment header is the first; it has a route to this host
 *
 * By the stack's own handler, which finds the header by its place. Called under RCU in
 * softirq.
 *
 * Return: true if the packet is whole now; else it is gone.
 */
bool dpr_inner_gather6(struct sk_buff *skb)
{
	const struct inet6_protocol *handler;

	handler = rcu_dereference(inet6_protos[NEXTHDR_FRAGMENT]);
	if (!handler) {
		kfree_skb(skb);
		return false;
	}
	skb_set_transport_header(skb, sizeof(struct ipv6hdr));
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	if (handler->handler(skb) != 1)
		return false;
	__skb_push(skb, skb->data - skb_network_header(skb));
	return true;
}

/* What an address is here, or in the VRF that the packet came by. */
static unsigned int dpr_inner_type(struct dpr_net *dn,
				   const struct sk_buff *skb, __be32 address)
{
	if (unlikely(netif_is_l3_slave(skb->dev)))
		return inet_addr_type_dev_table(dn->net, skb->dev, address);
	return inet_addr_type(dn->net, address);
}

/*
 * May a packet to an address of this host be one that the peer redirected? If it has no
 * mark it is from a tunnel between the two, unless the peer has that address, too, or may
 * have it: it names only some of many.
 */
static noinline bool dpr_inner_shared(struct dpr_net *dn,
				      const struct dpr_inner *in,
				      const struct dpr_addr *address)
{
	const struct dpr_peer *first;

	if (in->marked)
		return true;
	first = dpr_peer_find(dn, &in->first);
	return first && dpr_peer_may_have(first, address);
}

/* The route to this host asks nothing of a source. */
static noinline bool dpr_inner_addresses6(struct dpr_net *dn,
					  const struct sk_buff *skb,
					  const struct dpr_inner *in)
{
	const struct ipv6hdr *ip6h = dpr_inner_header6(skb, in);
	struct dpr_addr address;

	if (!dpr_local_unicast6(&ip6h->saddr) ||
	    !dpr_local_unicast6(&ip6h->daddr) ||
	    ipv6_chk_addr(dn->net, &ip6h->saddr, skb->dev, 0))
		return false;
	if (!ipv6_chk_addr(dn->net, &ip6h->daddr, skb->dev, 0))
		return true;
	address = dpr_addr_of6(&ip6h->daddr);
	return dpr_inner_shared(dn, in, &address);
}

/**
 * dpr_inner_addresses - can a packet from a client to a peer have its addresses
 * @dn: the namespace
 * @skb: the packet
 * @in: what is known of it
 *
 * The stack checks them with the route, which here is the outer header's. Called under
 * RCU in softirq.
 *
 * Return: true if they are plausible.
 */
bool dpr_inner_addresses(struct dpr_net *dn, const struct sk_buff *skb,
			 const struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);
	struct dpr_addr address;

	if (dpr_inner_known(in))
		return true;
	if (unlikely(in->wide))
		return dpr_inner_addresses6(dn, skb, in);
	if (dpr_inner_type(dn, skb, iph->saddr) != RTN_UNICAST)
		return false;
	/* Mostly the client talks to the address that the first host sends from. */
	if (in->marked && iph->daddr == in->first.word[3])
		return true;
	switch (dpr_inner_type(dn, skb, iph->daddr)) {
	case RTN_UNICAST:
		return true;
	case RTN_LOCAL:
		address = dpr_addr_of4(iph->daddr);
		return dpr_inner_shared(dn, in, &address);
	default:
		return false;
	}
}

/**
 * dpr_inner_own - is the client an address of this host
 * @dn: the namespace
 * @skb: the packet
 * @in: what is known of it
 *
 * This host's own connection to another host, which does not know all of its
 * addresses. Called under RCU in softirq.
 */
bool dpr_inner_own(struct dpr_net *dn, const struct sk_buff *skb,
		   const struct dpr_inner *in)
{
	if (unlikely(in->wide))
		return ipv6_chk_addr(dn->net, &dpr_inner_header6(skb, in)->saddr,
				     skb->dev, 0);
	return dpr_inner_type(dn, skb, dpr_inner_header(skb, in)->saddr) ==
	       RTN_LOCAL;
}

static bool dpr_inner_set_ce(struct sk_buff *skb, const struct dpr_inner *in)
{
	if (unlikely(in->wide)) {
		if (skb_ensure_writable(skb, sizeof(struct ipv6hdr)))
			return false;
		IP6_ECN_set_ce(skb, ipv6_hdr(skb));
		return true;
	}
	if (skb_ensure_writable(skb, sizeof(struct iphdr)))
		return false;
	IP_ECN_set_ce(ip_hdr(skb));
	return true;
}

/**
 * dpr_inner_transport6 - set the transport header of a packet of IPv6 to where the stack goes on
 * @skb: the packet, its network header at skb->data, its extension headers linear
 *
 * That is behind the hop-by-hop options, at further extension headers if there are any.
 */
void dpr_inner_transport6(struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const struct ipv6_opt_hdr *hop = (const void *)(ip6h + 1);
	unsigned int hlen = sizeof(*ip6h);

	if (ip6h->nexthdr == NEXTHDR_HOP)
		hlen += ipv6_optlen(hop);
	skb_set_transport_header(skb, hlen);
}

/*
 * What the stack notes when a packet of IPv6 comes in. It reads extension headers by
 * itself, but for hop-by-hop options, which the first host has read.
 */
static void dpr_inner_control6(struct sk_buff *skb)
{
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->iif = skb->skb_iif;
	IP6CB(skb)->flags = DPR_COMPAT_NO_HINT6;
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	if (ipv6_hdr(skb)->nexthdr == NEXTHDR_HOP)
		IP6CB(skb)->nhoff = sizeof(struct ipv6hdr);
	dpr_inner_transport6(skb);
}

/**
 * dpr_inner_unwrap - take off the outer header
 * @skb: the packet; pointers into it are stale afterwards. What is left is the
 *	client's packet, with the outer header's route
 * @in: what is known of it
 *
 * Return: false if there is no memory.
 */
bool dpr_inner_unwrap(struct sk_buff *skb, const struct dpr_inner *in)
{
	skb_pull_rcsum(skb, in->olen);
	skb_reset_network_header(skb);
	if (pskb_trim_rcsum(skb, in->len) || iptunnel_pull_offloads(skb))
		return false;
	if (in->ce && !dpr_inner_set_ce(skb, in))
		return false;
	/* A route of the other family is none (dpr_deliver()). */
	if (unlikely(in->wide != in->outer6))
		skb_dst_drop(skb);
	skb_clear_hash_if_not_l4(skb);
	/* What belonged to the outer packet, as __iptunnel_pull_header() does. */
	__vlan_hwaccel_clear_tag(skb);
	secpath_reset(skb);
	nf_reset_ct(skb);
	if (unlikely(in->wide)) {
		dpr_inner_control6(skb);
		return true;
	}
	skb->protocol = htons(ETH_P_IP);
	skb_set_transport_header(skb, in->offset - in->olen);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->iif = skb->skb_iif;
	/* Its route is the outer packet's: no hint for those that follow. */
	IPCB(skb)->flags = DPR_COMPAT_NO_HINT;
	return true;
}
