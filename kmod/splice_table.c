// SPDX-License-Identifier: GPL-2.0
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/sock.h>
#include "backend.h"
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "netns.h"
#include "quota.h"
#include "socket.h"
#include "splice_table.h"
#include "stats.h"

DEFINE_STATIC_KEY_FALSE(dpr_splice_used);

/*
 * How long a handshake is safe from eviction, as that of a flow is (flow.c), and one that is
 * over after its last packet.
 */
#define DPR_SPLICE_GRACE	(3 * HZ)
/* Connections of a backend that are over, and are looked at for one that gives way. */
#define DPR_SPLICE_LOOKS	8
/*
 * Ports that are tried for a connection, from a random one on; and if the backend has as many
 * connections as there are ports. Not all of these need to have the same two addresses.
 */
#define DPR_SPLICE_TRIES	128
#define DPR_SPLICE_TRIES_FULL	8
/* Time between two looks at all splices, and how many are looked at in one go. */
#define DPR_SPLICE_PERIOD	(5 * HZ)
#define DPR_SPLICE_BATCH	512

/* Of splices of IPv4, of IPv6. */
static struct kmem_cache *dpr_splice_cache[2];

static u32 dpr_splice_hash(const void *data, u32 len, u32 seed)
{
	return dpr_parse_hash(data, seed);
}

static u32 dpr_splice_hash_again(const void *data, u32 len, u32 seed)
{
	const struct dpr_splice_end *end = data;
	struct dpr_flow_key key;

	if (likely(!end->wide))
		return dpr_parse_hash4(end->client, end->client_port,
				       end->address, end->port, seed);
	key = dpr_splice_key(end);
	return dpr_parse_hash(&key, seed);
}

static int dpr_splice_compare(struct rhashtable_compare_arg *arg,
			      const void *obj)
{
	const struct dpr_flow_key *key = arg->key;
	const struct dpr_splice_end *end = obj;
	const struct dpr_splice_addresses *wide;

	if (end->client_port != key->client_port || end->port != key->port ||
	    end->wide != key->wide)
		return 1;
	if (likely(!key->wide))
		return end->client != key->client.word[3] ||
		       end->address != key->address.word[3];
	wide = dpr_splice_wide(end);
	return !dpr_addr_equal(&wide->client, &key->client) ||
	       !dpr_addr_equal(&wide->address, &key->address);
}

static const struct rhashtable_params dpr_splice_params = {
	.key_len = sizeof(struct dpr_flow_key),
	.head_offset = offsetof(struct dpr_splice_end, node),
	.hashfn = dpr_splice_hash,
	.obj_hashfn = dpr_splice_hash_again,
	.obj_cmpfn = dpr_splice_compare,
	.automatic_shrinking = true,
};

/**
 * dpr_splice_table_init - make the slab caches
 *
 * Return: 0 or -ENOMEM.
 */
int __init dpr_splice_table_init(void)
{
	const size_t wide = struct_size_t(struct dpr_splice, wide, DPR_SPLICE_ENDS);

	BUILD_BUG_ON(offsetof(struct dpr_splice, seen) != 64);
	BUILD_BUG_ON(sizeof(struct dpr_splice) != 128);
	BUILD_BUG_ON(offsetof(struct dpr_splice, wide) != 128);
	BUILD_BUG_ON(DPR_SPLICE_ENDS * sizeof(struct dpr_splice_addresses) != 64);
	dpr_splice_cache[0] = kmem_cache_create("dpr_splice",
						sizeof(struct dpr_splice), 0,
						SLAB_HWCACHE_ALIGN, NULL);
	dpr_splice_cache[1] = kmem_cache_create("dpr_splice6", wide, 0,
						SLAB_HWCACHE_ALIGN, NULL);
	if (dpr_splice_cache[0] && dpr_splice_cache[1])
		return 0;
	kmem_cache_destroy(dpr_splice_cache[0]);
	kmem_cache_destroy(dpr_splice_cache[1]);
	return -ENOMEM;
}

/**
 * dpr_splice_table_exit - free the slab caches, once all splices are on their way
 */
void dpr_splice_table_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(dpr_splice_cache[0]);
	kmem_cache_destroy(dpr_splice_cache[1]);
}

