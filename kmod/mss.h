/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_MSS_H
#define _DPR_MSS_H

#include <linux/netfilter.h>

struct dpr_flow_key;
struct dpr_net;

void dpr_mss_expect(const struct dpr_net *dn, const struct dpr_flow_key *key);
void dpr_mss_limit(struct dpr_net *dn, struct sk_buff *skb, unsigned int offset,
		   unsigned int most);
unsigned int dpr_mss_hook(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state);
unsigned int dpr_mss_hook6(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state);

#endif /* _DPR_MSS_H */
