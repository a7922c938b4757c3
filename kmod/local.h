/* SPDX-License-Identifier: GPL-2.0 */
/* Which addresses are this host's, and which can be anybody's. */
#ifndef _DPR_LOCAL_H
#define _DPR_LOCAL_H

#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include "core/addr.h"

/** dpr_local_in6 - an IPv6 address as the kernel takes it */
static inline const struct in6_addr *dpr_local_in6(const struct dpr_addr *addr)
{
	return (const struct in6_addr *)addr;
}

/**
 * dpr_local_dev6 - the device that has an IPv6 address, in a VRF or not
 * @net: the namespace
 * @addr: the address
 *
 * Looks at all devices. Called under RCU.
 *
 * Return: NULL if none has it.
 */
static inline const struct net_device *dpr_local_dev6(struct net *net,
						      const struct dpr_addr *addr)
{
	const struct net_device *dev;

	for_each_netdev_rcu(net, dev)
		if (ipv6_chk_addr(net, dpr_local_in6(addr), dev, 1))
			return dev;
	return NULL;
}

/**
 * dpr_local_has - does this host have an address
 * @net: the namespace
 * @dev: a device; IPv6 addresses of another VRF than its own do not count. NULL: all do
 * @addr: the address
 *
 * Called under RCU.
 */
static inline bool dpr_local_has(struct net *net, const struct net_device *dev,
				 const struct dpr_addr *addr)
{
	if (likely(dpr_addr_is4(addr)))
		return __ip_dev_find(net, addr->word[3], false);
	return ipv6_chk_addr(net, dpr_local_in6(addr), dev, 0);
}

/**
 * dpr_local_unicast6 - can an IPv6 address be a host's that is reached by routers
 * @addr: the address
 *
 * Not one that means something on one link only, nor an IPv4 one.
 */
static inline bool dpr_local_unicast6(const struct in6_addr *addr)
{
	const int type = ipv6_addr_type(addr);

	return type & IPV6_ADDR_UNICAST &&
	       !(type & (IPV6_ADDR_LOOPBACK | IPV6_ADDR_LINKLOCAL |
			 IPV6_ADDR_MAPPED));
}

/**
 * dpr_local_unicast - the same for an address of either family
 * @addr: the address
 */
static inline bool dpr_local_unicast(const struct dpr_addr *addr)
{
	const __be32 v4 = addr->word[3];

	if (!dpr_addr_is4(addr))
		return dpr_local_unicast6(dpr_local_in6(addr));
	return !ipv4_is_multicast(v4) && !ipv4_is_lbcast(v4) &&
	       !ipv4_is_loopback(v4) && !ipv4_is_zeronet(v4);
}

/**
 * dpr_local_on_link - does an IPv6 address mean something on one link only
 * @addr: the address
 */
static inline bool dpr_local_on_link(const struct dpr_addr *addr)
{
	return ipv6_addr_type(dpr_local_in6(addr)) & IPV6_ADDR_LINKLOCAL;
}

/**
 * dpr_local_address - a device's address of a family
 * @net: the namespace
 * @dev: the device
 * @wide: of IPv6
 * @addr: set to the address from which this host talks to others by that device; none
 *	that is of the link only, or temporary (RFC 8981)
 *
 * Called under RCU.
 *
 * Return: false if it has none.
 */
static inline bool dpr_local_address(struct net *net, const struct net_device *dev,
				     bool wide, struct dpr_addr *addr)
{
	/* 2000::, from where global addresses are assigned. */
	const struct in6_addr anywhere = { .s6_addr = { 0x20 } };
	struct in6_addr source;

	if (!wide) {
		*addr = dpr_addr_of4(inet_select_addr(dev, 0, RT_SCOPE_UNIVERSE));
		return addr->word[3];
	}
	if (ipv6_dev_get_saddr(net, dev, &anywhere, IPV6_PREFER_SRC_PUBLIC,
			       &source) ||
	    !dpr_local_unicast6(&source))
		return false;
	*addr = dpr_addr_of6(&source);
	return true;
}

/**
 * dpr_local_ip6 - does this kernel have IPv6 now
 *
 * Not if it was booted with ipv6.disable=1. Then there is no routing table that could be
 * asked.
 */
static inline bool dpr_local_ip6(void)
{
	return ipv6_mod_enabled();
}

/**
 * dpr_local_routed6 - does a packet say where it is to go from here
 * @skb: the packet
 * @offset: of its IPv6 header from skb->data
 *
 * Return: true if it has a routing header with segments left, so that its destination is
 * not its last.
 */
static inline bool dpr_local_routed6(const struct sk_buff *skb, unsigned int offset)
{
	unsigned int at = offset;
	int flags = IP6_FH_F_SKIP_RH;

	return ipv6_find_hdr(skb, &at, NEXTHDR_ROUTING, NULL, &flags) >= 0;
}

/** dpr_local_wide - is a packet one of IPv6 */
static inline bool dpr_local_wide(const struct sk_buff *skb)
{
	return unlikely(skb->protocol == htons(ETH_P_IPV6));
}

#endif /* _DPR_LOCAL_H */
