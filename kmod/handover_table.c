// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include "compat.h"
#include "config.h"
#include "dpr.h"
#include "handover_table.h"
#include "netns.h"
#include "peer.h"
#include "quota.h"
#include "stats.h"

DEFINE_STATIC_KEY_FALSE(dpr_handover_used);

static struct kmem_cache *dpr_handover_cache;

/*
 * Bytes that the packets have of all namespaces that there is a quota for. No control group
 * pays for packets, so all of them together get as much as one other namespace.
 */
static atomic_long_t dpr_handover_guests;

/**
 * dpr_handover_table_init - make the slab cache
 *
 * Return: 0 or -ENOMEM.
 */
int __init dpr_handover_table_init(void)
{
	dpr_handover_cache = kmem_cache_create("dpr_handover",
					       sizeof(struct dpr_handover), 0,
					       0, NULL);
	return dpr_handover_cache ? 0 : -ENOMEM;
}

/**
 * dpr_handover_table_exit - free the slab cache, once all connections are freed
 */
void dpr_handover_table_exit(void)
{
	kmem_cache_destroy(dpr_handover_cache);
}

/**
 * dpr_handover_table_setup - make a namespace's table, unless it has one
 * @dn: the namespace; its lock is held
 * @tick: to be called from time to time while there are connections
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_handover_table_setup(struct dpr_net *dn, work_func_t tick)
{
	struct dpr_handovers *all;
	u32 i;

	if (rcu_access_pointer(dn->handovers))
		return 0;
	all = kvzalloc(sizeof(*all), GFP_KERNEL_ACCOUNT);
	if (!all)
		return -ENOMEM;
	all->dn = dn;
	get_random_bytes(&all->secret, sizeof(all->secret));
	INIT_DELAYED_WORK(&all->tick, tick);
	for (i = 0; i < DPR_HANDOVER_SHARDS; i++) {
		spin_lock_init(&all->shard[i].lock);
		INIT_LIST_HEAD(&all->shard[i].age);
	}
	dpr_handover_seen_setup(&all->seen);
	rcu_assign_pointer(dn->handovers, all);
	static_branch_inc(&dpr_handover_used);
	return 0;
}

/**
 * dpr_handover_table_teardown - forget all connections
 * @dn: the namespace; no hook runs in it any more, its peers are still there
 */
void dpr_handover_table_teardown(struct dpr_net *dn)
{
	struct dpr_handovers *all = rcu_dereference_protected(dn->handovers, true);
	struct dpr_handover *one, *next;
	u32 i;

	if (!all)
		return;
	static_branch_dec(&dpr_handover_used);
	cancel_delayed_work_sync(&all->tick);
	for (i = 0; i < DPR_HANDOVER_SHARDS; i++) {
		list_for_each_entry_safe(one, next, &all->shard[i].age, age) {
			dpr_handover_table_unlink(all, one);
			dpr_handover_table_free(all, one);
		}
	}
	kvfree(all);
}

/**
 * dpr_handover_table_hash - what nobody else can compute of a connection
 * @all: the table
 * @key: the connection
 * @salt: what it is for
 */
u64 dpr_handover_table_hash(const struct dpr_handovers *all,
			    const struct dpr_flow_key *key, u32 salt)
{
	struct {
		struct dpr_addr client;
		struct dpr_addr address;
		__be16 client_port;
		__be16 port;
		u32 salt;
	} text __aligned(8) = {
		.client = key->client,
		.address = key->address,
		.client_port = key->client_port,
		.port = key->port,
		.salt = salt,
	};

	BUILD_BUG_ON(sizeof(text) != 40);
	return siphash(&text, sizeof(text), &all->secret);
}

static struct hlist_head *dpr_handover_table_bucket(struct dpr_handovers *all,
						    const struct dpr_flow_key *key,
						    struct dpr_handover_shard **shard)
{
	const u64 hash = dpr_handover_table_hash(all, key, 0);

	*shard = &all->shard[hash % DPR_HANDOVER_SHARDS];
	return &(*shard)->bucket[hash / DPR_HANDOVER_SHARDS % DPR_HANDOVER_BUCKETS];
}

/**
 * dpr_handover_table_shard - the shard of a connection
 * @all: the table
 * @key: the connection
 */
struct dpr_handover_shard *dpr_handover_table_shard(struct dpr_handovers *all,
						    const struct dpr_flow_key *key)
{
	struct dpr_handover_shard *shard;

	dpr_handover_table_bucket(all, key, &shard);
	return shard;
}

/**
 * dpr_handover_table_find - find a connection
 * @all: the table; the lock of the connection's shard is held
 * @key: the connection
 *
 * Return: NULL if it is not there.
 */
