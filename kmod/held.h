/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Segments that wait for an answer from peers, instead of being dropped: what a client
 * would send again a fifth of a second later at the soonest goes on as soon as its host
 * is known.
 */
#ifndef _DPR_HELD_H
#define _DPR_HELD_H

#include <linux/list.h>
#include <linux/types.h>

struct net;
struct sk_buff;

/**
 * struct dpr_held - room for a segment that waits; all zero is an empty one
 * @list: in struct dpr_held_queue, if there is a segment
 * @skb: the segment, without device, route and socket; NULL if there is none
 * @iif: the device that it came by
 * @at: jiffies when it came
 */
struct dpr_held {
	struct list_head list;
	struct sk_buff *skb;
	int iif;
	u32 at;
};

/**
 * struct dpr_held_queue - all that wait, the oldest first
 * @list: of struct dpr_held
 * @bytes: memory that their segments take
 *
 * The caller's lock protects it, and what is on it.
 */
struct dpr_held_queue {
	struct list_head list;
	u32 bytes;
};

void dpr_held_setup(struct dpr_held_queue *queue);
bool dpr_held_put(struct dpr_held_queue *queue, struct dpr_held *held,
		  struct sk_buff *skb);
struct sk_buff *dpr_held_take(struct dpr_held_queue *queue,
			      struct dpr_held *held);
bool dpr_held_expire(struct dpr_held_queue *queue, u32 age);
struct sk_buff *dpr_held_resume(struct net *net, struct sk_buff *skb, int iif);

#endif /* _DPR_HELD_H */
