/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connections that this host has answered in the place of the host that will serve
 * them: from the SYN until a host has taken them. Bounded: what one holds, how many there
 * are, how much all of them hold.
 *
 * All is under the lock of a connection's shard, but one that is busy: it is whoever's who
 * made it so, who holds no lock while packets are sent or delivered, for these may come
 * back to this host at once. Others only add to what it keeps.
 */
#ifndef _DPR_HANDOVER_TABLE_H
#define _DPR_HANDOVER_TABLE_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "handover_msg.h"
#include "handover_seen.h"
#include "netns.h"

struct dpr_backend;
struct dpr_peer;

#define DPR_HANDOVER_SHARDS	16	/* a power of two */
#define DPR_HANDOVER_BUCKETS	256	/* of a shard; likewise */
#define DPR_HANDOVER_MAX	16384	/* connections of a namespace */
#define DPR_HANDOVER_PACKETS	64	/* kept of one connection */
#define DPR_HANDOVER_WINDOW	29200	/* bytes that its client may send before an answer */
#define DPR_HANDOVER_MEMORY	(32 << 20) /* bytes that their packets have; see quota.h */
#define DPR_HANDOVER_GRACE	(3 * HZ) /* one that is younger is not forgotten for others */
#define DPR_HANDOVER_SILENCE	HZ	/* after the handshake; then it is decided without data */
#define DPR_HANDOVER_FIRST	7	/* seconds more: a lost first segment comes after 1, 3, 7 */
#define DPR_HANDOVER_LIFE	(30 * HZ) /* until a host has it; see handover_seen.h */
#define DPR_HANDOVER_TICK	(HZ / 8)

enum dpr_handover_state {
	DPR_HANDOVER_SYN,	/* the SYN was answered */
	DPR_HANDOVER_OPEN,	/* the client has acknowledged that */
	DPR_HANDOVER_SENT,	/* it was handed over, and the host has not answered */
	DPR_HANDOVER_ASKED,	/* a backend was asked to take it, and has not answered */
};

/**
 * struct dpr_handover - one such connection
 * @node: in its bucket
 * @age: on its shard's list, by @born, oldest first
 * @key: the connection
 * @options: what was agreed on; without ts_now
 * @ts_off: from this host's clock to the timestamps that the client gets
 * @iif: the device that its SYN came by
 * @state: enum dpr_handover_state
 * @busy: somebody is deciding on it, or delivering it
 * @gone: it is in the table no more
 * @tries: SYN-ACKs sent without a SYN; or SYNs to the backend; or seconds without what a
 *	socket can begin with; or without the host's answer
 * @attempt: number of the last handover
 * @refusals: how many were refused
 * @moved: another host had it before
 * @must: the last one may not be refused because that host drains
 * @odd: something of the client's came with IP options or extension headers
 * @was_odd: that before @options
 * @counted: it counts as redirected
 * @born: jiffies of its SYN; since it is handed over, of that
 * @due: jiffies when it is looked at without a packet
 * @wrapped: jiffies when all that is kept was sent last
 * @peer: whom it was handed to last, a reference is held; NULL
 * @home: the host that had the connection before, a reference is held; NULL if there is none,
 *	or it cannot have it again
 * @backend: that which was asked last; only compared
 * @was: what an earlier SYN agreed on, while nothing but SYNs has come: anybody can send one;
 *	its mss is 0 if there was none
 * @was_iif: @iif of that
 * @looked: bytes that were there when rules found that they need more
 * @ack: the client's first acknowledgment, without data; NULL
 * @kept: the client's data, by sequence number
 */
struct dpr_handover {
	struct hlist_node node;
	struct list_head age;
	struct dpr_flow_key key;
	struct dpr_handover_options options;
	u32 ts_off;
	int iif;
	u8 state;
	bool busy;
	bool gone;
	u8 tries;
	u8 attempt;
	u8 refusals;
	bool moved;
	bool must;
	bool odd;
	bool was_odd;
	bool counted;
	u32 born;
	u32 due;
	u32 wrapped;
	struct dpr_peer *peer;
	struct dpr_peer *home;
	const struct dpr_backend *backend;
	struct dpr_handover_options was;
	int was_iif;
	u32 looked;
	struct sk_buff *ack;
	struct sk_buff_head kept;
};

