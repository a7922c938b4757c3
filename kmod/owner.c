// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include "ask.h"
#include "compat.h"
#include "core/parse.h"
#include "denial.h"
#include "dpr.h"
#include "flow.h"
#include "fwd.h"
#include "fwd_direct.h"
#include "group.h"
#include "liveness.h"
#include "load_table.h"
#include "local.h"
#include "netns.h"
#include "owner.h"
#include "owner_msg.h"
#include "owner_table.h"
#include "peer.h"
#include "service.h"
#include "socket.h"
#include "stats.h"

#define DPR_OWNER_TRIES		3	/* times that a question is put, at least */
#define DPR_OWNER_LEAST		HZ	/* least time for an answer, to all tries */
#define DPR_OWNER_LONGEST	(15 * HZ) /* a peer that reports, but denies nothing */

/**
 * struct dpr_owner_try - a question that is to be put now
 * @ask: a copy of it
 * @batch: where it waits for others; NULL if it is to be sent by itself
 * @full: that has no more room
 * @each: each peer is to say yes or no
 * @follows: segments follow the hash meanwhile; set in any case
 */
struct dpr_owner_try {
	struct dpr_owner_ask ask;
	struct dpr_batch *batch;
	bool full;
	bool each;
	bool follows;
};

/*
 * Sends a question: first to the peer that most likely has the connection, if
 * there is one, then to all peers that are not dead, for one that has left the load table
 * goes on with its connections: at once, or in a large cluster to DPR_OWNER_PEERS more with
 * each try. Those on one link are asked by one
 * message to the group, once: where multicasts get lost, each is asked afterwards. One that has
 * left the load table has mostly left the group, too: its processes have ended.
 */
