// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include "backend.h"
#include "compat.h"
#include "dpr.h"
#include "fwd_ipip.h"
#include "local.h"
#include "netns.h"
#include "splice_out.h"
#include "splice_table.h"
#include "stats.h"

/**
 * dpr_splice_drop - drop a packet of a splice
 * @dn: the namespace
 * @why: what is counted
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_splice_drop(struct dpr_net *dn, enum dpr_stat why)
{
	dpr_stats_inc(dn, why);
	return NF_DROP;
}

static struct dst_entry *dpr_splice_route4(struct dpr_net *dn,
					   const struct dpr_splice_end *end)
{
	struct flowi4 fl4 = {
		.flowi4_proto = IPPROTO_TCP,
		.saddr = end->address,
		.daddr = end->client,
		.fl4_sport = end->port,
		.fl4_dport = end->client_port,
	};
	struct rtable *rt = ip_route_output_flow(dn->net, &fl4, NULL);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_UNICAST)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

static struct dst_entry *dpr_splice_route6(struct dpr_net *dn,
					   const struct dpr_splice_end *end,
					   u32 *cookie)
{
	const struct dpr_splice_addresses *wide = dpr_splice_wide(end);
	struct flowi6 fl6 = {
		.flowi6_proto = IPPROTO_TCP,
		.saddr = *dpr_local_in6(&wide->address),
		.daddr = *dpr_local_in6(&wide->client),
		.fl6_sport = end->port,
		.fl6_dport = end->client_port,
	};
	struct dst_entry *dst = ip6_dst_lookup_flow(dn->net, NULL, &fl6, NULL);
	const struct rt6_info *rt = (const struct rt6_info *)dst;

	if (IS_ERR(dst))
		return NULL;
	*cookie = rt6_get_cookie(rt);
	if (!(rt->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST)))
		return dst;
	dst_release(dst);
	return NULL;
}

/* The route to an end, a reference is held; NULL if there is none. */
static struct dst_entry *dpr_splice_find(struct dpr_net *dn,
					 const struct dpr_splice_end *end,
					 u32 *cookie)
{
	struct dst_entry *dst;

	dst = end->wide ? dpr_splice_route6(dn, end, cookie) :
			  dpr_splice_route4(dn, end);
	/* What waits for keys of IPsec would not wait in dpr_fwd_ipip_xmit_on(). */
	if (dst && (dst->dev->flags & IFF_LOOPBACK ||
		    dst->flags & DST_XFRM_QUEUE)) {
		dst_release(dst);
		return NULL;
	}
	return dst;
}

/*
 * Another CPU may do the same: the last one's stays. What was kept before lasts as long as
 * this RCU section.
 */
static noinline struct dst_entry *
dpr_splice_find_client(struct dpr_net *dn, struct dpr_splice *splice)
{
	struct dpr_splice_end *end = &splice->end[DPR_SPLICE_CLIENT];
	struct dst_entry *dst;
	u32 cookie = 0;

	dst = dpr_splice_find(dn, end, &cookie);
	/* One of IPv4 has its addresses there. */
	if (end->wide)
		WRITE_ONCE(end->cookie, cookie);
	/* A reference for the splice; the caller's lasts as long as that. */
	dst_release(unrcu_pointer(xchg(&splice->dst, RCU_INITIALIZER(dst))));
	return dst;
}

/*
 * A policy may be about ports, and the backend's way knows none of this host's, nor any if
 * those of the services count. The stack sends nothing by a route that nobody holds.
 */
static noinline struct dst_entry *
dpr_splice_find_backend(struct dpr_net *dn, struct dpr_splice *splice)
{
	struct dpr_backend_way *way = this_cpu_ptr(splice->backend->ways);
	struct dst_entry *dst;
	u32 cookie;

	dst = dpr_splice_find(dn, &splice->end[DPR_SPLICE_BACKEND], &cookie);
	dst_release(way->last);
	way->last = dst;
	return dst;
}

/**
 * dpr_splice_route - the route of what an end sends to the other
 * @dn: the namespace
 * @splice: the splice
 * @from: who has sent it
 *
 * Called under RCU in softirq; the route is good until that ends.
 *
 * Return: the route, NULL if there is none.
 */
struct dst_entry *dpr_splice_route(struct dpr_net *dn, struct dpr_splice *splice,
				   enum dpr_splice_from from)
{
	const struct dpr_splice_end *client = &splice->end[DPR_SPLICE_CLIENT];
	const struct dpr_backend_way *way;
	struct dst_entry *dst;

	if (from == DPR_SPLICE_CLIENT) {
		if (unlikely(dpr_compat_protects(dn->net)))
			return dpr_splice_find_backend(dn, splice);
		way = dpr_backend_way(dn, splice->backend);
		return way ? way->dst : NULL;
	}
	dst = rcu_dereference(splice->dst);
	if (likely(dpr_backend_way_valid(dn, client->wide, dst,
					 READ_ONCE(client->cookie))))
		return dst;
	return dpr_splice_find_client(dn, splice);
}

/**
 * dpr_splice_output - send a packet that is translated
 * @dn: the namespace
 * @skb: the packet; consumed
 * @dst: its route, under RCU
 * @fits: it, or each segment of a super-packet, fits that
 *
 * It passes POST_ROUTING as what this host routes does, but connection tracking has not
 * seen it, and is not to look for a connection of its own.
 *
 * Return: false if it was dropped, and counted.
 */
bool dpr_splice_output(struct dpr_net *dn, struct sk_buff *skb,
		       struct dst_entry *dst, bool fits)
{
	int err;

	skb_orphan(skb);
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, dst);
	nf_reset_ct(skb);
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	skb_clear_tstamp(skb);
	if (dpr_local_wide(skb)) {
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
		err = dst_output(dn->net, NULL, skb);
	} else {
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
		err = likely(fits && skb_headroom(skb) >=
				     LL_RESERVED_SPACE(dst->dev)) ?
		      dpr_fwd_ipip_xmit_on(dn->net, skb) :
		      dst_output(dn->net, NULL, skb);
	}
	if (likely(!net_xmit_eval(err)))
		return true;
	dpr_stats_inc(dn, DPR_STAT_SPLICE_ERROR);
	return false;
}
