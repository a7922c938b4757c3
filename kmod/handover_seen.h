/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What became of the handovers that came, so that no copy of one makes a second socket, and
 * none is taken that was refused. A handover is remembered until nothing of it can be on its
 * way any more: a message counts for 20 s at the most (handover_msg.h). Before that its place
 * is nobody else's: a set of places in which there is none left refuses, and goes on to do so
 * for as long, for it does not know whom.
 *
 * While its copies come a handover is remembered, too: a first host that gets no answer makes
 * them for 30 s, when its client repeats its data and by itself, not 20 s apart.
 */
#ifndef _DPR_HANDOVER_SEEN_H
#define _DPR_HANDOVER_SEEN_H

#include <linux/siphash.h>
#include <linux/spinlock.h>
#include "handover_msg.h"

#define DPR_HANDOVER_SEEN_LIFE		(2 * DPR_HANDOVER_MSG_AGE * HZ + HZ)
#define DPR_HANDOVER_SEEN_WAYS		8
#define DPR_HANDOVER_SEEN_SETS		16384	/* a power of two */
#define DPR_HANDOVER_SEEN_LOCKS		64	/* likewise */

enum dpr_handover_seen_as {
	DPR_HANDOVER_SEEN_NEW,		/* it is the first copy */
	DPR_HANDOVER_SEEN_OPEN,		/* another copy is being looked at */
	DPR_HANDOVER_SEEN_TAKEN,
	DPR_HANDOVER_SEEN_REFUSED,
	DPR_HANDOVER_SEEN_FAILED,	/* refused, for what is this connection's alone */
	DPR_HANDOVER_SEEN_FULL,		/* likewise: it cannot be remembered */
};

/**
 * struct dpr_handover_seen_one - a handover
 * @tag: which
 * @at: jiffies when its last copy came
 * @as: enum dpr_handover_seen_as; new: the place is free
 */
struct dpr_handover_seen_one {
	u64 tag;
	u32 at;
	u32 as;
};

/**
 * struct dpr_handover_seen_set - those that share their places
 * @full: some were refused that no place says so of
 * @full_at: jiffies when that was last
 * @one: the places
 */
struct dpr_handover_seen_set {
	bool full;
	u32 full_at;
	struct dpr_handover_seen_one one[DPR_HANDOVER_SEEN_WAYS];
};

/**
 * struct dpr_handover_seen - the handovers that came
 * @secret: nobody else can compute which share a set
 * @lock: of sets
 * @set: by tag
 */
struct dpr_handover_seen {
	siphash_key_t secret;
	spinlock_t lock[DPR_HANDOVER_SEEN_LOCKS];	/* of sets */
	struct dpr_handover_seen_set set[DPR_HANDOVER_SEEN_SETS];
};

void dpr_handover_seen_setup(struct dpr_handover_seen *seen);
u64 dpr_handover_seen_tag(const struct dpr_handover_seen *seen,
			  const struct dpr_handover_msg *msg,
			  const struct dpr_addr *from);
enum dpr_handover_seen_as dpr_handover_seen_begin(struct dpr_handover_seen *seen,
						  u64 tag);
void dpr_handover_seen_end(struct dpr_handover_seen *seen, u64 tag,
			   enum dpr_handover_seen_as as);

#endif /* _DPR_HANDOVER_SEEN_H */
