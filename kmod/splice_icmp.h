/* SPDX-License-Identifier: GPL-2.0 */
/* ICMP errors about what this host has translated. */
#ifndef _DPR_SPLICE_ICMP_H
#define _DPR_SPLICE_ICMP_H

#include <linux/types.h>

struct dpr_flow_key;
struct dpr_net;
struct sk_buff;

bool dpr_splice_icmp(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_flow_key *key, unsigned int *verdict);

#endif /* _DPR_SPLICE_ICMP_H */
