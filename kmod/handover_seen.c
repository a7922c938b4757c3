// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/random.h>
#include "handover_seen.h"

/**
 * dpr_handover_seen_setup - remember nothing yet
 * @seen: all zero
 */
void dpr_handover_seen_setup(struct dpr_handover_seen *seen)
{
	u32 i;

	get_random_bytes(&seen->secret, sizeof(seen->secret));
	for (i = 0; i < DPR_HANDOVER_SEEN_LOCKS; i++)
		spin_lock_init(&seen->lock[i]);
}

/**
 * dpr_handover_seen_tag - what a handover is remembered by
 * @seen: the memory
 * @msg: the handover
 * @from: the host that it is from
 *
 * Copies have the same, whenever they were made.
 */
u64 dpr_handover_seen_tag(const struct dpr_handover_seen *seen,
			  const struct dpr_handover_msg *msg,
			  const struct dpr_addr *from)
{
	struct {
		struct dpr_addr client;
		struct dpr_addr address;
		struct dpr_addr from;
		u32 client_isn;
		u32 isn;
		__be16 client_port;
		__be16 port;
		u32 attempt;
	} text __aligned(8) = {
		.client = msg->key.client,
		.address = msg->key.address,
		.from = *from,
		.client_isn = msg->options.client_isn,
		.isn = msg->options.isn,
		.client_port = msg->key.client_port,
		.port = msg->key.port,
		.attempt = msg->attempt,
	};

	BUILD_BUG_ON(sizeof(text) != 64);
	return siphash(&text, sizeof(text), &seen->secret);
}

static spinlock_t *dpr_handover_seen_lock(struct dpr_handover_seen *seen, u64 tag)
{
	return &seen->lock[tag % DPR_HANDOVER_SEEN_LOCKS];
}

static struct dpr_handover_seen_one *
dpr_handover_seen_find(struct dpr_handover_seen *seen, u64 tag)
{
	struct dpr_handover_seen_one *set = seen->set[tag % DPR_HANDOVER_SEEN_SETS];
	u32 i;

	for (i = 0; i < DPR_HANDOVER_SEEN_WAYS; i++)
		if (set[i].as != DPR_HANDOVER_SEEN_NEW && set[i].tag == tag)
			return &set[i];
	return NULL;
}

/* A place for another one; NULL if there is none. What is being looked at stays. */
static struct dpr_handover_seen_one *
dpr_handover_seen_room(struct dpr_handover_seen *seen, u64 tag)
{
	struct dpr_handover_seen_one *set = seen->set[tag % DPR_HANDOVER_SEEN_SETS];
	u32 i;

	for (i = 0; i < DPR_HANDOVER_SEEN_WAYS; i++)
		if (set[i].as == DPR_HANDOVER_SEEN_NEW ||
		    (set[i].as != DPR_HANDOVER_SEEN_OPEN &&
		     (u32)jiffies - set[i].at > DPR_HANDOVER_SEEN_LIFE))
			return &set[i];
	return NULL;
}

/**
 * dpr_handover_seen_begin - what became of a handover
 * @seen: the memory
 * @tag: the handover
 *
 * Called with bottom halves off.
 *
 * Return: what; DPR_HANDOVER_SEEN_NEW if it is the caller's to decide on:
 * dpr_handover_seen_end() must follow.
 */
enum dpr_handover_seen_as dpr_handover_seen_begin(struct dpr_handover_seen *seen,
						  u64 tag)
{
	enum dpr_handover_seen_as as = DPR_HANDOVER_SEEN_NEW;
	spinlock_t *lock = dpr_handover_seen_lock(seen, tag);
	struct dpr_handover_seen_one *one;

	spin_lock(lock);
	one = dpr_handover_seen_find(seen, tag);
	if (one) {
		as = one->as;
	} else {
		one = dpr_handover_seen_room(seen, tag);
		if (one)
			*one = (struct dpr_handover_seen_one){
				.tag = tag,
				.at = jiffies,
				.as = DPR_HANDOVER_SEEN_OPEN,
			};
		else
			as = DPR_HANDOVER_SEEN_FULL;
	}
	spin_unlock(lock);
	return as;
}

/**
 * dpr_handover_seen_end - remember what becomes of a handover
 * @seen: the memory
 * @tag: the handover
 * @as: what; DPR_HANDOVER_SEEN_NEW: nothing, the next copy is like the first
 *
 * Called with bottom halves off.
 */
void dpr_handover_seen_end(struct dpr_handover_seen *seen, u64 tag,
			   enum dpr_handover_seen_as as)
{
	spinlock_t *lock = dpr_handover_seen_lock(seen, tag);
	struct dpr_handover_seen_one *one;

	spin_lock(lock);
	one = dpr_handover_seen_find(seen, tag);
	if (one)
		one->as = as;
	spin_unlock(lock);
}