/**
 * dpr_splice_table_find - the place of a connection in the table
 * @dn: the namespace
 * @key: as a segment names the connection
 *
 * Called under RCU. The splice may be expired.
 *
 * Return: the place, NULL if there is none.
 */
struct dpr_splice_end *dpr_splice_table_find(struct dpr_net *dn,
					     const struct dpr_flow_key *key)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);

	if (unlikely(!all))
		return NULL;
	return rhashtable_lookup(&all->table, key, dpr_splice_params);
}

/**
 * dpr_splice_table_count - how many splices are there
 * @dn: the namespace; a netlink operation runs in it
 */
u32 dpr_splice_table_count(struct dpr_net *dn)
{
	const struct dpr_splices *all = rcu_access_pointer(dn->splices) ?
					rcu_dereference_raw(dn->splices) : NULL;

	return all ? max(atomic_read(&all->count), 0) : 0;
}

static void dpr_splice_free(struct dpr_splice *splice)
{
	dst_release(rcu_dereference_protected(splice->dst, true));
	kmem_cache_free(dpr_splice_cache[splice->end[DPR_SPLICE_CLIENT].wide], splice);
}

static void dpr_splice_free_rcu(struct rcu_head *rcu)
{
	dpr_splice_free(container_of(rcu, struct dpr_splice, rcu));
}

static bool dpr_splice_live(u8 state)
{
	return state <= DPR_SPLICE_ESTABLISHED;
}

static void dpr_splice_unreserve(struct dpr_splices *all)
{
	atomic_dec(&all->count);
	dpr_quota_give(all->dn);
}

/* Takes it off the table once its state has become DPR_SPLICE_GONE. */
static void dpr_splice_release(struct dpr_splices *all, struct dpr_splice *splice,
			       u8 state)
{
	int i;

	for (i = 0; i < DPR_SPLICE_ENDS; i++)
		rhashtable_remove_fast(&all->table, &splice->end[i].node,
				       dpr_splice_params);
	if (dpr_splice_live(state))
		atomic_dec(&splice->backend->live);
	dpr_backend_put(splice->backend);
	dpr_splice_unreserve(all);
	call_rcu(&splice->rcu, dpr_splice_free_rcu);
}

/* The list that a backend's connections of a state are on, NULL if there is none. */
static struct list_head *dpr_splice_list_of(struct dpr_backend *backend, u8 state)
{
	switch (state) {
	case DPR_SPLICE_SYN:
		return &backend->half_open;
	case DPR_SPLICE_CLOSED:
	case DPR_SPLICE_RESET:
		return &backend->ended;
	default:
		return NULL;
	}
}

static bool dpr_splice_listless(const struct dpr_backend *backend)
{
	return list_empty(&backend->half_open) && list_empty(&backend->ended);
}

/* Has it on the list of its state. Under the lock. */
static void dpr_splice_list(struct dpr_splices *all, struct dpr_splice *splice,
			    u8 state)
{
	struct dpr_backend *backend = splice->backend;
	struct list_head *list = dpr_splice_list_of(backend, state);

	if (!list)
		return;
	if (dpr_splice_listless(backend))
		list_add_tail(&backend->waiting, &all->waiting);
	list_add_tail(&splice->listed, list);
	if (state == DPR_SPLICE_SYN)
		WRITE_ONCE(backend->half, backend->half + 1);
}

/* Takes it off that. Under the lock. */
static void dpr_splice_unlist(struct dpr_splice *splice, u8 state)
{
	struct dpr_backend *backend = splice->backend;

	if (!dpr_splice_list_of(backend, state))
		return;
	list_del(&splice->listed);
	if (dpr_splice_listless(backend))
		list_del(&backend->waiting);
	if (state == DPR_SPLICE_SYN)
		WRITE_ONCE(backend->half, backend->half - 1);
}

static bool dpr_splice_leave(struct dpr_splices *all, struct dpr_splice *splice,
			     u8 state, u8 next)
{
	bool moved;

	DPR_RACE_WINDOW();
	spin_lock(&all->lock);
	moved = cmpxchg(&splice->state, state, next) == state;
	if (moved) {
		dpr_splice_unlist(splice, state);
		dpr_splice_list(all, splice, next);
	}
	spin_unlock(&all->lock);
	return moved;
}

