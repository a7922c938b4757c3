// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/netfilter.h>
#include <linux/random.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include "ask.h"
#include "batch.h"
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "group.h"
#include "held.h"
#include "liveness.h"
#include "local.h"
#include "netns.h"
#include "owner.h"
#include "owner_msg.h"
#include "peer.h"
#include "service.h"
#include "socket.h"
#include "stats.h"

#define DPR_OWNER_BUCKETS	1024	/* a power of two */
#define DPR_OWNER_WAYS		4	/* open questions of a bucket */
#define DPR_OWNER_TRIES		3	/* times that a question is put */
#define DPR_OWNER_PEERS		256	/* peers that are asked at a time */
#define DPR_OWNER_RATE		20000	/* messages a second, and at once */
#define DPR_OWNER_GATHER	(DPR_OWNER_RATE / 2) /* fewer left: questions are gathered */
#define DPR_OWNER_AGAIN		(HZ / 10) /* least time between two tries */
#define DPR_OWNER_LEAST		HZ	/* least time for an answer, to all tries */
#define DPR_OWNER_HOLD		(HZ / 4) /* longest that a segment waits */
#define DPR_OWNER_MEMORY	(5 * HZ) /* how long an answer of nobody holds */
#define DPR_OWNER_PATIENCE	(120 * HZ) /* longest between copies, as RTO_MAX */

/**
 * struct dpr_owner_ask - a question to the peers
 * @seg: the segment that raised it; its flow is made from that
 * @nonce: proves that who claims has seen the question
 * @begun: jiffies of the first try
 * @last: jiffies of the last try
 * @tries: how often it was put; 0 if this is no question
 * @held: the segment itself may wait there
 */
struct dpr_owner_ask {
	struct dpr_segment seg;
	struct dpr_held held;
	u32 nonce;
	u32 begun;
	u32 last;
	u32 tries;
};

/**
 * struct dpr_owner_try - a question that is to be put now
 * @ask: a copy of it
 * @batch: where it waits for others; NULL if it is to be sent by itself
 * @full: that has no more room
 */
struct dpr_owner_try {
	struct dpr_owner_ask ask;
	struct dpr_batch *batch;
	bool full;
};

/**
 * struct dpr_owner_table - the open questions of a namespace
 * @dn: the namespace
 * @lock: protects all of it; taken in softirq
 * @seed: of the hash
 * @tokens: messages that may be sent at once; less than 0 if there were too many
 * @filled: jiffies when @tokens were last added to
 * @messages: that the last question to all took, the group asked; 0: not known
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
	struct dpr_held_queue held;
	struct delayed_work drop;
	struct dpr_batch batch[2][2];
	struct delayed_work flush;
	struct dpr_owner_ask ask[DPR_OWNER_BUCKETS][DPR_OWNER_WAYS];
};

static void dpr_owner_drop(struct work_struct *work)
{
	struct dpr_owner_table *table = container_of(to_delayed_work(work),
						     struct dpr_owner_table,
						     drop);
	bool more;

	spin_lock_bh(&table->lock);
	more = dpr_held_expire(&table->held, DPR_OWNER_HOLD);
	spin_unlock_bh(&table->lock);
	if (more)
		queue_delayed_work(system_wq, &table->drop, DPR_OWNER_HOLD);
}

/*
 * How many messages a question to all takes, by itself or with others. The first one takes as
 * many as the last one did.
 */
static u32 dpr_owner_cost(const struct dpr_owner_table *table, u32 peers,
			  bool alone)
{
	const u32 messages = READ_ONCE(table->messages);

	return !alone && messages ? messages : clamp(peers, 1U, DPR_OWNER_PEERS);
}

static u32 dpr_owner_peers(const struct dpr_net *dn)
{
	const struct dpr_table *table = rcu_dereference(dn->table);

	return table ? table->order.n : 1;
}

static void dpr_owner_refill(struct dpr_owner_table *table)
{
	u32 now = jiffies, passed = min_t(u32, now - table->filled, HZ);

	table->tokens = min_t(int, DPR_OWNER_RATE,
			      table->tokens +
				  (int)(passed * (DPR_OWNER_RATE / HZ)));
	table->filled = now;
}

/* Takes the tokens for one try, if there are as many. */
static bool dpr_owner_take_tokens(struct dpr_owner_table *table, u32 cost)
{
	dpr_owner_refill(table);
	if (table->tokens < (int)cost)
		return false;
	table->tokens -= cost;
	return true;
}

