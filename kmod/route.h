/* SPDX-License-Identifier: GPL-2.0 */
/* The ways to a peer: a route and an outer header each, kept by each CPU. */
#ifndef _DPR_ROUTE_H
#define _DPR_ROUTE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include "config.h"
#include "local.h"
#include "netns.h"

/**
 * struct dpr_route - one CPU's way to a peer
 * @dst: the route, a reference is held; NULL if there is none yet
 * @marker: enum dpr_marker that @header was made for
 * @check: sum of the constant fields of @ip, for the checksum
 * @source: the second half of this host's address, which @ip was made for
 * @cookie: of an IPv6 route, shows whether it still holds
 * @wide: the outer header is @ip6, else @ip
 * @on_link: there is no router between, and a packet can go there as it is
 * @ip: the outer header, but for length, TOS and checksum
 * @ip6: the outer header, but for length, traffic class and flow label
 */
struct dpr_route {
	struct dst_entry *dst;
	u32 marker;
	u32 check;
	u64 source;
	u32 cookie;
	bool wide;
	bool on_link;
	union {
		struct iphdr ip;
		struct ipv6hdr ip6;
	};
};

/**
 * struct dpr_routes - one CPU's ways to a peer
 * @of: for inner packets of IPv4, and of IPv6: routing rules and IPsec tell the two
 *	protocols apart
 */
struct dpr_routes {
	struct dpr_route of[2];
};

struct dpr_routes __percpu *dpr_route_alloc(void);
void dpr_route_free(struct dpr_routes __percpu *routes);
int dpr_route_vrf(struct dpr_net *dn, const struct dpr_addr *address);
struct dst_entry *dpr_route_lookup(struct dpr_net *dn,
				   const struct dpr_config *cfg,
				   const struct dpr_addr *peer, u8 protocol);
struct dst_entry *dpr_route_lookup_from(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct dpr_addr *from,
					const struct dpr_addr *to, u8 protocol);
bool dpr_route_on_link(const struct dst_entry *dst, const struct dpr_addr *peer);
bool dpr_route_valid6(const struct dpr_config *cfg,
		      const struct dpr_route *route);

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
	const struct dst_entry *dst = route->dst;

	if (unlikely(!dst))
		return false;
	if (unlikely(route->wide))
		return dpr_route_valid6(cfg, route);
	/* What ipv4_dst_check() asks, without calling it. */
	return likely(dst->obsolete == DST_OBSOLETE_FORCE_CHK &&
		      ((const struct rtable *)dst)->rt_genid ==
		      rt_genid_ipv4(dn->net) &&
		      route->source == cfg->address.half[1] &&
		      route->marker == cfg->marker);
}

/**
 * dpr_route_mtu4 - the largest packet that fits the way to a peer
 * @route: the way, of IPv4
 *
 * Return: bytes, the outer header included.
 */
static inline unsigned int dpr_route_mtu4(const struct dpr_route *route)
{
	const struct rtable *rt = (const struct rtable *)route->dst;
	unsigned int mtu = READ_ONCE(rt->dst.dev->mtu);

	/* Path MTU discovery, the route or its encapsulation may know better. */
	if (unlikely(rt->rt_pmtu || rt->dst.lwtstate || mtu > IP_MAX_MTU ||
		     DST_METRICS_PTR(&rt->dst) != dst_default_metrics.metrics))
		return ip_dst_mtu_maybe_forward(&rt->dst, false);
	return mtu;
}

#endif /* _DPR_ROUTE_H */