/**
 * dpr_splice_table_move - move a splice from one state to another
 * @dn: the namespace
 * @splice: the splice
 * @state: its state, not DPR_SPLICE_GONE
 * @next: the other, likewise
 *
 * Called under RCU with bottom halves off.
 *
 * Return: false if another CPU moved it first.
 */
bool dpr_splice_table_move(struct dpr_net *dn, struct dpr_splice *splice,
			   u8 state, u8 next)
{
	const int n = dpr_splice_live(next) - dpr_splice_live(state);

	if (!dpr_splice_leave(rcu_dereference(dn->splices), splice, state, next))
		return false;
	if (n)
		atomic_add(n, &splice->backend->live);
	return true;
}

/**
 * dpr_splice_table_kill - remove a splice
 * @dn: the namespace
 * @splice: the splice; stays readable until the RCU section ends
 *
 * Called under RCU with bottom halves off.
 *
 * Return: false if somebody else removed it first.
 */
bool dpr_splice_table_kill(struct dpr_net *dn, struct dpr_splice *splice)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);
	u8 state;

	do {
		state = READ_ONCE(splice->state);
		if (state == DPR_SPLICE_GONE)
			return false;
	} while (!dpr_splice_leave(all, splice, state, DPR_SPLICE_GONE));
	dpr_splice_release(all, splice, state);
	return true;
}

static u32 dpr_splice_idle(const struct dpr_splice *splice)
{
	return max((s32)((u32)jiffies - READ_ONCE(splice->last)), 0);
}

/* The first of a list, NULL if it is empty. Under the lock. */
static struct dpr_splice *dpr_splice_first(struct list_head *list)
{
	return list_first_entry_or_null(list, struct dpr_splice, listed);
}

static struct dpr_splice *dpr_splice_older(struct dpr_splice *a, struct dpr_splice *b)
{
	return a && (!b || dpr_splice_idle(a) >= dpr_splice_idle(b)) ? a : b;
}

/*
 * One of a backend's that is over and silent, or NULL. One that is still heard of goes behind the
 * others, or its client could keep all of them. Under the lock.
 */
static struct dpr_splice *dpr_splice_ended(struct dpr_backend *backend)
{
	struct dpr_splice *splice;
	int i;

	for (i = 0; i < DPR_SPLICE_LOOKS; i++) {
		splice = dpr_splice_first(&backend->ended);
		if (!splice || dpr_splice_idle(splice) > DPR_SPLICE_GRACE)
			return splice;
		list_move_tail(&splice->listed, &backend->ended);
	}
	return NULL;
}

/*
 * The one that gives way first, of a backend if there is one, or NULL: the oldest half-open one,
 * or if its handshake may be under way one that is over. Under the lock.
 */
static struct dpr_splice *dpr_splice_oldest(struct dpr_splices *all,
					    struct dpr_backend *backend)
{
	struct dpr_splice *half = NULL, *ended = NULL;

	if (backend) {
		half = dpr_splice_first(&backend->half_open);
		if (half && dpr_splice_idle(half) > DPR_SPLICE_GRACE)
			return half;
		return dpr_splice_ended(backend);
	}
	list_for_each_entry(backend, &all->waiting, waiting)
		half = dpr_splice_older(half,
					dpr_splice_first(&backend->half_open));
	if (half && dpr_splice_idle(half) > DPR_SPLICE_GRACE)
		return half;
	list_for_each_entry(backend, &all->waiting, waiting)
		ended = dpr_splice_older(ended, dpr_splice_ended(backend));
	return ended;
}

/*
 * Forgets one in favour of a new one, of a backend if there is one. Returns it, which is readable
 * until the RCU section ends, or NULL.
 */
static struct dpr_splice *dpr_splice_evict(struct dpr_splices *all,
					   struct dpr_backend *backend)
{
	struct dpr_splice *oldest;
	u8 state = DPR_SPLICE_GONE;

	spin_lock(&all->lock);
	oldest = dpr_splice_oldest(all, backend);
	if (oldest) {
		/* Only the lock's holder changes it. */
		state = READ_ONCE(oldest->state);
		dpr_splice_unlist(oldest, state);
		WRITE_ONCE(oldest->state, DPR_SPLICE_GONE);
	}
	spin_unlock(&all->lock);
	if (!oldest)
		return NULL;
	dpr_splice_release(all, oldest, state);
	dpr_stats_inc(all->dn, DPR_STAT_SPLICE_EVICTED);
	return oldest;
}