/* Puts the questions that wait, if the limits allow as many messages now. */
static void dpr_owner_flush(struct dpr_owner_table *table,
			    const struct dpr_config *cfg,
			    struct net_device *dev, struct dpr_batch *batch)
{
	const bool alone = batch == &table->batch[0][1] ||
			   batch == &table->batch[1][1];
	const u32 cost = dpr_owner_cost(table, dpr_owner_peers(table->dn), alone);
	struct sk_buff *skb = NULL;
	bool taken = false;
	u32 sent;

	spin_lock(&table->lock);
	if (batch->n && dpr_owner_take_tokens(table, cost)) {
		skb = dpr_batch_take(batch, cfg);
		taken = true;
	}
	spin_unlock(&table->lock);
	if (!skb) {
		if (taken)
			dpr_stats_inc(table->dn, DPR_STAT_TX_NO_MEMORY);
		return;
	}
	sent = dpr_batch_send(table->dn, cfg, dev, skb, alone);
	spin_lock(&table->lock);
	/* Peers of older versions got a message for each question. */
	table->tokens -= sent - min(sent, cost);
	spin_unlock(&table->lock);
}

static void dpr_owner_flush_all(struct work_struct *work)
{
	struct dpr_owner_table *table = container_of(to_delayed_work(work),
						     struct dpr_owner_table,
						     flush);
	struct dpr_net *dn = table->dn;
	bool more = false;
	u32 i;

	local_bh_disable();
	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(table->batch) * ARRAY_SIZE(*table->batch); i++) {
		struct dpr_batch *batch = &table->batch[i / 2][i % 2];

		dpr_owner_flush(table, rcu_dereference(dn->config),
				dn->net->loopback_dev, batch);
		more |= READ_ONCE(batch->n);
	}
	rcu_read_unlock();
	local_bh_enable();
	if (more)
		queue_delayed_work(system_wq, &table->flush, 1);
}

/**
 * dpr_owner_alloc - make a namespace's table of questions
 * @dn: the namespace
 *
 * Return: the table, NULL if there is no memory.
 */
struct dpr_owner_table *dpr_owner_alloc(struct dpr_net *dn)
{
	struct dpr_owner_table *table = kvzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);

	if (!table)
		return NULL;
	table->dn = dn;
	spin_lock_init(&table->lock);
	table->seed = get_random_u32();
	table->tokens = DPR_OWNER_RATE;
	table->filled = jiffies;
	dpr_held_setup(&table->held);
	INIT_DELAYED_WORK(&table->drop, dpr_owner_drop);
	INIT_DELAYED_WORK(&table->flush, dpr_owner_flush_all);
	return table;
}

/**
 * dpr_owner_teardown - forget all questions
 * @dn: the namespace; no hook runs in it any more
 */
void dpr_owner_teardown(struct dpr_net *dn)
{
	struct dpr_owner_table *table = rcu_dereference_protected(dn->owners,
								  true);

	if (!table)
		return;
	cancel_delayed_work_sync(&table->flush);
	cancel_delayed_work_sync(&table->drop);
	dpr_held_expire(&table->held, 0);
	kvfree(table);
}

/*
 * Not the host that had the address, which cannot answer any more; nor one that does not
 * know connections of IPv6.
 */
static bool dpr_owner_may_have(const struct dpr_peer *peer,
			       const struct dpr_flow_key *key)
{
	return !dpr_addr_equal(&peer->address, &key->address) &&
	       (!key->wide ||
		READ_ONCE(peer->protocol) >= DPR_PEER_PROTOCOL6);
}

/*
 * Sends a question: first to the peer that most likely has the connection, if
 * there is one, then to the peers of the load table: to all of them, or in a
 * large cluster to DPR_OWNER_PEERS more with each try. Those on one link are asked by one
 * message to the group, once: where multicasts get lost, each is asked afterwards.
 */
static void dpr_owner_send(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct net_device *dev, struct dpr_peer *first,
			   const struct dpr_owner_ask *ask)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 i, n = table ? table->order.n : 0;
	u32 at = (ask->tries - 1 - !!first) * DPR_OWNER_PEERS;
	struct dpr_group_way way = {};
	u32 messages = 0;

	if (first && ask->tries == 1) {
		dpr_ask_send(dn, cfg, dev, first, DPR_OWNER_MSG_WHO, ask->nonce,
			     &ask->seg.key);
		return;
	}
	for (i = 0; i < min_t(u32, n, DPR_OWNER_PEERS); i++) {
		struct dpr_peer *peer = table->peer[(at + i) % n];

		if (!dpr_owner_may_have(peer, &ask->seg.key) ||
		    (!at && dpr_group_reaches(dn, cfg, peer, &way)))
			continue;
		messages++;
		if (!dpr_ask_send(dn, cfg, dev, peer, DPR_OWNER_MSG_WHO,
				  ask->nonce, &ask->seg.key))
			break;
	}
	if (way.rt) {
		messages++;
		dpr_group_ask(dn, cfg, dev, &way, ask->nonce, &ask->seg.key);
	}
	if (!at)
		WRITE_ONCE(rcu_dereference(dn->owners)->messages, messages);
}

