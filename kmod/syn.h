/* SPDX-License-Identifier: GPL-2.0 */
/* New connections: everything around the decision itself (policy.h). */
#ifndef _DPR_SYN_H
#define _DPR_SYN_H

struct dpr_config;
struct dpr_flow;
struct dpr_net;
struct dpr_segment;
struct sk_buff;

unsigned int dpr_syn(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_segment *seg,
		     struct dpr_flow *flow);

#endif /* _DPR_SYN_H */
