/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does the network let pass what a peer sends with this host's address as source?
 *
 * The answers to redirected connections are such packets, and many networks drop them:
 * clouds check the source of what a host sends. Redirected connections hang there. Only
 * the administrator asks (DPR_CMD_PEER_ASK). The peer gets a question through the tunnel,
 * and answers it three times:
 *
 * - through the tunnel: it got the question, and has answered;
 * - past the tunnel, from its own address: the network lets such packets pass;
 * - past the tunnel, from the address of the host that asks.
 *
 * If only the last is lost, the network checks sources. The second shows that it does not
 * drop the protocol as such, as firewalls do that let pass TCP only.
 */
#ifndef _DPR_SOURCE_H
#define _DPR_SOURCE_H

#include <linux/types.h>

struct dpr_config;
struct dpr_net;
struct dpr_peer;
struct net_device;
struct sk_buff;

int dpr_source_ask(struct dpr_net *dn, struct dpr_peer *peer);
void dpr_source_answer(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct net_device *dev, struct dpr_peer *peer, u32 nonce);
bool dpr_source_answered(struct dpr_net *dn, struct dpr_peer *peer, u32 nonce,
			 u8 answer);
unsigned int dpr_source_receive(struct dpr_net *dn,
				const struct dpr_config *cfg,
				struct sk_buff *skb);
unsigned int dpr_source_receive6(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct sk_buff *skb);

#endif /* _DPR_SOURCE_H */
