/* SPDX-License-Identifier: GPL-2.0 */
/* RSTs to clients that the stack cannot send by itself. */
#ifndef _DPR_RESET_H
#define _DPR_RESET_H

struct dpr_flow;
struct dpr_net;
struct dpr_segment;
struct sk_buff;

void dpr_reset_reply(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_segment *seg, unsigned int offset);
void dpr_reset_client(struct dpr_net *dn, const struct dpr_flow *flow);

#endif /* _DPR_RESET_H */