struct dpr_handover *dpr_handover_table_find(struct dpr_handovers *all,
					     const struct dpr_flow_key *key)
{
	struct dpr_handover_shard *shard;
	struct dpr_handover *one;

	hlist_for_each_entry(one, dpr_handover_table_bucket(all, key, &shard), node)
		if (dpr_parse_key_equal(&one->key, key))
			return one;
	return NULL;
}

/**
 * dpr_handover_table_has - does a connection wait for its host here
 * @dn: the namespace
 * @key: the connection
 *
 * Called under RCU in softirq, without the lock of a shard.
 */
bool dpr_handover_table_has(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_shard *shard;
	bool has;

	if (!all || !atomic_read(&all->count))
		return false;
	shard = dpr_handover_table_shard(all, key);
	spin_lock(&shard->lock);
	has = dpr_handover_table_find(all, key);
	spin_unlock(&shard->lock);
	return has;
}

/**
 * dpr_handover_table_bars - may a host not answer a client
 * @dn: the namespace
 * @key: the client's connection
 * @host: the host
 *
 * It may if the connection was handed to it: its answers may overtake what it says of that.
 * Called under RCU in softirq, if dpr_handover_on().
 *
 * Return: true if the connection waits here for a host, and it was not handed to this one.
 */
bool dpr_handover_table_bars(struct dpr_net *dn, const struct dpr_flow_key *key,
			     const struct dpr_addr *host)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_shard *shard;
	const struct dpr_handover *one;
	bool bars;

	if (!all || !atomic_read(&all->count))
		return false;
	shard = dpr_handover_table_shard(all, key);
	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, key);
	bars = one && (one->state != DPR_HANDOVER_SENT ||
		       !dpr_addr_equal(&one->peer->address, host));
	spin_unlock(&shard->lock);
	return bars;
}

/* Can no host have it yet, and does nobody miss it but its client? */
static bool dpr_handover_table_vain(const struct dpr_handover *one)
{
	return one->state == DPR_HANDOVER_SYN ||
	       (one->state == DPR_HANDOVER_OPEN && !one->moved && !dpr_handover_begins(one));
}

/**
 * dpr_handover_table_evict - make room in a shard
 * @all: the table
 * @shard: the shard; its lock is held
 * @grace: jiffies that a connection has in any case
 *
 * The oldest connection goes that no host can have yet, if it is old enough. Called under RCU.
 *
 * Return: false if none goes.
 */
bool dpr_handover_table_evict(struct dpr_handovers *all,
			      struct dpr_handover_shard *shard, u32 grace)
{
	struct dpr_handover *one;

	list_for_each_entry(one, &shard->age, age) {
		if ((u32)jiffies - one->born < grace)
			return false;
		if (one->busy || !dpr_handover_table_vain(one))
			continue;
		dpr_handover_table_unlink(all, one);
		dpr_handover_table_free(all, one);
		dpr_stats_inc(all->dn, DPR_STAT_HANDOVER_EVICTED);
		return true;
	}
	return false;
}

/**
 * dpr_handover_table_alloc - make room for a connection
 * @all: the table; the lock of the connection's shard is held
 * @key: the connection
 *
 * There may be as many as flows, and no more than DPR_HANDOVER_MAX. Called under RCU.
 *
 * Return: it, for dpr_handover_table_insert(); NULL if there is no room.
 */
struct dpr_handover *dpr_handover_table_alloc(struct dpr_handovers *all,
					      const struct dpr_flow_key *key)
{
	struct dpr_net *dn = all->dn;
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	const int most = min_t(u32, cfg->max_flows, DPR_HANDOVER_MAX);
	struct dpr_handover *one;

	/* Who has had as many in so short a time is being flooded. */
	if (atomic_read(&all->count) >= most &&
	    !dpr_handover_table_evict(all, dpr_handover_table_shard(all, key),
				      DPR_HANDOVER_GRACE))
		return NULL;
	if (!dpr_quota_take(dn))
		return NULL;
	one = dpr_quota_alloc(dn, dpr_handover_cache);
	if (!one) {
		dpr_quota_give(dn);
		return NULL;
	}
	*one = (struct dpr_handover){ .key = *key, .born = jiffies };
	__skb_queue_head_init(&one->kept);
	return one;
}

/**
 * dpr_handover_table_insert - have others find a connection
 * @all: the table; the lock of the connection's shard is held
 * @one: the connection, from dpr_handover_table_alloc()
 */
