/* SPDX-License-Identifier: GPL-2.0 */
/* Sending messages to peers about who has a connection's socket. */
#ifndef _DPR_ASK_H
#define _DPR_ASK_H

#include "owner_msg.h"

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct net_device;

bool dpr_ask_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct net_device *dev, struct dpr_peer *peer,
		  enum dpr_owner_msg_kind kind, u32 nonce,
		  const struct dpr_flow_key *key);
void dpr_ask_send_made(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct net_device *dev, struct dpr_peer *peer,
		       struct sk_buff *skb);
bool dpr_ask_send_copy(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct net_device *dev, struct dpr_peer *peer,
		       const struct sk_buff *skb);

#endif /* _DPR_ASK_H */
