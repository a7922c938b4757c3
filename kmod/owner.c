// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/netfilter.h>
#include <linux/random.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include "ask.h"
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
 * struct dpr_owner_table - the open questions of a namespace
 * @lock: protects all of it; taken in softirq
 * @seed: of the hash
 * @tokens: messages that may be sent at once
 * @filled: jiffies when @tokens were last added to
 * @messages: that the last question to all took, the group asked; 0: not known
 * @held: the segments that wait
 * @drop: drops those that have waited for too long
 * @ask: the questions
 *
 * Its size is fixed, so that a flood of stray segments cannot exhaust memory.
 */
struct dpr_owner_table {
	spinlock_t lock;	/* of all that follows */
	u32 seed;
	u32 tokens;
	u32 filled;
	u32 messages;
	struct dpr_held_queue held;
	struct delayed_work drop;
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

/**
 * dpr_owner_alloc - make a namespace's table of questions
 *
 * Return: the table, NULL if there is no memory.
 */
struct dpr_owner_table *dpr_owner_alloc(void)
{
	struct dpr_owner_table *table = kvzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);

	if (!table)
		return NULL;
	spin_lock_init(&table->lock);
	table->seed = get_random_u32();
	table->tokens = DPR_OWNER_RATE;
	table->filled = jiffies;
	dpr_held_setup(&table->held);
	INIT_DELAYED_WORK(&table->drop, dpr_owner_drop);
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

/*
 * How many messages a try takes. The first question to all takes as many as the last one
 * did.
 */
static u32 dpr_owner_cost(const struct dpr_owner_table *table, u32 peers,
			  u32 tries, bool first)
{
	const u32 messages = READ_ONCE(table->messages);

	if (first && !tries)
		return 1;
	if (tries == first && messages)
		return messages;
	return clamp(peers, 1U, DPR_OWNER_PEERS);
}

static u32 dpr_owner_peers(const struct dpr_net *dn)
{
	const struct dpr_table *table = rcu_dereference(dn->table);

	return table ? table->order.n : 1;
}

/* Takes the tokens for one try, if there are as many. */
static bool dpr_owner_take_tokens(struct dpr_owner_table *table, u32 cost)
{
	u32 now = jiffies, passed = min_t(u32, now - table->filled, HZ);

	table->tokens = min_t(u32, DPR_OWNER_RATE,
			      table->tokens + passed * (DPR_OWNER_RATE / HZ));
	table->filled = now;
	if (table->tokens < cost)
		return false;
	table->tokens -= cost;
	return true;
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
 * there are to ask; if @first, one peer is asked before the others. Has @skb
 * wait if there is one, and room. Copies the question to @copy if the caller is to send
 * it.
 */
static enum dpr_owner_verdict
dpr_owner_admit(struct dpr_owner_table *table, u32 peers, bool first,
		const struct dpr_segment *seg, struct sk_buff *skb,
		struct dpr_owner_ask *copy)
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
	if (!ask ||
	    !dpr_owner_take_tokens(table, dpr_owner_cost(table, peers, ask->tries,
							 first)))
		return DPR_OWNER_LIMIT;
	if (!ask->tries) {
		ask->nonce = get_random_u32();
		ask->begun = jiffies;
	}
	ask->seg = *seg;
	ask->last = jiffies;
	ask->tries++;
	*copy = *ask;
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
	struct dpr_owner_ask copy;

	service = dpr_service_match(dn, &seg->key);
	if (!table || seg->rst || !service ||
	    !dpr_local_has(dn->net, skb->dev, &seg->key.address) ||
	    dpr_owner_is_local(dn, skb, seg) ||
	    dpr_service_translated(dn, skb, service, seg))
		return NF_ACCEPT;
	spin_lock(&table->lock);
	verdict = dpr_owner_admit(table, dpr_owner_peers(dn), likely, seg, skb,
				  &copy);
	spin_unlock(&table->lock);
	/* What waits may be gone by now. */
	switch (verdict) {
	case DPR_OWNER_HELD:
		queue_delayed_work(system_wq, &table->drop, DPR_OWNER_HOLD);
		fallthrough;
	case DPR_OWNER_ASK:
		dpr_stats_inc(dn, DPR_STAT_OWNER_ASKED);
		dpr_owner_send(dn, cfg, dev, likely, &copy);
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
	struct dpr_owner_ask copy;
	enum dpr_owner_verdict verdict;

	if (!table || seg->rst)
		return;
	spin_lock(&table->lock);
	verdict = dpr_owner_admit(table, 1, true, seg, NULL, &copy);
	spin_unlock(&table->lock);
	if (verdict != DPR_OWNER_ASK)
		return;
	dpr_stats_inc(dn, DPR_STAT_HASH_ASKED);
	dpr_ask_send(dn, cfg, dev, peer, DPR_OWNER_MSG_WHO, copy.nonce,
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
