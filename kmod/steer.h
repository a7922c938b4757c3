/* SPDX-License-Identifier: GPL-2.0 */
/* Who gets a client's packet: this host's stack, or a peer. */
#ifndef _DPR_STEER_H
#define _DPR_STEER_H

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct sk_buff;

struct dpr_peer *dpr_steer_peer(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb,
				const struct dpr_flow_key *key);
unsigned int dpr_steer_tcp(struct dpr_net *dn, struct sk_buff *skb);
void dpr_steer_teardown(const struct dpr_net *dn);
unsigned int dpr_steer_marked(struct dpr_net *dn, struct sk_buff *skb);
unsigned int dpr_steer_tcp6(struct dpr_net *dn, struct sk_buff *skb,
			    unsigned int offset);

#endif /* _DPR_STEER_H */
