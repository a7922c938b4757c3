/* SPDX-License-Identifier: GPL-2.0 */
/* The way in: packets that a peer redirected to this host. */
#ifndef _DPR_RECEIVE_H
#define _DPR_RECEIVE_H

struct dpr_config;
struct dpr_net;
struct sk_buff;

unsigned int dpr_receive(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb);
unsigned int dpr_receive6(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct sk_buff *skb);

#endif /* _DPR_RECEIVE_H */
