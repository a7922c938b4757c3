// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/random.h>
#include "compat.h"
#include "config.h"
#include "dpr.h"
#include "load_table.h"
#include "netns.h"
#include "owner_table.h"
#include "peer.h"
#include "stats.h"

#define DPR_OWNER_MEMORY	(5 * HZ) /* how long an answer of nobody holds */

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
		queue_delayed_work(dpr_compat_percpu_wq, &table->drop, DPR_OWNER_HOLD);
}

/**
 * dpr_owner_cost - how many messages a question to all takes, by itself or with others
 * @table: the questions
 * @peers: how many peers there are to ask
 * @alone: each is asked by itself; otherwise it takes as many as the last one did
 */
u32 dpr_owner_cost(const struct dpr_owner_table *table, u32 peers, bool alone)
{
	const u32 messages = READ_ONCE(table->messages);

	return !alone && messages ? messages : clamp(peers, 1U, DPR_OWNER_PEERS);
}

/**
 * dpr_owner_peers - how many peers a question to all goes to; 1 if there is none
 * @dn: the namespace, under RCU
 */
u32 dpr_owner_peers(const struct dpr_net *dn)
{
	const struct dpr_table *table = rcu_dereference(dn->table);

	return table ? max(table->known, 1U) : 1;
}

/**
 * dpr_owner_refill - add the messages that may be sent by now
 * @table: the questions, locked
 */
void dpr_owner_refill(struct dpr_owner_table *table)
{
	u32 now = jiffies, passed = min_t(u32, now - table->filled, HZ);

	table->tokens = min_t(int, DPR_OWNER_RATE,
			      table->tokens +
				  (int)(passed * (DPR_OWNER_RATE / HZ)));
	table->filled = now;
}

/**
 * dpr_owner_take_tokens - take the tokens for messages
 * @table: the questions, locked
 * @cost: how many
 *
 * Return: false if there are not as many.
 */
bool dpr_owner_take_tokens(struct dpr_owner_table *table, u32 cost)
{
	dpr_owner_refill(table);
	if (table->tokens < (int)cost)
		return false;
	table->tokens -= cost;
	return true;
}

/**
 * dpr_owner_flush - put the questions that wait, if the limits allow as many messages now
 * @table: the questions
 * @cfg: the configuration
 * @dev: a device of the namespace
 * @batch: those that wait
 *
 * Called under RCU in softirq.
 */
void dpr_owner_flush(struct dpr_owner_table *table,
		     const struct dpr_config *cfg, struct net_device *dev,
		     struct dpr_batch *batch)
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
		queue_delayed_work(dpr_compat_percpu_wq, &table->flush, 1);
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

static struct dpr_owner_ask *dpr_owner_bucket(struct dpr_owner_table *table,
					      const struct dpr_flow_key *key)
{
	u32 hash = dpr_parse_hash(key, table->seed);

	return table->ask[hash % DPR_OWNER_BUCKETS];
}

/**
 * dpr_owner_find - find the question about a connection
 * @table: the questions, locked
 * @key: the connection
 *
 * Return: the question, NULL if there is none.
 */
struct dpr_owner_ask *dpr_owner_find(struct dpr_owner_table *table,
				     const struct dpr_flow_key *key)
{
	struct dpr_owner_ask *bucket = dpr_owner_bucket(table, key);
	u32 i;

	for (i = 0; i < DPR_OWNER_WAYS; i++)
		if (bucket[i].tries &&
		    dpr_parse_key_equal(&bucket[i].seg.key, key))
			return &bucket[i];
	return NULL;
}

/**
 * dpr_owner_maybe - may there be a question about a connection
 * @table: the questions
 * @key: the connection
 *
 * Looks without the lock, which all processors share: a place that changes meanwhile is mistaken
 * for one of the connection, or for none. The question is then as if it had begun later.
 *
 * Return: false if there is none, but for one that begins now.
 */
bool dpr_owner_maybe(struct dpr_owner_table *table, const struct dpr_flow_key *key)
{
	const struct dpr_owner_ask *bucket = dpr_owner_bucket(table, key);
	u32 i;

	for (i = 0; i < DPR_OWNER_WAYS; i++)
		/* Either answer will do while it changes. */
		if (data_race(bucket[i].tries &&
			      dpr_parse_key_equal(&bucket[i].seg.key, key)))
			return true;
	return false;
}

/*
 * Which of two questions gives way first? The one that was put less often: the client of a
 * connection sends again. Else the older one.
 */
static bool dpr_owner_yields(const struct dpr_owner_ask *ask,
			     const struct dpr_owner_ask *to)
{
	if (ask->tries != to->tries)
		return ask->tries < to->tries;
	return (s32)(ask->last - to->last) < 0;
}

/**
 * dpr_owner_room - a place for a question about a connection that has none
 * @table: the questions, locked
 * @key: the connection
 *
 * If all are taken, a question gives way that no peer has answered for as long as a segment
 * waits: who has the connection answers in much less. If it stayed longer, stray segments could
 * keep connections from being found, some hundred of them in a second. What waits there is for
 * the caller to replace or to free.
 *
 * Return: the place; NULL if all of them have questions that may be answered yet.
 */
struct dpr_owner_ask *dpr_owner_room(struct dpr_owner_table *table,
				     const struct dpr_flow_key *key)
{
	struct dpr_owner_ask *bucket = dpr_owner_bucket(table, key), *room = NULL;
	u32 i, age;

	for (i = 0; i < DPR_OWNER_WAYS; i++) {
		age = (u32)jiffies - bucket[i].last;
		if (!bucket[i].tries || age > DPR_OWNER_MEMORY) {
			room = &bucket[i];
			break;
		}
		if (age > DPR_OWNER_HOLD &&
		    (!room || dpr_owner_yields(&bucket[i], room)))
			room = &bucket[i];
	}
	if (room)
		room->tries = 0;
	return room;
}

/**
 * dpr_owner_begin - begin a question, which is not put yet
 * @ask: the question
 */
void dpr_owner_begin(struct dpr_owner_ask *ask)
{
	ask->nonce = get_random_u32();
	ask->begun = jiffies;
	ask->nobody = false;
	ask->syn = 0;
	ask->denials.version = 0;
}

/**
 * dpr_owner_over - is a question to be forgotten
 * @ask: the question
 *
 * A client waits longer and longer before it retransmits; if the tries were forgotten
 * meanwhile it would never get the RST that says that nobody has its connection.
 */
bool dpr_owner_over(const struct dpr_owner_ask *ask)
{
	return ask->nobody ? (u32)jiffies - ask->since > DPR_OWNER_MEMORY :
			     (u32)jiffies - ask->last > DPR_OWNER_PATIENCE;
}

/**
 * dpr_owner_spend - may a message be sent that no question is
 * @dn: the namespace
 *
 * Called under RCU in softirq.
 *
 * Return: true if the limit of all messages allows it, which counts it.
 */
bool dpr_owner_spend(struct dpr_net *dn)
{
	struct dpr_owner_table *table = rcu_dereference(dn->owners);
	bool spent;

	if (!table)
		return false;
	spin_lock(&table->lock);
	spent = dpr_owner_take_tokens(table, 1);
	spin_unlock(&table->lock);
	return spent;
}
