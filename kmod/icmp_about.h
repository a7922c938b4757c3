/* SPDX-License-Identifier: GPL-2.0 */
/* Which connection an ICMP error is about. */
#ifndef _DPR_ICMP_ABOUT_H
#define _DPR_ICMP_ABOUT_H

#include <linux/types.h>

struct dpr_flow_key;
struct sk_buff;

bool dpr_icmp_about(const struct sk_buff *skb, unsigned int offset, u8 protocol,
		    struct dpr_flow_key *key);
bool dpr_icmp_about6(const struct sk_buff *skb, unsigned int offset, u8 protocol,
		     struct dpr_flow_key *key);

#endif /* _DPR_ICMP_ABOUT_H */
