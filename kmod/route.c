// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/ip.h>
#include <net/l3mdev.h>
#include "config.h"
#include "dpr.h"
#include "netns.h"
#include "route.h"
#include "tunnel.h"

/**
 * dpr_route_alloc - make room for a peer's routes
 *
 * Return: the routes, NULL if there is no memory.
 */
struct dpr_route __percpu *dpr_route_alloc(void)
{
	return alloc_percpu_gfp(struct dpr_route, GFP_KERNEL_ACCOUNT);
}

/**
 * dpr_route_free - free a peer's routes
 * @routes: the routes; nobody uses them any more
 */
void dpr_route_free(struct dpr_route __percpu *routes)
{
	int cpu;

	for_each_possible_cpu(cpu)
		ip_rt_put(per_cpu_ptr(routes, cpu)->rt);
	free_percpu(routes);
}

static void dpr_route_fill(struct dpr_route *route,
			   const struct dpr_config *cfg, struct rtable *rt,
			   __be32 peer)
{
	struct iphdr *header = &route->header;

	*header = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*header) >> 2,
		/* No number: it is never fragmented (RFC 6864, 4.1). */
		.frag_off = htons(IP_DF),
		.ttl = ip4_dst_hoplimit(&rt->dst),
		.protocol = IPPROTO_IPIP,
		.saddr = cfg->address,
		.daddr = peer,
	};
	if (cfg->marker == DPR_MARKER_FRAGBIT)
		header->frag_off |= htons(DPR_TUNNEL_MARK);
	route->check = (__force u16)~ip_fast_csum(header, header->ihl);
	route->marker = cfg->marker;
	route->rt = rt;
}

/* The VRF that this host's address is in, 0 if it is in none. */
static int dpr_route_vrf(struct dpr_net *dn, __be32 address)
{
	struct net_device *dev = __ip_dev_find(dn->net, address, false);

	return dev ? l3mdev_master_ifindex_rcu(dev) : 0;
}

/**
 * dpr_route_find - find this CPU's way to a peer anew
 * @dn: the namespace
 * @cfg: the configuration
 * @route: what is kept of it
 * @peer: the peer's address
 *
 * A route back into this host would redirect for ever, so only a unicast one
 * over a real device will do. Called in softirq.
 *
 * Return: @route, NULL if there is no way.
 */
struct dpr_route *dpr_route_find(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct dpr_route *route, __be32 peer)
{
	struct flowi4 fl4 = {
		.daddr = peer,
		.saddr = cfg->address,
		.flowi4_proto = IPPROTO_IPIP,
		.flowi4_oif = dpr_route_vrf(dn, cfg->address),
	};
	struct rtable *rt;

	ip_rt_put(route->rt);
	route->rt = NULL;
	rt = ip_route_output_key(dn->net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type != RTN_UNICAST || rt->dst.dev->flags & IFF_LOOPBACK) {
		ip_rt_put(rt);
		return NULL;
	}
	dpr_route_fill(route, cfg, rt, peer);
	return route;
}
