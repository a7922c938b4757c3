// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/route.h>
#include "compat.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "way.h"

/*
 * The device by which an address is reached without a gateway; NULL if there is none,
 * or all the world is there (a default route by PPP).
 */
static const struct net_device *dpr_way_link6(struct dpr_net *dn,
					      const struct dpr_addr *address)
{
	struct flowi6 fl6 = { .daddr = *dpr_local_in6(address) };
	struct fib6_result res = {};

	if (!dpr_local_ip6() ||
	    dpr_compat_fib6_lookup(dn->net, 0, &fl6, &res, 0) ||
	    IS_ERR_OR_NULL(res.f6i) || res.fib6_type != RTN_UNICAST ||
	    res.fib6_flags & RTF_REJECT || !res.f6i->fib6_dst.plen ||
	    res.nh->fib_nh_gw_family)
		return NULL;
	return res.nh->fib_nh_dev;
}

static const struct net_device *dpr_way_link(struct dpr_net *dn,
					     const struct dpr_addr *address)
{
	struct flowi4 fl4 = { .daddr = address->word[3] };
	struct fib_result res;

	if (!dpr_addr_is4(address))
		return dpr_way_link6(dn, address);

	if (fib_lookup(dn->net, &fl4, &res, 0) || res.type != RTN_UNICAST ||
	    !res.prefixlen || res.nhc->nhc_gw_family)
		return NULL;
	return FIB_RES_DEV(res);
}

/**
 * dpr_way_behind - is a client behind this host
 * @dn: the namespace
 * @dev: the device that the client came by, not the one that leads to @peer
 * @peer: the peer
 * @client: the client's address
 *
 * The peer's own address is not asked for: another device leads to it. Called under RCU in
 * softirq.
 *
 * Return: true if the client is on a link of this host that the peer, as far as is known of
 * its addresses, is not on: the peer cannot answer it.
 */
noinline bool dpr_way_behind(struct dpr_net *dn, const struct net_device *dev,
			     const struct dpr_peer *peer,
			     const struct dpr_addr *client)
{
	const struct dpr_peer_addresses *others = rcu_dereference(peer->others);
	const struct net_device *link;
	u32 i;

	if (READ_ONCE(peer->protocol) < 2)
		return false;
	link = dpr_way_link(dn, client);
	if (link != dev)
		return false;
	for (i = 0; others && i < others->n; i++)
		if (dpr_way_link(dn, &others->address[i]) == link)
			return false;
	return true;
}