/* Takes a place in the table. Says why there is none, DPR_STAT_UNSPEC if there is. */
static enum dpr_stat dpr_splice_reserve(struct dpr_splices *all,
					const struct dpr_config *cfg)
{
	if (!dpr_quota_take(all->dn))
		return DPR_STAT_SPLICE_FULL;
	if (atomic_inc_return(&all->count) <= cfg->max_splices ||
	    dpr_splice_evict(all, NULL))
		return DPR_STAT_UNSPEC;
	dpr_splice_unreserve(all);
	return DPR_STAT_SPLICE_FULL;
}

/* Has this host a socket that such packets are for? */
static bool dpr_splice_taken(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct sock *sk = dpr_socket_find(dn, key, 0, 0);

	if (!sk)
		return false;
	sock_gen_put(sk);
	return true;
}

/* Puts it into the table as the backend's segments name it, if the port is free. */
static bool dpr_splice_insert_port(struct dpr_splices *all,
				   struct dpr_splice *splice, __be16 port)
{
	struct dpr_splice_end *end = &splice->end[DPR_SPLICE_BACKEND];
	struct dpr_flow_key key;

	end->port = port;
	key = dpr_splice_key(end);
	return !dpr_splice_taken(all->dn, &key) &&
	       !rhashtable_lookup_insert_key(&all->table, &key, &end->node,
					     dpr_splice_params);
}

/* Likewise by a free port. */
static bool dpr_splice_insert_backend(struct dpr_splices *all,
				      const struct dpr_config *cfg,
				      struct dpr_splice *splice)
{
	const u32 ports = cfg->splice_last - cfg->splice_first + 1;
	/* But for what is set, and this one. Each service has its own ports without one. */
	const bool full = splice->backend->port &&
			  refcount_read(&splice->backend->refs) >= ports + 2;
	const u32 tries = full ? DPR_SPLICE_TRIES_FULL : DPR_SPLICE_TRIES;
	u32 i, port = reciprocal_scale(get_random_u32(), ports);

	for (i = 0; i < min(ports, tries); i++) {
		if (dpr_splice_insert_port(all, splice,
					   htons(cfg->splice_first + port)))
			return true;
		port = port + 1 < ports ? port + 1 : 0;
	}
	return false;
}

/* Likewise, in place of one of the backend's that gives way. */
static bool dpr_splice_insert_instead(struct dpr_splices *all,
				      const struct dpr_config *cfg,
				      struct dpr_splice *splice)
{
	const struct dpr_splice *old = dpr_splice_evict(all, splice->backend);
	u16 port;

	if (!old)
		return false;
	/* Since then the ports may have become others. */
	port = ntohs(old->end[DPR_SPLICE_BACKEND].port);
	return (port >= cfg->splice_first && port <= cfg->splice_last &&
		dpr_splice_insert_port(all, splice, htons(port))) ||
	       dpr_splice_insert_backend(all, cfg, splice);
}

/* As the client's do. Returns the splice that was there already, NULL, or an error. */
static struct dpr_splice *dpr_splice_insert_client(struct dpr_splices *all,
						   struct dpr_splice *splice,
						   const struct dpr_flow_key *key)
{
	struct dpr_splice_end *old;

	/* Nobody finds it before it is on its list. */
	spin_lock(&all->lock);
	for (;;) {
		old = rhashtable_lookup_get_insert_key(&all->table, key,
						       &splice->end[DPR_SPLICE_CLIENT].node,
						       dpr_splice_params);
		if (IS_ERR_OR_NULL(old) ||
		    READ_ONCE(dpr_splice_of(old)->state) != DPR_SPLICE_GONE)
			break;
		/* Another CPU is removing it, and is not there yet. */
		rhashtable_remove_fast(&all->table, &old->node,
				       dpr_splice_params);
	}
	if (!old)
		dpr_splice_list(all, splice, DPR_SPLICE_SYN);
	spin_unlock(&all->lock);
	if (IS_ERR_OR_NULL(old))
		return ERR_CAST(old);
	return dpr_splice_of(old);
}

