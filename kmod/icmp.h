/* SPDX-License-Identifier: GPL-2.0 */
/* ICMP errors about redirected connections, and about our own tunnels. */
#ifndef _DPR_ICMP_H
#define _DPR_ICMP_H

struct dpr_config;
struct dpr_net;
struct sk_buff;

unsigned int dpr_icmp(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct sk_buff *skb);
unsigned int dpr_icmp6(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct sk_buff *skb);

#endif /* _DPR_ICMP_H */