static struct dpr_owner_ask *dpr_owner_bucket(struct dpr_owner_table *table,
					      const struct dpr_flow_key *key)
{
	u32 hash = dpr_parse_hash(key, table->seed);

	return table->ask[hash % DPR_OWNER_BUCKETS];
}

static struct dpr_owner_ask *dpr_owner_find(struct dpr_owner_ask *bucket,
					    const struct dpr_flow_key *key)
{
	u32 i;

	for (i = 0; i < DPR_OWNER_WAYS; i++)
		if (bucket[i].tries &&
		    dpr_parse_key_equal(&bucket[i].seg.key, key))
			return &bucket[i];
	return NULL;
}

/* A place for a new question, without one of its own; NULL if all are open. */
static struct dpr_owner_ask *dpr_owner_room(struct dpr_owner_ask *bucket)
{
	u32 i;

	for (i = 0; i < DPR_OWNER_WAYS; i++) {
		if (bucket[i].tries &&
		    (u32)jiffies - bucket[i].last <= DPR_OWNER_MEMORY)
			continue;
		bucket[i].tries = 0;
		return &bucket[i];
	}
	return NULL;
}

/*
 * How long a question's tries count. A client waits longer and longer before it
 * retransmits; if the tries were forgotten meanwhile it would never get the RST
 * that says that nobody has its connection.
 */
static u32 dpr_owner_life(const struct dpr_owner_ask *ask)
{
	return ask->tries < DPR_OWNER_TRIES ? DPR_OWNER_PATIENCE :
					      DPR_OWNER_MEMORY;
}

/*
 * Have the peers been asked often and for long enough? A client that sends much asks
 * thrice in no time, while an owner that is busy for a second has answered nothing.
 */
static bool dpr_owner_nobody(const struct dpr_owner_ask *ask, bool first)
{
	return ask->tries >= DPR_OWNER_TRIES + first &&
	       (u32)jiffies - ask->begun >= DPR_OWNER_LEAST;
}

/*
 * Where a question waits for others, if it is to: messages get scarce, or others wait. In a
 * cluster of more than DPR_OWNER_PEERS each try asks other peers.
 */
static struct dpr_batch *dpr_owner_gather(struct dpr_owner_table *table, u32 peers,
					  const struct dpr_owner_ask *ask,
					  bool first, bool wide)
{
	/* By each peer's own message if the one to the group was not answered. */
	struct dpr_batch *batch = &table->batch[wide][ask->tries > first];

	if ((first && !ask->tries) || peers > DPR_OWNER_PEERS)
		return NULL;
	dpr_owner_refill(table);
	return batch->n || table->tokens < DPR_OWNER_GATHER ? batch : NULL;
}

/* Admits a question: it waits for others, or there are messages for it. */
static bool dpr_owner_afford(struct dpr_owner_table *table, u32 peers,
			     const struct dpr_owner_ask *ask, bool first,
			     const struct dpr_flow_key *key,
			     struct dpr_owner_try *try)
{
	struct dpr_batch *batch = NULL;

	if (peers)
		batch = dpr_owner_gather(table, peers, ask, first, key->wide);
	try->batch = batch;
	try->full = false;
	if (!batch)
		return dpr_owner_take_tokens(table, first && !ask->tries ? 1 :
					     dpr_owner_cost(table, peers,
							    ask->tries > first));
	if (dpr_batch_full(batch))
		return false;
	batch->question[batch->n].nonce = ask->nonce;
	batch->question[batch->n].key = *key;
	WRITE_ONCE(batch->n, batch->n + 1);
	try->full = dpr_batch_full(batch);
	return true;
}

/* What to do with a segment that belongs to nothing here. */
enum dpr_owner_verdict {
	DPR_OWNER_ASK,		/* ask the peers; it is dropped */
	DPR_OWNER_HELD,		/* likewise, and it waits for the answer */
	DPR_OWNER_WAIT,		/* asked just now; it is dropped */
	DPR_OWNER_NOBODY,	/* no peer claims it: the stack answers */
	DPR_OWNER_LIMIT,	/* too many questions; it is dropped */
};

