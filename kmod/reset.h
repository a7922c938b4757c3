/* SPDX-License-Identifier: GPL-2.0 */
/* RSTs to clients that the stack cannot send by itself. */
#ifndef _DPR_RESET_H
#define _DPR_RESET_H

#include <linux/types.h>

struct dpr_flow;
struct dpr_flow_key;
struct dpr_net;
struct dpr_segment;
struct dst_entry;
struct sk_buff;

void dpr_reset_reply(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_segment *seg, unsigned int offset);
struct dst_entry *dpr_reset_route(struct dpr_net *dn,
				  const struct dpr_flow_key *key, int vrf);
void dpr_reset_connection(struct dpr_net *dn, const struct dpr_flow_key *key, u32 seq);
void dpr_reset_client(struct dpr_net *dn, const struct dpr_flow *flow);

#endif /* _DPR_RESET_H */
