// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include <net/xfrm.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "inner.h"
#include "netns.h"
#include "stats.h"

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

/**
 * dpr_inner_valid - is there a whole, valid header, and all that it promises
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what is known of it
 *
 * Return: true if so (RFC 791); then the header is in the linear part.
 */
bool dpr_inner_valid(struct sk_buff *skb, const struct dpr_inner *in)
{
	unsigned int hlen;

	if (!pskb_may_pull(skb, in->olen + sizeof(struct iphdr)))
		return false;
	hlen = dpr_parse_ip_hlen(dpr_inner_header(skb, in));
	return hlen && pskb_may_pull(skb, in->olen + hlen) &&
	       dpr_parse_ip_whole(dpr_inner_header(skb, in),
				  skb->len - in->olen);
}

/* Is it for a connection whose addresses were checked when it began? */
static bool dpr_inner_known(const struct dpr_inner *in)
{
	return in->marked && in->refcounted && in->answers;
}

/* What an address is here, or in the VRF that the packet came by. */
static unsigned int dpr_inner_type(struct dpr_net *dn,
				   const struct sk_buff *skb, __be32 address)
{
	if (unlikely(netif_is_l3_slave(skb->dev)))
		return inet_addr_type_dev_table(dn->net, skb->dev, address);
	return inet_addr_type(dn->net, address);
}

/**
 * dpr_inner_addresses - can a packet from a client to a peer have its addresses
 * @dn: the namespace
 * @skb: the packet
 * @in: what is known of it
 *
 * The stack checks them with the route, which here is the outer header's. A
 * packet to an address of this host is no peer's: without mark it is from a
 * tunnel between the two. Called under RCU in softirq.
 *
 * Return: true if they are plausible.
 */
bool dpr_inner_addresses(struct dpr_net *dn, const struct sk_buff *skb,
			 const struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);

	if (dpr_inner_known(in))
		return true;
	if (dpr_inner_type(dn, skb, iph->saddr) != RTN_UNICAST)
		return false;
	/* Mostly the client talks to the address that the first host sends from. */
	if (in->marked && iph->daddr == in->first)
		return true;
	switch (dpr_inner_type(dn, skb, iph->daddr)) {
	case RTN_UNICAST:
		return true;
	case RTN_LOCAL:
		return in->marked;
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
	return dpr_inner_type(dn, skb, dpr_inner_header(skb, in)->saddr) ==
	       RTN_LOCAL;
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
	const struct iphdr *iph;

	skb_pull_rcsum(skb, in->olen);
	skb_reset_network_header(skb);
	if (pskb_trim_rcsum(skb, ntohs(ip_hdr(skb)->tot_len)) ||
	    iptunnel_pull_offloads(skb))
		return false;
	if (in->ce) {
		if (skb_ensure_writable(skb, sizeof(*iph)))
			return false;
		IP_ECN_set_ce(ip_hdr(skb));
	}
	iph = ip_hdr(skb);
	skb_set_transport_header(skb, iph->ihl * 4);
	skb_clear_hash_if_not_l4(skb);
	/* What belonged to the outer packet, as __iptunnel_pull_header() does. */
	__vlan_hwaccel_clear_tag(skb);
	secpath_reset(skb);
	nf_reset_ct(skb);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->iif = skb->skb_iif;
	/* Its route is the outer packet's: no hint for those that follow. */
	IPCB(skb)->flags = DPR_COMPAT_NO_HINT;
	return true;
}