/**
 * struct dpr_handover_part - where a kept segment is in its connection: its control block
 *	beyond IP's
 * @ip: IP's own, as it was
 * @seq: sequence number
 * @end: that after it
 */
struct dpr_handover_part {
	union {
		struct inet_skb_parm h4;
		struct inet6_skb_parm h6;
	} ip;
	u32 seq;
	u32 end;
};

static inline struct dpr_handover_part *dpr_handover_part(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct dpr_handover_part) > sizeof(skb->cb));
	return (struct dpr_handover_part *)skb->cb;
}

/** dpr_handover_next - the sequence number that the client's data begin with */
static inline u32 dpr_handover_next(const struct dpr_handover *one)
{
	return one->options.client_isn + 1;
}

/** dpr_handover_headed - does what is kept begin with the first of the client's data */
static inline bool dpr_handover_headed(const struct dpr_handover *one)
{
	struct sk_buff *skb = skb_peek(&one->kept);

	return skb && dpr_handover_part(skb)->seq == dpr_handover_next(one);
}

/** dpr_handover_begins - is there something that a socket can begin with */
static inline bool dpr_handover_begins(const struct dpr_handover *one)
{
	return one->ack || dpr_handover_headed(one);
}

/**
 * struct dpr_handover_shard - a part of the connections
 * @lock: protects it; taken with bottom halves off
 * @age: they, oldest first
 * @bucket: they, by hash
 */
struct dpr_handover_shard {
	spinlock_t lock;	/* of the shard */
	struct list_head age;
	struct hlist_head bucket[DPR_HANDOVER_BUCKETS];
} ____cacheline_aligned_in_smp;

/**
 * struct dpr_handovers - all of a namespace's, and those that it took from others
 * @dn: the namespace
 * @secret: of sequence numbers, timestamps and hashes
 * @count: connections
 * @memory: bytes that their packets have, unless a quota counts those (quota.h)
 * @tick: looks at those that are due
 * @shard: they
 * @seen: handovers that came
 */
struct dpr_handovers {
	struct dpr_net *dn;
	siphash_key_t secret;
	atomic_t count;
	atomic_long_t memory;
	struct delayed_work tick;
	struct dpr_handover_shard shard[DPR_HANDOVER_SHARDS];
	struct dpr_handover_seen seen;
};

/* Some namespace has a service of DPR_DISPATCH_CONNECTION, or had one. */
DECLARE_STATIC_KEY_FALSE(dpr_handover_used);

/** dpr_handover_on - may there be such connections at all: costs nothing if not */
static __always_inline bool dpr_handover_on(void)
{
	return static_branch_unlikely(&dpr_handover_used);
}

int dpr_handover_table_init(void);
void dpr_handover_table_exit(void);
int dpr_handover_table_setup(struct dpr_net *dn, work_func_t tick);
void dpr_handover_table_teardown(struct dpr_net *dn);
u64 dpr_handover_table_hash(const struct dpr_handovers *all,
			    const struct dpr_flow_key *key, u32 salt);
struct dpr_handover_shard *dpr_handover_table_shard(struct dpr_handovers *all,
						    const struct dpr_flow_key *key);
struct dpr_handover *dpr_handover_table_find(struct dpr_handovers *all,
					     const struct dpr_flow_key *key);
bool dpr_handover_table_has(struct dpr_net *dn, const struct dpr_flow_key *key);
bool dpr_handover_table_bars(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_addr *host);
bool dpr_handover_table_evict(struct dpr_handovers *all,
			      struct dpr_handover_shard *shard, u32 grace);
struct dpr_handover *dpr_handover_table_alloc(struct dpr_handovers *all,
					      const struct dpr_flow_key *key);
void dpr_handover_table_insert(struct dpr_handovers *all, struct dpr_handover *one);
void dpr_handover_table_unlink(struct dpr_handovers *all, struct dpr_handover *one);
void dpr_handover_table_free(struct dpr_handovers *all, struct dpr_handover *one);
bool dpr_handover_table_charge(struct dpr_handovers *all, const struct sk_buff *skb,
			       bool later);
void dpr_handover_table_uncharge(struct dpr_handovers *all, const struct sk_buff *skb);
bool dpr_handover_table_keep(struct dpr_handovers *all, struct dpr_handover *one,
			     struct sk_buff *skb);
void dpr_handover_table_drop(struct dpr_handovers *all, struct sk_buff *skb);

#endif /* _DPR_HANDOVER_TABLE_H */