static void dpr_owner_send(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct net_device *dev, struct dpr_peer *first,
			   const struct dpr_owner_ask *ask)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	u32 i, n = table ? table->known : 0;
	u32 at = (ask->tries - 1 - !!first) * DPR_OWNER_PEERS;
	struct dpr_group_way way = {};
	u32 messages = 0;

	if (first && ask->tries == 1) {
		dpr_ask_send(dn, cfg, dev, first, DPR_OWNER_MSG_WHO, ask->nonce,
			     &ask->seg.key);
		return;
	}
	for (i = 0; i < min_t(u32, n, DPR_OWNER_PEERS); i++) {
		const u32 place = (at + i) % n;
		struct dpr_peer *peer = table->peer[place];

		if (!dpr_denial_possible(peer, &ask->seg.key) ||
		    (!at && place < table->order.n &&
		     dpr_group_reaches(dn, cfg, peer, &way)))
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
 * Have the peers been asked often and for long enough, and has each of them said no? A
 * client that sends much asks thrice in no time, while an owner that is busy for a second
 * has answered nothing. One that sends little asks once more in the end: a peer that was silent
 * may answer by now. Only one peer is asked if @peers is 0.
 */
static bool dpr_owner_nobody(const struct dpr_net *dn,
			     const struct dpr_config *cfg, u32 peers,
			     const struct dpr_owner_ask *ask, bool first)
{
	const u32 age = (u32)jiffies - ask->begun;

	if (ask->tries < DPR_OWNER_TRIES + first || age < DPR_OWNER_LEAST)
		return false;
	if (!peers || ask->last - ask->begun >= DPR_OWNER_LONGEST)
		return true;
	return dpr_denials_settled(dn) &&
	       !dpr_denials_count(dn, cfg, &ask->denials, &ask->seg.key).await;
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

/* Has each peer been asked by itself before the question's try with this number? */
static bool dpr_owner_each_again(u32 tries, bool first)
{
	return tries > DPR_OWNER_TRIES + first;
}

/*
 * Takes the tokens for asking each peer that has not said no. Questions that may find a host
 * come before: these are mostly about connections that no host has.
 */
static bool dpr_owner_afford_each(struct dpr_owner_table *table,
				  const struct dpr_config *cfg,
				  const struct dpr_owner_ask *ask, bool first,
				  const struct dpr_flow_key *key)
{
	const u32 cost = dpr_denials_count(table->dn, cfg, &ask->denials, key).ask
			 << dpr_owner_each_again(ask->tries + 1, first);

	dpr_owner_refill(table);
	if (table->tokens < DPR_OWNER_GATHER)
		return false;
	table->tokens -= cost;
	return true;
}

/* Admits a question: it waits for others, or there are messages for it. */
static bool dpr_owner_afford(struct dpr_owner_table *table,
			     const struct dpr_config *cfg, u32 peers,
			     const struct dpr_owner_ask *ask, bool first,
			     const struct dpr_flow_key *key,
			     struct dpr_owner_try *try)
{
	struct dpr_batch *batch = NULL;

	try->batch = NULL;
	try->each = peers && ask->tries + 1 >= DPR_OWNER_TRIES + first;
	if (try->each)
		return dpr_owner_afford_each(table, cfg, ask, first, key);
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
 * there are to ask, 0 if only one is; @first is asked before the others, unless NULL. Has @skb
 * wait if there is one, and room. Sets @try if the caller is to put the question.
 */
static enum dpr_owner_verdict
dpr_owner_admit(struct dpr_owner_table *table, const struct dpr_config *cfg,
		u32 peers, const struct dpr_peer *first,
		const struct dpr_segment *seg, struct sk_buff *skb,
		struct dpr_owner_try *try)
{
	struct dpr_owner_ask *ask = dpr_owner_find(table, &seg->key);

	WRITE_ONCE(table->used_at, jiffies);
	if (ask && dpr_owner_over(ask))
		ask->tries = 0;
	try->follows = ask && ask->tries && first &&
		       ask->syn == dpr_addr_id(&first->address);
	if (ask && ask->tries) {
		if (ask->nobody)
			return DPR_OWNER_NOBODY;
		if ((u32)jiffies - ask->last < DPR_OWNER_AGAIN)
			return DPR_OWNER_WAIT;
		if (dpr_owner_nobody(table->dn, cfg, peers, ask, first)) {
			ask->nobody = true;
			ask->since = jiffies;
			return DPR_OWNER_NOBODY;
		}
	}
	if (!ask)
		ask = dpr_owner_room(table, &seg->key);
	if (!ask)
		return DPR_OWNER_LIMIT;
	if (!ask->tries)
		dpr_owner_begin(ask);
	if (!dpr_owner_afford(table, cfg, peers, ask, first, &seg->key, try))
		return DPR_OWNER_LIMIT;
	ask->seg = *seg;
	ask->last = jiffies;
	ask->tries++;
	try->ask = *ask;
	if (skb && !try->follows && dpr_held_put(&table->held, &ask->held, skb))
		return DPR_OWNER_HELD;
	/* What waits there may be of another connection. */
	kfree_skb(dpr_held_take(&table->held, &ask->held));
	return DPR_OWNER_ASK;
}

/**
 * dpr_owner_cookie - does a segment answer a SYN cookie of this host
 * @skb: the segment, its TCP header in the linear part
 * @seg: the same, parsed; no SYN
 *
 * Return: true if it may begin a connection that this host has no socket of yet.
 */
bool dpr_owner_cookie(const struct sk_buff *skb, const struct dpr_segment *seg)
{
	const struct tcphdr *th = (void *)skb->data + seg->offset;

	if (!th->ack || th->fin || th->rst)
		return false;
	return seg->key.wide ? dpr_compat_cookie_valid6(ipv6_hdr(skb), th) :
			       dpr_compat_cookie_valid(ip_hdr(skb), th);
}

/* Does the segment mean something to this host's own stack? */
static bool dpr_owner_is_local(struct dpr_net *dn, struct sk_buff *skb,
			       struct dpr_service *service,
			       const struct dpr_segment *seg)
{
	return dpr_socket_keeps(dn, skb, seg) || dpr_owner_cookie(skb, seg) ||
	       dpr_service_translated(dn, skb, service, seg);
}

/* Puts a question, or sees to it that it is put with others. */
static void dpr_owner_put(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct net_device *dev, struct dpr_peer *first,
			  struct dpr_owner_table *table,
			  const struct dpr_owner_try *try)
{
	if (try->each)
		dpr_denials_ask(dn, cfg, dev, &try->ask.denials,
				(try->ask.tries - 1) * DPR_OWNER_PEERS,
				try->ask.nonce, &try->ask.seg.key,
				dpr_owner_each_again(try->ask.tries, first));
	else if (!try->batch)
		dpr_owner_send(dn, cfg, dev, first, &try->ask);
	else if (try->full)
		dpr_owner_flush(table, cfg, dev, try->batch);
	/* What the limits keep back, and what comes before the batch is full. */
	if (try->batch)
		queue_delayed_work(dpr_compat_percpu_wq, &table->flush, 1);
}

/**
 * dpr_owner_seek - find the host that serves a connection without flow
 * @dn: the namespace
 * @cfg: the configuration; its orphans are asked for
 * @skb: a segment of the connection, no SYN, its TCP header in the linear part
 * @seg: the same, parsed
 * @likely: the peer that the stateless policy's hash names, NULL if none; set to NULL if
 *	it has not the connection either
 *
 * The segment waits, if there is room, for a peer that claims the connection. One that
 * is dropped is retransmitted; by then a peer may have claimed it. After a SYN that has gone to
 * @likely it goes there, too: it may be of the connection that began with that
 * (dpr_owner_forget()). Called under RCU in softirq.
 *
 * Return: NF_ACCEPT if it is the stack's, or @likely's if there is one; else
 * NF_DROP, or NF_STOLEN if it waits.
 */
unsigned int dpr_owner_seek(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb,
			    const struct dpr_segment *seg,
			    struct dpr_peer **likely)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct dpr_peer *first = *likely;
	struct net_device *dev = skb->dev;
	enum dpr_owner_verdict verdict;
	struct dpr_service *service;
	struct dpr_owner_try try;

	service = dpr_service_match(dn, &seg->key);
	if (!table || seg->rst || !service ||
	    !dpr_local_has(dn->net, skb->dev, &seg->key.address) ||
	    dpr_owner_is_local(dn, skb, service, seg))
		return NF_ACCEPT;
	spin_lock(&table->lock);
	verdict = dpr_owner_admit(table, cfg, dpr_owner_peers(dn), first, seg,
				  skb, &try);
	spin_unlock(&table->lock);
	if (unlikely(try.follows)) {
		if (verdict == DPR_OWNER_ASK) {
			dpr_stats_inc(dn, DPR_STAT_HASH_ASKED);
			dpr_owner_put(dn, cfg, dev, first, table, &try);
		}
		dpr_stats_inc(dn, DPR_STAT_OWNER_FOLLOWED);
		return NF_ACCEPT;
	}
	/* What waits may be gone by now. */
	switch (verdict) {
	case DPR_OWNER_HELD:
		queue_delayed_work(dpr_compat_percpu_wq, &table->drop, DPR_OWNER_HOLD);
		fallthrough;
	case DPR_OWNER_ASK:
		dpr_stats_inc(dn, DPR_STAT_OWNER_ASKED);
		dpr_owner_put(dn, cfg, dev, first, table, &try);
		return verdict == DPR_OWNER_HELD ? NF_STOLEN : NF_DROP;
	case DPR_OWNER_WAIT:
		dpr_stats_inc(dn, DPR_STAT_OWNER_WAITED);
		return NF_DROP;
	case DPR_OWNER_LIMIT:
		if (first) {
			dpr_stats_inc(dn, DPR_STAT_OWNER_FOLLOWED);
			return NF_ACCEPT;
		}
		dpr_stats_inc(dn, DPR_STAT_OWNER_LIMITED);
		return NF_DROP;
	default:
		/* One of an older version may have it, and not have said so. */
		if (first && READ_ONCE(first->protocol) >= DPR_PEER_PROTOCOL_DENIES)
			*likely = NULL;
		dpr_stats_inc(dn, DPR_STAT_OWNER_UNKNOWN);
		return NF_ACCEPT;
	}
}

/*
 * Has the next segment of a connection put a question anew, to all peers: that which the hash
 * names, or the flow, has answered. Returns what has waited, for the caller to free.
 */
static struct sk_buff *dpr_owner_restart(struct dpr_owner_table *table,
					 struct dpr_owner_ask *ask,
					 const struct dpr_flow_key *key)
{
	struct sk_buff *skb = dpr_held_take(&table->held, &ask->held);

	dpr_owner_begin(ask);
	ask->seg = (struct dpr_segment){ .key = *key };
	ask->last = ask->begun - DPR_OWNER_AGAIN;
	ask->tries = 1;
	return skb;
}

/**
 * dpr_owner_raise - have the next segment of a connection raise a question to all peers
 * @dn: the namespace
 * @key: the connection; the peer that the stateless policy's hash names has no socket of
 *	it, or that of its flow
 * @request: the peer that has only a request of it, of which a segment was not: its next
 *	claim is not believed if this begins the question, for others may have the
 *	connection; NULL if none
 * @anew: it begins anew in any case: an older one is about another connection
 *
 * One that is answered, or too old, begins anew. Called under RCU in softirq.
 *
 * Return: false if no more questions can be open.
 */
bool dpr_owner_raise(struct dpr_net *dn, const struct dpr_flow_key *key,
		     const struct dpr_peer *request, bool anew)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct dpr_owner_ask *ask;
	struct sk_buff *skb = NULL;
	bool fresh;

	if (!table)
		return false;
	spin_lock(&table->lock);
	WRITE_ONCE(table->used_at, jiffies);
	ask = dpr_owner_find(table, key);
	fresh = anew || !ask || ask->nobody || dpr_owner_over(ask);
	if (!ask)
		ask = dpr_owner_room(table, key);
	if (ask && fresh) {
		skb = dpr_owner_restart(table, ask, key);
		/* Once: said again and again it would never be believed. */
		if (request)
			dpr_denials_note(dn, &ask->denials, request);
	}
	if (ask) {
		table->missed_at = jiffies;
		WRITE_ONCE(table->missed, true);
	}
	spin_unlock(&table->lock);
	kfree_skb(skb);
	return ask;
}

/**
 * dpr_owner_forget - forget what peers have said of a connection: its client begins another one
 * @dn: the namespace
 * @key: the connection
 * @peer: who gets the SYN
 *
 * Otherwise an answer about segments before it, which anybody can send, would be that of its
 * own. Anybody can send the SYN, too: an open question stays open, and is put to all peers anew
 * by the next segment. What @peer claims counts no more, for it may have no more than a request
 * of the SYN; segments follow the hash to it, until another peer claims the connection, or @peer
 * says that one has missed when all others have denied it. Not called for a SYN that makes a flow,
 * or is served here: their segments raise no question. Costs nothing unless there was a question
 * not long ago, and takes no lock unless it was about this connection. Called under RCU in softirq.
 */
void dpr_owner_forget(struct dpr_net *dn, const struct dpr_flow_key *key,
		      const struct dpr_peer *peer)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct sk_buff *skb = NULL;
	struct dpr_owner_ask *ask;

	if (likely(!table || (u32)jiffies - READ_ONCE(table->used_at) >
			     DPR_OWNER_PATIENCE ||
		   !dpr_owner_maybe(table, key)))
		return;
	spin_lock(&table->lock);
	ask = dpr_owner_find(table, key);
	if (ask && (ask->nobody || dpr_owner_over(ask))) {
		skb = dpr_held_take(&table->held, &ask->held);
		ask->tries = 0;
	} else if (ask) {
		skb = dpr_owner_restart(table, ask, key);
		ask->syn = dpr_addr_id(&peer->address);
	}
	spin_unlock(&table->lock);
	kfree_skb(skb);
}