/* The sum of addresses; those of IPv4 are the last four bytes. */
static __wsum dpr_splice_sum(const struct dpr_splice_addresses *both, bool wide)
{
	const int at = wide ? 0 : sizeof(both->client) - sizeof(__be32);
	const int len = sizeof(both->client) - at;

	return csum_partial(both->address.byte + at, len,
			    csum_partial(both->client.byte + at, len, 0));
}

/* Sets what an end's packets are found by, but for @port. */
static void dpr_splice_fill_end(struct dpr_splice *splice, enum dpr_splice_from from,
				const struct dpr_splice_addresses *both,
				__be16 client_port, bool wide)
{
	struct dpr_splice_end *end = &splice->end[from];

	end->client_port = client_port;
	end->wide = wide;
	end->from = from;
	if (wide) {
		splice->wide[from] = *both;
		return;
	}
	end->client = both->client.word[3];
	end->address = both->address.word[3];
}

/* Sets every member that is not a link, but for the port to the backend. */
static void dpr_splice_fill(struct dpr_splice *splice,
			    const struct dpr_segment *seg,
			    struct dpr_backend *backend,
			    const struct dpr_backend_way *way, u8 flags)
{
	const __be16 port = backend->port ? htons(backend->port) : seg->key.port;
	const struct dpr_splice_addresses old = {
		.client = seg->key.client,
		.address = seg->key.address,
	};
	const struct dpr_splice_addresses new = {
		.client = backend->address,
		.address = way->source,
	};
	const bool wide = seg->key.wide;

	memset(splice, 0, sizeof(*splice));
	dpr_splice_fill_end(splice, DPR_SPLICE_CLIENT, &old, seg->key.client_port, wide);
	dpr_splice_fill_end(splice, DPR_SPLICE_BACKEND, &new, port, wide);
	splice->end[DPR_SPLICE_CLIENT].port = seg->key.port;
	splice->sum = (__force __sum16)~csum_fold(csum_sub(dpr_splice_sum(&new, wide),
							   dpr_splice_sum(&old, wide)));
	splice->backend = backend;
	if (backend->proxy)
		splice->proxy_len = wide ? DPR_SPLICE_PROXY_LEN6 : DPR_SPLICE_PROXY_LEN4;
	splice->flags = flags;
	splice->isn = seg->seq;
	splice->last = jiffies;
	splice->state = DPR_SPLICE_SYN;
}

/**
 * dpr_splice_table_insert - remember that a connection goes to a backend
 * @dn: the namespace
 * @cfg: the configuration
 * @seg: its SYN
 * @backend: the backend
 * @way: this CPU's way there
 * @flags: DPR_SPLICE_FLAG_*
 *
 * Counts why it cannot be. Called under RCU in softirq.
 *
 * Return: the splice; if another CPU decided on a copy of the SYN first, that one's; NULL
 * if there is none.
 */
struct dpr_splice *dpr_splice_table_insert(struct dpr_net *dn,
					   const struct dpr_config *cfg,
					   const struct dpr_segment *seg,
					   struct dpr_backend *backend,
					   const struct dpr_backend_way *way,
					   u8 flags)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);
	struct dpr_splice *splice, *old = ERR_PTR(-ENOMEM);
	enum dpr_stat why;

	if (!all)
		return NULL;
	why = dpr_splice_reserve(all, cfg);
	if (why)
		goto refuse;
	why = DPR_STAT_SPLICE_NO_MEMORY;
	splice = dpr_quota_alloc(dn, dpr_splice_cache[seg->key.wide]);
	if (!splice)
		goto err_unreserve;
	dpr_splice_fill(splice, seg, backend, way, flags);
	if (!refcount_inc_not_zero(&backend->refs))
		goto err_free;
	atomic_inc(&backend->live);
	if (!dpr_splice_insert_backend(all, cfg, splice) &&
	    !dpr_splice_insert_instead(all, cfg, splice)) {
		why = DPR_STAT_SPLICE_NO_PORT;
		goto err_put;
	}
	old = dpr_splice_insert_client(all, splice, &seg->key);
	if (!old) {
		atomic64_inc(&backend->spliced);
		dpr_stats_inc(dn, DPR_STAT_SPLICED);
		return splice;
	}
	rhashtable_remove_fast(&all->table,
			       &splice->end[DPR_SPLICE_BACKEND].node,
			       dpr_splice_params);
	atomic_dec(&backend->live);
	dpr_backend_put(backend);
	dpr_splice_unreserve(all);
	/* Somebody may have found it as the backend's. */
	call_rcu(&splice->rcu, dpr_splice_free_rcu);
	if (!IS_ERR(old))
		return old;
	dpr_stats_inc(dn, why);
	return NULL;