/*
 * Decides whether a segment raises a question. Under the table's lock. @peers are how many
 * there are to ask, 0 if only one is; if @first, one peer is asked before the others. Has @skb
 * wait if there is one, and room. Sets @try if the caller is to put the question.
 */
static enum dpr_owner_verdict
dpr_owner_admit(struct dpr_owner_table *table, u32 peers, bool first,
		const struct dpr_segment *seg, struct sk_buff *skb,
		struct dpr_owner_try *try)
{
	struct dpr_owner_ask *bucket = dpr_owner_bucket(table, &seg->key);
	struct dpr_owner_ask *ask = dpr_owner_find(bucket, &seg->key);

	if (ask && (u32)jiffies - ask->last > dpr_owner_life(ask))
		ask->tries = 0;
	if (ask && ask->tries) {
		if ((u32)jiffies - ask->last < DPR_OWNER_AGAIN)
			return DPR_OWNER_WAIT;
		if (dpr_owner_nobody(ask, first))
			return DPR_OWNER_NOBODY;
	}
	if (!ask)
		ask = dpr_owner_room(bucket);
	if (!ask)
		return DPR_OWNER_LIMIT;
	if (!ask->tries) {
		ask->nonce = get_random_u32();
		ask->begun = jiffies;
	}
	if (!dpr_owner_afford(table, peers, ask, first, &seg->key, try))
		return DPR_OWNER_LIMIT;
	ask->seg = *seg;
	ask->last = jiffies;
	ask->tries++;
	try->ask = *ask;
	if (skb && dpr_held_put(&table->held, &ask->held, skb))
		return DPR_OWNER_HELD;
	/* What waits there may be of another connection. */
	kfree_skb(dpr_held_take(&table->held, &ask->held));
	return DPR_OWNER_ASK;
}

/*
 * Does the segment mean something to this host's own stack: a socket of its
 * connection, or a SYN cookie that it answers?
 */
static bool dpr_owner_is_local(struct dpr_net *dn, struct sk_buff *skb,
			       const struct dpr_segment *seg)
{
	const struct tcphdr *th = (void *)skb->data + seg->offset;

	if (dpr_socket_exists(dn, &seg->key, dpr_compat_dif(skb)))
		return true;
	if (!th->ack || th->fin)
		return false;
	return seg->key.wide ? dpr_compat_cookie_valid6(ipv6_hdr(skb), th) :
			       dpr_compat_cookie_valid(ip_hdr(skb), th);
}

/* Puts a question, or sees to it that it is put with others. */
static void dpr_owner_put(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct net_device *dev, struct dpr_peer *first,
			  struct dpr_owner_table *table,
			  const struct dpr_owner_try *try)
{
	if (!try->batch)
		dpr_owner_send(dn, cfg, dev, first, &try->ask);
	else if (try->full)
		dpr_owner_flush(table, cfg, dev, try->batch);
	/* What the limits keep back, and what comes before the batch is full. */
	if (try->batch)
		queue_delayed_work(system_wq, &table->flush, 1);
}

/**
 * dpr_owner_seek - find the host that serves a connection without flow
 * @dn: the namespace
 * @cfg: the configuration; its orphans are asked for
 * @skb: a segment of the connection, no SYN, its TCP header in the linear part
 * @seg: the same, parsed
 * @likely: the peer that the stateless policy's hash names, NULL if none
 *
 * The segment waits, if there is room, for a peer that claims the connection. One that
 * is dropped is retransmitted; by then a peer may have claimed it. Called under RCU in
 * softirq.
 *
 * Return: NF_ACCEPT if it is the stack's, or @likely's if there is one; else
 * NF_DROP, or NF_STOLEN if it waits.
 */
unsigned int dpr_owner_seek(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb,
			    const struct dpr_segment *seg,
			    struct dpr_peer *likely)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct net_device *dev = skb->dev;
	enum dpr_owner_verdict verdict;
	struct dpr_service *service;
	struct dpr_owner_try try;

	service = dpr_service_match(dn, &seg->key);
	if (!table || seg->rst || !service ||
	    !dpr_local_has(dn->net, skb->dev, &seg->key.address) ||
	    dpr_owner_is_local(dn, skb, seg) ||
	    dpr_service_translated(dn, skb, service, seg))
		return NF_ACCEPT;
	spin_lock(&table->lock);
	verdict = dpr_owner_admit(table, dpr_owner_peers(dn), likely, seg, skb,
				  &try);
	spin_unlock(&table->lock);
	/* What waits may be gone by now. */
	switch (verdict) {
	case DPR_OWNER_HELD:
		queue_delayed_work(system_wq, &table->drop, DPR_OWNER_HOLD);
		fallthrough;
	case DPR_OWNER_ASK:
		dpr_stats_inc(dn, DPR_STAT_OWNER_ASKED);
		dpr_owner_put(dn, cfg, dev, likely, table, &try);
		return verdict == DPR_OWNER_HELD ? NF_STOLEN : NF_DROP;
	case DPR_OWNER_WAIT:
		dpr_stats_inc(dn, DPR_STAT_OWNER_WAITED);
		return NF_DROP;
	case DPR_OWNER_LIMIT:
		if (likely) {
			dpr_stats_inc(dn, DPR_STAT_OWNER_FOLLOWED);
			return NF_ACCEPT;
		}
		dpr_stats_inc(dn, DPR_STAT_OWNER_LIMITED);
		return NF_DROP;
	default:
		dpr_stats_inc(dn, DPR_STAT_OWNER_UNKNOWN);
		return NF_ACCEPT;
	}
}

