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

static struct dpr_handover_seen_set *
dpr_handover_seen_set(struct dpr_handover_seen *seen, u64 tag)
{
	return &seen->set[tag % DPR_HANDOVER_SEEN_SETS];
}

static struct dpr_handover_seen_one *
dpr_handover_seen_find(struct dpr_handover_seen_set *set, u64 tag)
{
	u32 i;

	for (i = 0; i < DPR_HANDOVER_SEEN_WAYS; i++)
		if (set->one[i].as != DPR_HANDOVER_SEEN_NEW &&
		    set->one[i].tag == tag)
			return &set->one[i];
	return NULL;
}

/* Is it so long ago that no message made before counts any more? */
static bool dpr_handover_seen_over(u32 at)
{
	return (u32)jiffies - at > DPR_HANDOVER_SEEN_LIFE;
}

/*
 * A place for another one: a free one, or that of the handover that was not heard of for
 * longest. NULL if there is none. What is being looked at stays.
 */
static struct dpr_handover_seen_one *
dpr_handover_seen_room(struct dpr_handover_seen_set *set)
{
	struct dpr_handover_seen_one *one, *oldest = NULL;

	for (one = set->one; one < set->one + DPR_HANDOVER_SEEN_WAYS; one++) {
		if (one->as == DPR_HANDOVER_SEEN_NEW)
			return one;
		if (one->as != DPR_HANDOVER_SEEN_OPEN &&
		    dpr_handover_seen_over(one->at) &&
		    (!oldest || (s32)(one->at - oldest->at) < 0))
			oldest = one;
	}
	return oldest;
}

/* The first copy, as far as is known. A set that was full may have refused one. */
static enum dpr_handover_seen_as
dpr_handover_seen_first(struct dpr_handover_seen_set *set, u64 tag)
{
	struct dpr_handover_seen_one *one = dpr_handover_seen_room(set);

	if (!one) {
		set->full = true;
		set->full_at = jiffies;
		return DPR_HANDOVER_SEEN_FULL;
	}
	if (set->full && dpr_handover_seen_over(set->full_at))
		set->full = false;
	*one = (struct dpr_handover_seen_one){
		.tag = tag,
		.at = jiffies,
		.as = set->full ? DPR_HANDOVER_SEEN_FAILED :
				  DPR_HANDOVER_SEEN_OPEN,
	};
	return set->full ? DPR_HANDOVER_SEEN_FULL : DPR_HANDOVER_SEEN_NEW;
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
	struct dpr_handover_seen_set *set = dpr_handover_seen_set(seen, tag);
	spinlock_t *lock = dpr_handover_seen_lock(seen, tag);
	struct dpr_handover_seen_one *one;
	enum dpr_handover_seen_as as;

	spin_lock(lock);
	one = dpr_handover_seen_find(set, tag);
	if (one) {
		one->at = jiffies;
		as = one->as;
	} else {
		as = dpr_handover_seen_first(set, tag);
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
	one = dpr_handover_seen_find(dpr_handover_seen_set(seen, tag), tag);
	if (one)
		one->as = as;
	spin_unlock(lock);
}
