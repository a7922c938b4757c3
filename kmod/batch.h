/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Questions that wait to be put to the peers together. After routers have changed their
 * hash a host asks for thousands of connections at once; a message for each and every peer
 * is what would bound how fast they are found.
 */
#ifndef _DPR_BATCH_H
#define _DPR_BATCH_H

#include "owner_msg.h"

struct dpr_config;
struct dpr_net;
struct net_device;
struct sk_buff;

/**
 * struct dpr_batch - questions about connections of one family
 * @n: how many wait
 * @question: they
 */
struct dpr_batch {
	u32 n;
	struct dpr_owner_question question[DPR_OWNER_MSG_MOST];
};

/**
 * dpr_batch_full - is there no room for another question
 * @batch: the questions
 */
static inline bool dpr_batch_full(const struct dpr_batch *batch)
{
	return batch->n >= DPR_OWNER_MSG_MOST;
}

struct sk_buff *dpr_batch_take(struct dpr_batch *batch,
			       const struct dpr_config *cfg);
u32 dpr_batch_send(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct net_device *dev, struct sk_buff *skb, bool alone);

#endif /* _DPR_BATCH_H */
