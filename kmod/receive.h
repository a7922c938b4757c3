/* SPDX-License-Identifier: GPL-2.0 */
/* The way in: packets that a peer redirected to this host, in a tunnel or direct. */
#ifndef _DPR_RECEIVE_H
#define _DPR_RECEIVE_H

struct dpr_config;
struct dpr_net;
struct dpr_segment;
struct sk_buff;

unsigned int dpr_receive(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb);
unsigned int dpr_receive6(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct sk_buff *skb);
unsigned int dpr_receive_direct(struct dpr_net *dn, const struct dpr_config *cfg,
				struct sk_buff *skb,
				const struct dpr_segment *seg, bool marked);

#endif /* _DPR_RECEIVE_H */