/**
 * dpr_owner_raised - is a question about a connection open
 * @dn: the namespace
 * @key: the connection
 *
 * Costs nothing unless a segment has missed its host not long ago. Called under RCU in
 * softirq.
 */
bool dpr_owner_raised(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct dpr_owner_ask *ask;
	bool open;

	if (likely(!table || !READ_ONCE(table->missed)))
		return false;
	spin_lock(&table->lock);
	ask = dpr_owner_find(table, key);
	open = ask && !dpr_owner_over(ask);
	if ((u32)jiffies - table->missed_at > DPR_OWNER_PATIENCE)
		WRITE_ONCE(table->missed, false);
	spin_unlock(&table->lock);
	return open;
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
	verdict = dpr_owner_admit(table, cfg, 0, peer, seg, NULL, &try);
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
	if (!dpr_fwd_direct_flow(flow) ||
	    !dpr_fwd_direct_send(dn, cfg, skb, flow->peer, flow->shard))
		dpr_fwd_send(dn, cfg, skb, flow->peer);
}

/**
 * dpr_owner_denied - a peer says that it does not serve a connection
 * @dn: the namespace
 * @peer: who
 * @nonce: what it repeats of the question
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: true if this host asked for it.
 */
bool dpr_owner_denied(struct dpr_net *dn, const struct dpr_peer *peer, u32 nonce,
		      const struct dpr_flow_key *key)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	struct dpr_owner_ask *ask;
	bool asked;

	if (!table)
		return false;
	spin_lock(&table->lock);
	ask = dpr_owner_find(table, key);
	asked = ask && ask->nonce == nonce;
	if (asked)
		dpr_denials_note(dn, &ask->denials, peer);
	spin_unlock(&table->lock);
	return asked;
}

