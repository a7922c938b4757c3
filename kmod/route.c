// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/ip.h>
#include <net/l3mdev.h>
#include "config.h"
#include "netns.h"
#include "route.h"

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

/* The VRF that this host's address is in, 0 if it is in none. */
static int dpr_route_vrf(struct dpr_net *dn, __be32 address)
{
	struct net_device *dev = __ip_dev_find(dn->net, address, false);

	return dev ? l3mdev_master_ifindex_rcu(dev) : 0;
}

/**
 * dpr_route_lookup - find the route to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer's address
 *
 * A route back into this host would redirect for ever, so only a unicast one
 * over a real device will do. Called in softirq.
 *
 * Return: the route, a reference taken; NULL if there is none.
 */
struct rtable *dpr_route_lookup(struct dpr_net *dn,
				const struct dpr_config *cfg, __be32 peer)
{
	struct flowi4 fl4 = {
		.daddr = peer,
		.saddr = cfg->address,
		.flowi4_proto = IPPROTO_IPIP,
		.flowi4_oif = dpr_route_vrf(dn, cfg->address),
	};
	struct rtable *rt = ip_route_output_key(dn->net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_UNICAST && !(rt->dst.dev->flags & IFF_LOOPBACK))
		return rt;
	ip_rt_put(rt);
	return NULL;
}
