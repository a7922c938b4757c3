/* SPDX-License-Identifier: GPL-2.0 */
/* Does the policy of IPsec take what clients and backends send, as for this host's sockets? */
#ifndef _DPR_PROTECTED_H
#define _DPR_PROTECTED_H

#include <linux/skbuff.h>
#include <net/xfrm.h>

bool dpr_protected_routed(struct sk_buff *skb, bool wide);

/**
 * dpr_protected - does the policy of IPsec take a packet, protected as it was
 * @skb: the packet, as it came to PRE_ROUTING; pointers into it are stale afterwards
 * @wide: it is of IPv6
 *
 * Called under RCU in softirq.
 */
static __always_inline bool dpr_protected(struct sk_buff *skb, bool wide)
{
	return likely(xfrm_policy_check(NULL, XFRM_POLICY_IN, skb,
					wide ? AF_INET6 : AF_INET)) ||
	       dpr_protected_routed(skb, wide);
}

#endif /* _DPR_PROTECTED_H */