void dpr_handover_table_insert(struct dpr_handovers *all, struct dpr_handover *one)
{
	struct dpr_handover_shard *shard;
	struct hlist_head *bucket = dpr_handover_table_bucket(all, &one->key, &shard);

	hlist_add_head(&one->node, bucket);
	list_add_tail(&one->age, &shard->age);
	if (atomic_inc_return(&all->count) == 1)
		queue_delayed_work(dpr_compat_percpu_wq, &all->tick, DPR_HANDOVER_TICK);
}

/**
 * dpr_handover_table_unlink - have others find a connection no more
 * @all: the table; the lock of the connection's shard is held
 * @one: the connection
 */
void dpr_handover_table_unlink(struct dpr_handovers *all, struct dpr_handover *one)
{
	hlist_del(&one->node);
	list_del(&one->age);
	one->gone = true;
	atomic_dec(&all->count);
}

static atomic_long_t *dpr_handover_table_memory(struct dpr_handovers *all)
{
	return unlikely(all->dn->guest) ? &dpr_handover_guests : &all->memory;
}

/**
 * dpr_handover_table_charge - is there memory to keep a packet
 * @all: the table
 * @skb: the packet; if so its size must not change until dpr_handover_table_uncharge()
 * @later: no socket can begin before another one comes. All such get half of the memory, so
 *	that clients who leave out their first byte leave room for others
 */
bool dpr_handover_table_charge(struct dpr_handovers *all, const struct sk_buff *skb,
			       bool later)
{
	const long most = later ? DPR_HANDOVER_MEMORY / 2 : DPR_HANDOVER_MEMORY;
	atomic_long_t *memory = dpr_handover_table_memory(all);

	if (atomic_long_add_return(skb->truesize, memory) <= most)
		return true;
	atomic_long_sub(skb->truesize, memory);
	return false;
}

/**
 * dpr_handover_table_uncharge - a packet is kept no more
 * @all: the table
 * @skb: the packet
 */
void dpr_handover_table_uncharge(struct dpr_handovers *all, const struct sk_buff *skb)
{
	atomic_long_sub(skb->truesize, dpr_handover_table_memory(all));
}

/**
 * dpr_handover_table_drop - forget a packet that was kept, and was taken off its list
 * @all: the table
 * @skb: the packet; NULL: none
 */
void dpr_handover_table_drop(struct dpr_handovers *all, struct sk_buff *skb)
{
	if (!skb)
		return;
	dpr_handover_table_uncharge(all, skb);
	kfree_skb(skb);
}

/**
 * dpr_handover_table_free - free a connection, and what it keeps
 * @all: the table
 * @one: the connection, which nobody else finds any more
 */
void dpr_handover_table_free(struct dpr_handovers *all, struct dpr_handover *one)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&one->kept)))
		dpr_handover_table_drop(all, skb);
	dpr_handover_table_drop(all, one->ack);
	if (one->peer)
		dpr_peer_put(one->peer);
	if (one->home)
		dpr_peer_put(one->home);
	kmem_cache_free(dpr_handover_cache, one);
	dpr_quota_give(all->dn);
}

/* The kept segment behind which another one belongs, by its number; NULL: in front. */
static struct sk_buff *dpr_handover_table_place(struct dpr_handover *one, u32 seq)
{
	struct sk_buff *at;

	skb_queue_reverse_walk(&one->kept, at)
		if (!after(dpr_handover_part(at)->seq, seq))
			return at;
	return NULL;
}

/**
 * dpr_handover_table_keep - keep a segment of a connection
 * @all: the table; the lock of the connection's shard is held
 * @one: the connection
 * @skb: the segment, no super-packet; its struct dpr_handover_part is set. Taken over if
 *	the answer is yes
 *
 * The first one takes the place of the last if it must. Return: false if there is no room,
 * or it is there already.
 */
bool dpr_handover_table_keep(struct dpr_handovers *all, struct dpr_handover *one,
			     struct sk_buff *skb)
{
	const struct dpr_handover_part *part = dpr_handover_part(skb);
	const bool headed = dpr_handover_headed(one);
	const bool first = part->seq == dpr_handover_next(one);
	struct sk_buff *at;

	if (first && !headed && skb_queue_len(&one->kept) >= DPR_HANDOVER_PACKETS)
		dpr_handover_table_drop(all, __skb_dequeue_tail(&one->kept));
	at = dpr_handover_table_place(one, part->seq);
	if (at && !after(part->end, dpr_handover_part(at)->end) &&
	    dpr_handover_part(at)->seq == part->seq)
		return false;
	if (skb_queue_len(&one->kept) >= DPR_HANDOVER_PACKETS ||
	    !dpr_handover_table_charge(all, skb, !first && !headed))
		return false;
	if (at)
		__skb_queue_after(&one->kept, at, skb);
	else
		__skb_queue_head(&one->kept, skb);
	return true;
}