/* Is a claim not to be believed, as the peer may have only a request? Under the table's lock. */
static bool dpr_owner_doubtful(struct dpr_net *dn, struct dpr_owner_ask *ask,
			       const struct dpr_peer *peer)
{
	/* It has said so, see dpr_owner_raise(). */
	if (ask->syn != dpr_addr_id(&peer->address))
		return dpr_denials_retract(dn, &ask->denials, peer);
	/* See dpr_owner_forget(). It is not to be waited for: segments go there. */
	dpr_denials_note(dn, &ask->denials, peer);
	return true;
}

/**
 * dpr_owner_claimed - a peer claims a connection
 * @dn: the namespace
 * @cfg: the configuration
 * @claim: its message
 * @peer: who
 * @nonce: what it repeats of the question
 * @key: the connection
 *
 * Called under RCU in softirq.
 *
 * Return: true if this host asked for it, and the connection has got a flow.
 */
bool dpr_owner_claimed(struct dpr_net *dn, const struct dpr_config *cfg,
		       const struct sk_buff *claim, struct dpr_peer *peer,
		       u32 nonce, const struct dpr_flow_key *key)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	const struct dpr_service *service;
	const struct dpr_route *route;
	struct dpr_owner_ask *ask;
	struct dpr_segment seg, begin;
	struct dpr_flow *flow;
	struct sk_buff *skb;
	int came_by;

	if (!table)
		return false;
	spin_lock(&table->lock);
	ask = dpr_owner_find(table, key);
	if (!ask || ask->nonce != nonce || dpr_owner_doubtful(dn, ask, peer)) {
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
	if (dpr_flow_find(dn, key) || dpr_socket_keeps(dn, claim, &seg))
		goto refuse;
	service = dpr_service_match(dn, key);
	route = dpr_fwd_route_of(dn, cfg, peer, key->wide);
	begin = seg;
	begin.seq -= DPR_FLOW_CLAIMED;
	flow = dpr_flow_insert(dn, cfg, &begin, peer, 0,
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
