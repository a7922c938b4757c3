/* SPDX-License-Identifier: GPL-2.0 */
/* Taking connections over from first hosts. */
#ifndef _DPR_HANDOVER_TAKE_H
#define _DPR_HANDOVER_TAKE_H

struct dpr_config;
struct dpr_handover_msg;
struct dpr_inner;
struct dpr_net;
struct dpr_peer;
struct sk_buff;

/* Not a netfilter verdict: it is like any segment that was redirected. */
#define DPR_HANDOVER_ORDINARY	(~0U)

unsigned int dpr_handover_take(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct sk_buff *skb, struct dpr_inner *in,
			       const struct dpr_handover_msg *msg,
			       struct dpr_peer *peer);

#endif /* _DPR_HANDOVER_TAKE_H */
