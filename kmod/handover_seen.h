/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What became of the handovers that came in the last minute, so that no copy of one makes
 * a second socket, and none is taken that was refused. A message counts for 20 s at the
 * most (handover_msg.h) and a first host sends copies for 30 s.
 */
#ifndef _DPR_HANDOVER_SEEN_H
#define _DPR_HANDOVER_SEEN_H

#include <linux/siphash.h>
#include <linux/spinlock.h>
#include "handover_msg.h"

#define DPR_HANDOVER_SEEN_LIFE		(60 * HZ)
#define DPR_HANDOVER_SEEN_WAYS		8
#define DPR_HANDOVER_SEEN_SETS		16384	/* a power of two */
#define DPR_HANDOVER_SEEN_LOCKS		64	/* likewise */

enum dpr_handover_seen_as {
	DPR_HANDOVER_SEEN_NEW,		/* it is the first copy */
	DPR_HANDOVER_SEEN_OPEN,		/* another copy is being looked at */
	DPR_HANDOVER_SEEN_TAKEN,
	DPR_HANDOVER_SEEN_REFUSED,
	DPR_HANDOVER_SEEN_FAILED,	/* likewise, for what is this connection's alone */
	DPR_HANDOVER_SEEN_FULL,		/* it cannot be remembered */
};

/**
 * struct dpr_handover_seen_one - a handover
 * @tag: which
 * @at: jiffies when it came
 * @as: enum dpr_handover_seen_as; new: the place is free
 */
struct dpr_handover_seen_one {
	u64 tag;
	u32 at;
	u32 as;
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
	struct dpr_handover_seen_one set[DPR_HANDOVER_SEEN_SETS][DPR_HANDOVER_SEEN_WAYS];
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
