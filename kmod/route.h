/* SPDX-License-Identifier: GPL-2.0 */
/* The way to a peer: a route and an outer header, kept by each CPU. */
#ifndef _DPR_ROUTE_H
#define _DPR_ROUTE_H

#include <linux/ip.h>
#include <net/ip.h>
#include "config.h"
#include "netns.h"

/**
 * struct dpr_route - one CPU's way to a peer
 * @rt: the route, a reference is held; NULL if there is none yet
 * @marker: enum dpr_marker that @header was made for
 * @check: sum of the header's constant fields, for the checksum
 * @header: the outer header, but for length, TOS and checksum
 */
struct dpr_route {
	struct rtable *rt;
	u32 marker;
	u32 check;
	struct iphdr header;
};

struct dpr_route __percpu *dpr_route_alloc(void);
void dpr_route_free(struct dpr_route __percpu *routes);
struct dpr_route *dpr_route_find(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct dpr_route *route, __be32 peer);

/**
 * dpr_route_get - the way to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @routes: the peer's
 * @peer: the peer's address
 *
 * Called in softirq; the route is good until that ends.
 *
 * Return: the way, NULL if there is none.
 */
static inline struct dpr_route *
dpr_route_get(struct dpr_net *dn, const struct dpr_config *cfg,
	      struct dpr_route __percpu *routes, __be32 peer)
{
	struct dpr_route *route = this_cpu_ptr(routes);
	const struct rtable *rt = route->rt;

	/* What ipv4_dst_check() asks, without calling it. */
	if (likely(rt && rt->dst.obsolete == DST_OBSOLETE_FORCE_CHK &&
		   rt->rt_genid == rt_genid_ipv4(dn->net) &&
		   route->header.saddr == cfg->address &&
		   route->marker == cfg->marker))
		return route;
	return dpr_route_find(dn, cfg, route, peer);
}

/**
 * dpr_route_mtu - the largest packet that fits the way to a peer
 * @route: the way
 *
 * Return: bytes, the outer header included.
 */
static inline unsigned int dpr_route_mtu(const struct dpr_route *route)
{
	const struct rtable *rt = route->rt;
	unsigned int mtu = READ_ONCE(rt->dst.dev->mtu);

	/* Path MTU discovery, the route or its encapsulation may know better. */
	if (unlikely(rt->rt_pmtu || rt->dst.lwtstate || mtu > IP_MAX_MTU ||
		     DST_METRICS_PTR(&rt->dst) != dst_default_metrics.metrics))
		return ip_dst_mtu_maybe_forward(&rt->dst, false);
	return mtu;
}

#endif /* _DPR_ROUTE_H */