err_put:
	atomic_dec(&backend->live);
	dpr_backend_put(backend);
err_free:
	dpr_splice_free(splice);
err_unreserve:
	dpr_splice_unreserve(all);
refuse:
	dpr_stats_inc(dn, why);
	return NULL;
}

static void dpr_splice_sweep_one(struct dpr_net *dn, struct dpr_splice *splice)
{
	local_bh_disable();
	if (dpr_splice_expired(splice, rcu_dereference(dn->config)) &&
	    dpr_splice_table_kill(dn, splice))
		dpr_stats_inc(dn, DPR_STAT_SPLICE_EXPIRED);
	local_bh_enable();
}

static void dpr_splice_sweep(struct work_struct *work)
{
	struct dpr_splices *all = container_of(to_delayed_work(work),
					       struct dpr_splices, sweep);
	struct dpr_splice_end *end;
	struct rhashtable_iter iter;
	u32 n = 0;

	rhashtable_walk_enter(&all->table, &iter);
	rhashtable_walk_start(&iter);
	while ((end = rhashtable_walk_next(&iter))) {
		if (IS_ERR(end)) /* resized: the walk starts over */
			continue;
		if (end->from == DPR_SPLICE_CLIENT)
			dpr_splice_sweep_one(all->dn, dpr_splice_of(end));
		if (++n % DPR_SPLICE_BATCH)
			continue;
		rhashtable_walk_stop(&iter);
		cond_resched();
		rhashtable_walk_start(&iter);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	queue_delayed_work(dpr_compat_any_wq, &all->sweep, DPR_SPLICE_PERIOD);
}

/**
 * dpr_splice_table_setup - make a namespace's table, unless it has one
 * @dn: the namespace; its lock is held
 *
 * Return: 0 or a negative errno.
 */
int dpr_splice_table_setup(struct dpr_net *dn)
{
	struct dpr_splices *all;
	int err;

	if (rcu_access_pointer(dn->splices))
		return 0;
	all = kzalloc(sizeof(*all), GFP_KERNEL_ACCOUNT);
	if (!all)
		return -ENOMEM;
	all->dn = dn;
	spin_lock_init(&all->lock);
	INIT_LIST_HEAD(&all->waiting);
	INIT_DELAYED_WORK(&all->sweep, dpr_splice_sweep);
	err = rhashtable_init(&all->table, &dpr_splice_params);
	if (err) {
		kfree(all);
		return err;
	}
	rcu_assign_pointer(dn->splices, all);
	static_branch_inc(&dpr_splice_used);
	queue_delayed_work(dpr_compat_any_wq, &all->sweep, DPR_SPLICE_PERIOD);
	return 0;
}

/* Each is there twice: freed as the backend's, after it was forgotten as the client's. */
static void dpr_splice_free_at_exit(void *ptr, void *arg)
{
	struct dpr_splice_end *end = ptr;
	struct dpr_splice *splice = dpr_splice_of(end);
	struct dpr_splices *all = arg;

	/* Only the state is left to say which of the two comes first. */
	if (splice->state != DPR_SPLICE_GONE) {
		splice->state = DPR_SPLICE_GONE;
		return;
	}
	dpr_backend_put(splice->backend);
	dpr_quota_give(all->dn);
	dpr_splice_free(splice);
}

/**
 * dpr_splice_table_teardown - forget all splices
 * @dn: the namespace; no hook and no netlink operation runs in it any more
 */
void dpr_splice_table_teardown(struct dpr_net *dn)
{
	struct dpr_splices *all = rcu_dereference_protected(dn->splices, true);

	if (!all)
		return;
	static_branch_dec(&dpr_splice_used);
	cancel_delayed_work_sync(&all->sweep);
	rhashtable_free_and_destroy(&all->table, dpr_splice_free_at_exit, all);
	kfree(all);
}
