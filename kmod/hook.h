/* SPDX-License-Identifier: GPL-2.0 */
/* The way into the module: classify a packet, then call. */
#ifndef _DPR_HOOK_H
#define _DPR_HOOK_H

#include <linux/netfilter.h>

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;

int dpr_hook_start(struct dpr_net *dn);
void dpr_hook_unregister_in(struct dpr_net *dn);
void dpr_hook_unregister_out(struct dpr_net *dn);
struct dpr_peer *dpr_hook_peer(struct dpr_net *dn,
			       const struct dpr_config *cfg,
			       struct sk_buff *skb,
			       const struct dpr_flow_key *key);

#endif /* _DPR_HOOK_H */
