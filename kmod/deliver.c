// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include "deliver.h"
#include "dpr.h"
#include "local.h"
#include "netns.h"

static int dpr_deliver_finish(struct net *net, struct sock *sk,
			      struct sk_buff *skb)
{
	return dst_input(skb);
}

/* Not a way out, which the addresses have while the loopback device is down. */
static struct dst_entry *dpr_deliver_route(struct dpr_net *dn, bool wide)
{
	struct flowi6 fl6 = { .daddr = in6addr_loopback };
	struct flowi4 fl4 = { .daddr = htonl(INADDR_LOOPBACK) };
	struct dst_entry *dst;
	struct rtable *rt;

	if (wide) {
		dst = ip6_route_output(dn->net, NULL, &fl6);
		if (!dst->error &&
		    ((const struct rt6_info *)dst)->rt6i_flags & RTF_LOCAL)
			return dst;
		dst_release(dst);
		return NULL;
	}
	rt = ip_route_output_key(dn->net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_LOCAL)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

/**
 * dpr_deliver_prepare - give a packet a route to this host, whatever its addresses
 * @dn: the namespace
 * @skb: the packet
 *
 * That tells the stack that it is its own. Called under RCU in softirq.
 *
 * Return: false if there is none.
 */
bool dpr_deliver_prepare(struct dpr_net *dn, struct sk_buff *skb)
{
	struct dst_entry *dst = dpr_deliver_route(dn, dpr_local_wide(skb));

	if (!dst)
		return false;
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	return true;
}

/**
 * dpr_deliver_routed - hand a packet to the stack by the route that it has
 * @dn: the namespace
 * @skb: the packet, without an outer header; consumed
 *
 * It passes the hooks of its family as if it had just come in. Unless a program holds it
 * (NFQUEUE), the stack has done with it what it does when this returns. Called under RCU
 * in softirq.
 */
void dpr_deliver_routed(struct dpr_net *dn, struct sk_buff *skb)
{
	const bool wide = dpr_local_wide(skb);

	if (wide)
		IP6CB(skb)->flags |= DPR_DELIVER_FLAG;
	else
		IPCB(skb)->flags |= DPR_DELIVER_FLAG;
	NF_HOOK(wide ? NFPROTO_IPV6 : NFPROTO_IPV4, NF_INET_PRE_ROUTING,
		dn->net, NULL, skb, skb->dev, NULL, dpr_deliver_finish);
}

/**
 * dpr_deliver - hand a packet to the stack of its own family
 * @dn: the namespace
 * @skb: the packet, without its outer header; consumed
 *
 * It passes the hooks of its family as if it had just come in. Called under RCU in
 * softirq.
 *
 * Return: the netfilter verdict; NF_DROP if there is no memory, which the caller counts.
 */
unsigned int dpr_deliver(struct dpr_net *dn, struct sk_buff *skb)
{
	if (!dpr_deliver_prepare(dn, skb))
		return NF_DROP;
	dpr_deliver_routed(dn, skb);
	return NF_STOLEN;
}
