/* SPDX-License-Identifier: GPL-2.0 */
/* The way into the module: classify a packet, then call. */
#ifndef _DPR_HOOK_H
#define _DPR_HOOK_H

#include <linux/netfilter.h>
#include "flow.h"
#include "main.h"

int dpr_hook_register(struct dpr_net *dn);
void dpr_hook_unregister_in(struct dpr_net *dn);
void dpr_hook_unregister_out(struct dpr_net *dn);
struct dpr_peer *dpr_hook_peer(struct dpr_net *dn,
			       const struct dpr_config *cfg,
			       struct sk_buff *skb,
			       const struct dpr_flow_key *key);

#endif /* _DPR_HOOK_H */