/**
 * dpr_owner_adopt - ask for a flow for a connection that follows a hash
 * @dn: the namespace
 * @cfg: the configuration
 * @dev: the device that its segment came by
 * @seg: the segment
 * @peer: the peer that the hash names
 *
 * The segment goes to that peer meanwhile. If the peer claims the connection, it
 * gets a flow. If no more questions may be sent, a later segment will do. Called
 * under RCU in softirq.
 */
void dpr_owner_adopt(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct net_device *dev, const struct dpr_segment *seg,
		     struct dpr_peer *peer)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	enum dpr_owner_verdict verdict;
	struct dpr_owner_try try;

	if (!table || seg->rst)
		return;
	spin_lock(&table->lock);
	verdict = dpr_owner_admit(table, 0, true, seg, NULL, &try);
	spin_unlock(&table->lock);
	if (verdict != DPR_OWNER_ASK)
		return;
	dpr_stats_inc(dn, DPR_STAT_HASH_ASKED);
	dpr_ask_send(dn, cfg, dev, peer, DPR_OWNER_MSG_WHO, try.ask.nonce,
		     &seg->key);
}

/* Sends on a segment that has waited, by the flow that its connection has now. */
static void dpr_owner_resume(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct dpr_flow *flow, struct sk_buff *skb)
{
	dpr_stats_inc(dn, DPR_STAT_OWNER_HELD);
	if (!(flow->shard & DPR_FLOW_DIRECT) ||
	    !dpr_fwd_direct_send(dn, cfg, skb, flow->peer, flow->shard))
		dpr_fwd_send(dn, cfg, skb, flow->peer);
}

/**
 * dpr_owner_claimed - a peer claims a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: who
 * @nonce: what it repeats of the question
 * @key: the connection
 * @iif: the device that the claim came by
 *
 * Called under RCU in softirq.
 *
 * Return: true if this host asked for it, and the connection has got a flow.
 */
bool dpr_owner_claimed(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct dpr_peer *peer, u32 nonce,
		       const struct dpr_flow_key *key, int iif)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	const struct dpr_service *service;
	const struct dpr_route *route;
	struct dpr_owner_ask *ask;
	struct dpr_segment seg;
	struct dpr_flow *flow;
	struct sk_buff *skb;
	int came_by;

	if (!table)
		return false;
	spin_lock(&table->lock);
	ask = dpr_owner_find(dpr_owner_bucket(table, key), key);
	if (!ask || ask->nonce != nonce) {
		spin_unlock(&table->lock);
		return false;
	}
	seg = ask->seg;
	ask->tries = 0;
	came_by = ask->held.iif;
	skb = dpr_held_take(&table->held, &ask->held);
	spin_unlock(&table->lock);
	skb = dpr_held_resume(dn->net, skb, came_by);
	/* Too late: the client has begun a new connection, which is served. */
	if (dpr_flow_find(dn, key) || dpr_socket_exists(dn, key, iif))
		goto refuse;
	service = dpr_service_match(dn, key);
	route = dpr_fwd_route_of(dn, cfg, peer, key->wide);
	flow = dpr_flow_insert(dn, cfg, &seg, peer, 0,
			       service ? dpr_fwd_direct_how(dpr_service_config(service, cfg),
							    peer, key, route) : 0);
	if (IS_ERR(flow) || flow->peer != peer)
		goto refuse;
	/*
	 * It may have ended before this host had a flow for it: the peer is asked
	 * again if it stays silent.
	 */
	dpr_flow_track(dn, flow, &seg);
	if (skb)
		dpr_owner_resume(dn, cfg, flow, skb);
	return true;

refuse:
	kfree_skb(skb);
	return false;
}
