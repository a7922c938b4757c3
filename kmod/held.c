// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include "held.h"

/* Memory that all segments together may take. */
#define DPR_HELD_BYTES	(4 << 20)

/**
 * dpr_held_setup - make a queue on which nothing waits
 * @queue: the queue
 */
void dpr_held_setup(struct dpr_held_queue *queue)
{
	INIT_LIST_HEAD(&queue->list);
	queue->bytes = 0;
}

/**
 * dpr_held_put - have a segment wait
 * @queue: the queue; locked
 * @held: where the segment waits, in place of another one that may be there
 * @skb: the segment, at a hook
 *
 * The device may go while it waits, so only its index is kept.
 *
 * Return: false if there is no room: the segment is still the caller's.
 */
bool dpr_held_put(struct dpr_held_queue *queue, struct dpr_held *held,
		  struct sk_buff *skb)
{
	kfree_skb(dpr_held_take(queue, held));
	if (queue->bytes + skb->truesize > DPR_HELD_BYTES)
		return false;
	held->skb = skb;
	held->iif = skb->dev->ifindex;
	held->at = jiffies;
	skb->dev = NULL;
	skb_dst_drop(skb);
	skb_orphan(skb);
	queue->bytes += skb->truesize;
	list_add_tail(&held->list, &queue->list);
	return true;
}

/**
 * dpr_held_take - end a segment's wait
 * @queue: the queue; locked
 * @held: where it waits
 *
 * Return: the segment, the caller's now, for dpr_held_resume() or kfree_skb(); NULL if
 * there is none.
 */
struct sk_buff *dpr_held_take(struct dpr_held_queue *queue,
			      struct dpr_held *held)
{
	struct sk_buff *skb = held->skb;

	if (!skb)
		return NULL;
	held->skb = NULL;
	list_del(&held->list);
	queue->bytes -= skb->truesize;
	return skb;
}

/**
 * dpr_held_expire - drop the segments that have waited in vain
 * @queue: the queue; locked
 * @age: jiffies; what waits for as long, or longer, is dropped
 *
 * Return: true if some still wait.
 */
bool dpr_held_expire(struct dpr_held_queue *queue, u32 age)
{
	struct dpr_held *held;

	while (!list_empty(&queue->list)) {
		held = list_first_entry(&queue->list, struct dpr_held, list);
		if ((u32)jiffies - held->at < age)
			return true;
		kfree_skb(dpr_held_take(queue, held));
	}
	return false;
}

/**
 * dpr_held_resume - make a segment as it was when it came
 * @net: the namespace that it came to
 * @skb: the segment, which dpr_held_take() returned; NULL is none
 * @iif: the device that it came by
 *
 * Called under RCU.
 *
 * Return: the segment; NULL if there is none, or no such device any more: then it is
 * freed.
 */
struct sk_buff *dpr_held_resume(struct net *net, struct sk_buff *skb, int iif)
{
	struct net_device *dev;

	if (!skb)
		return NULL;
	dev = dev_get_by_index_rcu(net, iif);
	if (!dev) {
		kfree_skb(skb);
		return NULL;
	}
	skb->dev = dev;
	return skb;
}
