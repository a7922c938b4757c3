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
struct rtable *dpr_route_lookup(struct dpr_net *dn,
				const struct dpr_config *cfg, __be32 peer);

/**
 * dpr_route_valid - is what a CPU keeps still the way to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @route: this CPU's
 *
 * Called in softirq; the route is good until that ends.
 *
 * Return: false if it must be found anew.
 */
static inline bool dpr_route_valid(const struct dpr_net *dn,
				   const struct dpr_config *cfg,
				   const struct dpr_route *route)
{
	const struct rtable *rt = route->rt;

	/* What ipv4_dst_check() asks, without calling it. */
	return likely(rt && rt->dst.obsolete == DST_OBSOLETE_FORCE_CHK &&
		      rt->rt_genid == rt_genid_ipv4(dn->net) &&
		      route->header.saddr == cfg->address &&
		      route->marker == cfg->marker);
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
