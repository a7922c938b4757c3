/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The messages between hosts by which the owner of a connection is found
 * (owner.h): they go through the tunnel, as packets that hosts redirect do.
 */
#ifndef _DPR_ASK_H
#define _DPR_ASK_H

#include "dpr.h"

struct dpr_config;
struct dpr_flow_key;
struct dpr_net;
struct dpr_peer;
struct net_device;
struct sk_buff;

/*
 * Protocol number of the inner packet that carries a message between hosts:
 * one that RFC 3692 sets aside for such use.
 */
#define DPR_ASK_PROTOCOL	253

/*
 * A host of version 0.1 knows the first two, and drops the others. It answers a
 * question by a claim or not at all.
 */
enum dpr_ask_kind {
	DPR_ASK_WHO = 1,	/* who has this connection's socket? */
	DPR_ASK_CLAIM = 2,	/* I have */
	DPR_ASK_STILL = 3,	/* do you still have it? */
	DPR_ASK_ENDED = 4,	/* I have not, or no longer */
	DPR_ASK_TIME_WAIT = 5,	/* it is in TIME_WAIT */
};

bool dpr_ask_send(struct dpr_net *dn, const struct dpr_config *cfg,
		  struct net_device *dev, struct dpr_peer *peer,
		  enum dpr_ask_kind kind, u32 nonce,
		  const struct dpr_flow_key *key);
enum dpr_stat dpr_ask_receive(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct sk_buff *skb, unsigned int olen);

#endif /* _DPR_ASK_H */
