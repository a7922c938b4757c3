/* SPDX-License-Identifier: GPL-2.0 */
/* New connections: everything around the decision itself (policy.h). */
#ifndef _DPR_SYN_H
#define _DPR_SYN_H

#include "dpr.h"

struct dpr_config;
struct dpr_flow;
struct dpr_flow_key;
struct dpr_net;
struct dpr_segment;
struct sk_buff;

unsigned int dpr_syn(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_segment *seg,
		     struct dpr_flow *flow);
unsigned int dpr_syn_returned(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct sk_buff *skb,
			      const struct dpr_segment *seg, __be32 peer,
			      u8 refusals);
enum dpr_stat dpr_syn_refuses(struct dpr_net *dn, const struct dpr_config *cfg,
			      const struct sk_buff *skb,
			      const struct dpr_flow_key *key);

#endif /* _DPR_SYN_H */
