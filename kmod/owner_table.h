/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The open questions to peers of a namespace: the table, and how many messages may be sent.
 * What they ask, and what becomes of the answers, is owner.c's.
 */
#ifndef _DPR_OWNER_TABLE_H
#define _DPR_OWNER_TABLE_H

#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "batch.h"
#include "core/parse.h"
#include "denial.h"
#include "held.h"

struct dpr_config;
struct dpr_net;
struct net_device;

#define DPR_OWNER_BUCKETS	1024	/* a power of two */
#define DPR_OWNER_WAYS		4	/* open questions of a bucket */
#define DPR_OWNER_PEERS		DPR_DENIAL_AT_ONCE /* peers that are asked at a time */
#define DPR_OWNER_RATE		20000	/* messages a second, and at once */
#define DPR_OWNER_GATHER	(DPR_OWNER_RATE / 2) /* fewer left: questions are gathered */
#define DPR_OWNER_AGAIN		(HZ / 10) /* least time between two tries */
#define DPR_OWNER_HOLD		(HZ / 4) /* longest that a segment waits */
#define DPR_OWNER_PATIENCE	(120 * HZ) /* longest between copies, as RTO_MAX */

/**
 * struct dpr_owner_ask - a question to the peers
 * @seg: the segment that raised it; its flow is made from that
 * @nonce: proves that who claims has seen the question
 * @begun: jiffies of the first try
 * @last: jiffies of the last try
 * @tries: how often it was put; 0 if this is no question
 * @nobody: it is answered: no host has the connection
 * @since: jiffies when that was so first
 * @syn: dpr_addr_id() of the peer that a SYN has gone to since the question was open, by the
 *	stateless policy's hash; 0: none
 * @denials: who has said so
 * @held: the segment itself may wait there
 */
struct dpr_owner_ask {
	struct dpr_segment seg;
	struct dpr_held held;
	u32 nonce;
	u32 begun;
	u32 last;
	u32 tries;
	bool nobody;
	u32 since;
	u32 syn;
	struct dpr_denials denials;
};

/**
 * struct dpr_owner_table - the open questions of a namespace
 * @dn: the namespace
 * @lock: protects all of it; taken in softirq
 * @seed: of the hash
 * @tokens: messages that may be sent at once; less than 0 if there were too many
 * @filled: jiffies when @tokens were last added to
 * @messages: that the last question to all took, the group asked; 0: not known
 * @used_at: jiffies when a segment last was, or raised, a question; earlier ones are over
 *	DPR_OWNER_PATIENCE later
 * @missed: a segment has missed its host (miss.h) not long ago
 * @missed_at: jiffies when one last did
 * @held: the segments that wait
 * @drop: drops those that have waited for too long
 * @batch: questions that wait to be put together: about connections of IPv6 or not, by each
 *	peer's own message or not
 * @flush: sends them
 * @ask: the questions
 *
 * Its size is fixed, so that a flood of stray segments cannot exhaust memory.
 */
struct dpr_owner_table {
	struct dpr_net *dn;
	spinlock_t lock;	/* of all that follows */
	u32 seed;
	int tokens;
	u32 filled;
	u32 messages;
	u32 used_at;
	bool missed;
	u32 missed_at;
	struct dpr_held_queue held;
	struct delayed_work drop;
	struct dpr_batch batch[2][2];
	struct delayed_work flush;
	struct dpr_owner_ask ask[DPR_OWNER_BUCKETS][DPR_OWNER_WAYS];
};

struct dpr_owner_table *dpr_owner_alloc(struct dpr_net *dn);
void dpr_owner_teardown(struct dpr_net *dn);
u32 dpr_owner_cost(const struct dpr_owner_table *table, u32 peers, bool alone);
u32 dpr_owner_peers(const struct dpr_net *dn);
void dpr_owner_refill(struct dpr_owner_table *table);
bool dpr_owner_take_tokens(struct dpr_owner_table *table, u32 cost);
void dpr_owner_flush(struct dpr_owner_table *table,
		     const struct dpr_config *cfg, struct net_device *dev,
		     struct dpr_batch *batch);
struct dpr_owner_ask *dpr_owner_find(struct dpr_owner_table *table,
				     const struct dpr_flow_key *key);
bool dpr_owner_maybe(struct dpr_owner_table *table, const struct dpr_flow_key *key);
struct dpr_owner_ask *dpr_owner_room(struct dpr_owner_table *table,
				     const struct dpr_flow_key *key);
void dpr_owner_begin(struct dpr_owner_ask *ask);
bool dpr_owner_over(const struct dpr_owner_ask *ask);
bool dpr_owner_spend(struct dpr_net *dn);

#endif /* _DPR_OWNER_TABLE_H */
