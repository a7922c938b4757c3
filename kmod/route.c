// SPDX-License-Identifier: GPL-2.0
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include "config.h"
#include "local.h"
#include "netns.h"
#include "route.h"

/**
 * dpr_route_alloc - make room for a peer's routes
 *
 * Return: the routes, NULL if there is no memory.
 */
struct dpr_routes __percpu *dpr_route_alloc(void)
{
	return alloc_percpu_gfp(struct dpr_routes, GFP_KERNEL_ACCOUNT);
}

/**
 * dpr_route_free - free a peer's routes
 * @routes: the routes; nobody uses them any more
 */
void dpr_route_free(struct dpr_routes __percpu *routes)
{
	int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < ARRAY_SIZE(routes->of); i++)
			dst_release(per_cpu_ptr(routes, cpu)->of[i].dst);
	free_percpu(routes);
}

/**
 * dpr_route_valid6 - dpr_route_valid() by an IPv6 route
 * @cfg: the configuration
 * @route: this CPU's, with a route
 */
bool dpr_route_valid6(const struct dpr_config *cfg,
		      const struct dpr_route *route)
{
	return dst_check(route->dst, route->cookie) &&
	       ipv6_addr_equal(&route->ip6.saddr,
			       dpr_local_in6(&cfg->address));
}

/*
 * The device that has an IPv6 address. There may be thousands, so the one that had it last is
 * asked first; if it has it still, the others do not matter.
 */
static const struct net_device *dpr_route_dev6(struct dpr_net *dn,
					       const struct dpr_addr *address)
{
	const struct net_device *dev =
		dev_get_by_index_rcu(dn->net, READ_ONCE(dn->own_dev));

	if (dev && ipv6_chk_addr(dn->net, dpr_local_in6(address), dev, 1))
		return dev;
	dev = dpr_local_dev6(dn->net, address);
	if (dev)
		WRITE_ONCE(dn->own_dev, dev->ifindex);
	return dev;
}

/**
 * dpr_route_vrf - the VRF that this host's address is in
 * @dn: the namespace
 * @address: the address
 *
 * Asks all devices only if an IPv6 address has moved to another one, or is gone. Called
 * under RCU.
 *
 * Return: its index, 0 if it is in none.
 */
int dpr_route_vrf(struct dpr_net *dn, const struct dpr_addr *address)
{
	const struct net_device *dev;

	dev = dpr_addr_is4(address) ?
	      __ip_dev_find(dn->net, address->word[3], false) :
	      dpr_route_dev6(dn, address);
	return dev ? l3mdev_master_ifindex_rcu(dev) : 0;
}

static struct dst_entry *dpr_route_lookup4(struct dpr_net *dn,
					   const struct dpr_config *cfg,
					   const struct dpr_addr *from,
					   const struct dpr_addr *to,
					   u8 protocol)
{
	struct flowi4 fl4 = {
		.daddr = to->word[3],
		.saddr = from->word[3],
		.flowi4_proto = protocol,
		.flowi4_oif = dpr_route_vrf(dn, &cfg->address),
		.flowi4_flags = dpr_addr_equal(from, &cfg->address) ?
				0 : FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt = ip_route_output_key(dn->net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_UNICAST)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

static struct dst_entry *dpr_route_lookup6(struct dpr_net *dn,
					   const struct dpr_config *cfg,
					   const struct dpr_addr *from,
					   const struct dpr_addr *to,
					   u8 protocol)
{
	struct flowi6 fl6 = {
		.daddr = *dpr_local_in6(to),
		.saddr = *dpr_local_in6(from),
		.flowi6_proto = protocol,
		.flowi6_oif = dpr_route_vrf(dn, &cfg->address),
	};
	struct dst_entry *dst = ip6_dst_lookup_flow(dn->net, NULL, &fl6, NULL);

	if (IS_ERR(dst))
		return NULL;
	if (!(((struct rt6_info *)dst)->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST)))
		return dst;
	dst_release(dst);
	return NULL;
}

/**
 * dpr_route_lookup - find the route to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer's address
 * @protocol: of the inner packets, 4 or 41
 *
 * A route back into this host would redirect for ever, so only a unicast one
 * over a real device will do. IPsec policy has been asked. Called in softirq.
 *
 * Return: the route, a reference taken; NULL if there is none.
 */
struct dst_entry *dpr_route_lookup(struct dpr_net *dn,
				   const struct dpr_config *cfg,
				   const struct dpr_addr *peer, u8 protocol)
{
	return dpr_route_lookup_from(dn, cfg, &cfg->address, peer, protocol);
}

/**
 * dpr_route_lookup_from - find the route that packets with another source take
 * @dn: the namespace
 * @cfg: the configuration
 * @from: the source: this host's address, or another host's
 * @to: the destination
 * @protocol: of the packets
 *
 * Otherwise as dpr_route_lookup().
 *
 * Return: the route, a reference taken; NULL if there is none.
 */
struct dst_entry *dpr_route_lookup_from(struct dpr_net *dn,
					const struct dpr_config *cfg,
					const struct dpr_addr *from,
					const struct dpr_addr *to, u8 protocol)
{
	struct dst_entry *dst;

	if (dpr_addr_is4(to) != dpr_addr_is4(from))
		return NULL;
	dst = dpr_addr_is4(to) ?
	      dpr_route_lookup4(dn, cfg, from, to, protocol) :
	      dpr_route_lookup6(dn, cfg, from, to, protocol);
	if (!dst || !(dst->dev->flags & IFF_LOOPBACK))
		return dst;
	dst_release(dst);
	return NULL;
}

/**
 * dpr_route_on_link - can a packet go to a peer without an outer header
 * @dst: the route to the peer, as dpr_route_lookup() returned it
 * @peer: the peer's address
 *
 * Return: true if the peer is on a link of this host that has link-layer addresses, and
 * nothing is to be done to packets on the way.
 */
bool dpr_route_on_link(const struct dst_entry *dst, const struct dpr_addr *peer)
{
	const struct rtable *rt = (const struct rtable *)dst;

	if (dst_xfrm(dst) || dst->lwtstate || dst->dev->type != ARPHRD_ETHER ||
	    dst->dev->flags & (IFF_NOARP | IFF_POINTOPOINT))
		return false;
	if (!dpr_addr_is4(peer))
		return !(((const struct rt6_info *)dst)->rt6i_flags & RTF_GATEWAY);
	return !rt->rt_gw_family;
}
