// SPDX-License-Identifier: GPL-2.0
#include <net/ip.h>
#include <net/route.h>
#include "compat.h"
#include "inner.h"
#include "protected.h"

/**
 * dpr_protected_routed - the same once more: its route knows the device's disable_policy
 * @skb: the packet
 * @wide: it is of IPv6
 */
bool dpr_protected_routed(struct sk_buff *skb, bool wide)
{
	const struct iphdr *iph = ip_hdr(skb);

	skb_dst_drop(skb);
	return (wide ? dpr_inner_route6(skb) :
		       !ip_route_input_noref(skb, iph->daddr, iph->saddr,
					     dpr_compat_dscp(iph), skb->dev)) &&
	       xfrm_policy_check(NULL, XFRM_POLICY_IN, skb,
				 wide ? AF_INET6 : AF_INET);
}
