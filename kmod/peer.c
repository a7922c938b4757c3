// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "service.h"
#include "stats.h"
#include "tally.h"

#define dpr_peer_locked(dn)	lockdep_is_held(&(dn)->lock)

/* Peers of an order that one SYN closes at most, as their reports are too old. */
#define DPR_PEER_CLOSE	64

/**
 * dpr_peer_setup - make the table of peers
 * @dn: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_peer_setup(struct dpr_net *dn)
{
	dn->peers = kvcalloc(DPR_PEER_BUCKETS, sizeof(*dn->peers), GFP_KERNEL_ACCOUNT);
	spin_lock_init(&dn->order_lock);
	return dn->peers ? 0 : -ENOMEM;
}

static void dpr_peer_free_rcu(struct rcu_head *rcu)
{
	struct dpr_peer *peer = container_of(rcu, struct dpr_peer, rcu);

	dpr_route_free(peer->routes);
	kfree(rcu_dereference_protected(peer->others, true));
	kfree(peer->tally);
	kfree(peer);
}

/**
 * dpr_peer_put - give a reference back
 * @peer: the peer; stays readable until the RCU section ends
 */
void dpr_peer_put(struct dpr_peer *peer)
{
	if (refcount_dec_and_test(&peer->refs))
		call_rcu(&peer->rcu, dpr_peer_free_rcu);
}

/**
 * dpr_peer_teardown - forget all peers
 * @dn: the namespace; no hook and no netlink operation runs in it any more
 */
void dpr_peer_teardown(struct dpr_net *dn)
{
	struct dpr_peer *peer;
	struct hlist_node *next;
	u32 i;

	for (i = 0; i < DPR_PEER_BUCKETS; i++)
		hlist_for_each_entry_safe(peer, next, &dn->peers[i], node)
			dpr_peer_put(peer);
	/*
	 * A route by IPsec is counted in the namespace, and must not outlive it;
	 * nor that of a peer that was deleted a moment ago.
	 */
	if (rcu_access_pointer(dn->table))
		rcu_barrier();
	kvfree(rcu_dereference_protected(dn->table, true));
	kvfree(dn->peers);
	dpr_tally_teardown(dn);
}

static struct hlist_head *dpr_peer_bucket(struct dpr_net *dn, u32 id)
{
	BUILD_BUG_ON(DPR_PEER_BUCKETS != 1 << 10);
	return &dn->peers[hash_32(id, 10)];
}

/**
 * dpr_peer_find - a known peer
 * @dn: the namespace
 * @address: its address
 *
 * Called under RCU, or with dpr_net.lock held.
 *
 * Return: the peer, NULL if unknown.
 */
struct dpr_peer *dpr_peer_find(struct dpr_net *dn,
			       const struct dpr_addr *address)
{
	struct dpr_peer *peer;

	hlist_for_each_entry_rcu(peer, dpr_peer_bucket(dn, dpr_addr_id(address)),
				 node, dpr_peer_locked(dn))
		if (dpr_addr_equal(&peer->address, address))
			return peer;
	return NULL;
}

/**
 * dpr_peer_by_id6 - a known peer whose address is of IPv6
 * @dn: the namespace
 * @id: dpr_addr_id() of its address
 *
 * Called under RCU.
 *
 * Return: the peer, NULL if unknown.
 */
struct dpr_peer *dpr_peer_by_id6(struct dpr_net *dn, u32 id)
{
	struct dpr_peer *peer;

	hlist_for_each_entry_rcu(peer, dpr_peer_bucket(dn, id), node)
		if (dpr_addr_id(&peer->address) == id &&
		    !dpr_addr_is4(&peer->address))
			return peer;
	return NULL;
}

/**
 * dpr_peer_has - does a peer say that it has an address besides its own
 * @peer: the peer
 * @address: the address
 *
 * Called under RCU.
 */
bool dpr_peer_has(const struct dpr_peer *peer, const struct dpr_addr *address)
{
	const struct dpr_peer_addresses *others = rcu_dereference(peer->others);
	u32 i;

	for (i = 0; others && i < others->n; i++)
		if (dpr_addr_equal(&others->address[i], address))
			return true;
	return false;
}

/**
 * dpr_peer_may_have - can a peer have an address besides its own, as far as is known
 * @peer: the peer
 * @address: the address
 *
 * There may be more than it has named, if it has named as many as it can. Called under RCU.
 */
bool dpr_peer_may_have(const struct dpr_peer *peer,
		       const struct dpr_addr *address)
{
	const struct dpr_peer_addresses *others = rcu_dereference(peer->others);

	return (others && others->n >= DPR_MAX_ADDRESSES) ||
	       dpr_peer_has(peer, address);
}

/**
 * dpr_peer_by_any - the peer that has an address, its own or another one
 * @dn: the namespace
 * @address: the address
 *
 * Looks at all peers if it is not one's own. Called under RCU.
 *
 * Return: the peer, NULL if no listed one says that it has the address.
 */
struct dpr_peer *dpr_peer_by_any(struct dpr_net *dn,
				 const struct dpr_addr *address)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_peer *peer = dpr_peer_find(dn, address);
	u32 i;

	for (i = 0; !peer && table && i < table->order.n; i++)
		if (dpr_peer_has(table->peer[i], address))
			peer = table->peer[i];
	return peer;
}

static struct dpr_table *dpr_peer_table(struct dpr_net *dn)
{
	return rcu_dereference_protected(dn->table, dpr_peer_locked(dn));
}

/* The orders of a table: that by the hosts' loads first. */
static struct dpr_order *dpr_peer_order(struct dpr_table *table, u32 i)
{
	return i ? &table->tally[i - 1] : &table->order;
}

/* Numbers of 8 bytes before those of 4, so that all are aligned. */
static struct dpr_table *dpr_peer_alloc_table(u32 n, u32 known, u32 tallies)
{
	const size_t orders = tallies + 1;
	struct dpr_table *table;
	struct dpr_view *view;
	u32 *winner, i;
	u64 *rank;
	size_t each = orders * (sizeof(*view) +
				2 * (sizeof(*rank) + sizeof(*winner)));

	table = kvzalloc(size_add(sizeof(*table) +
				  tallies * sizeof(*table->tally),
				  size_add(size_mul(n, each),
					   size_mul(known, sizeof(*table->peer)))),
			 GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	table->known = known;
	table->tallies = tallies;
	table->tally = (void *)(table + 1);
	view = (void *)(table->tally + tallies);
	table->peer = (void *)(view + orders * n);
	rank = (void *)(table->peer + known);
	winner = (void *)(rank + orders * 2 * n);
	for (i = 0; i < orders; i++) {
		*dpr_peer_order(table, i) = (struct dpr_order){
			.n = n,
			.view = view + (size_t)i * n,
			.rank = rank + (size_t)i * 2 * n,
			.winner = winner + (size_t)i * 2 * n,
		};
	}
	return table;
}

static void dpr_peer_sort(struct dpr_table *table)
{
	u32 i;

	for (i = 0; i <= table->tallies; i++)
		dpr_policy_sort(dpr_peer_order(table, i));
}

/* Puts a peer whose views changed in its places. Under dpr_net.order_lock. */
static void dpr_peer_moved(struct dpr_table *table, u32 slot)
{
	u32 i;

	for (i = 0; i <= table->tallies; i++)
		dpr_policy_moved(dpr_peer_order(table, i), slot);
}

/* Has no policy choose a peer. Under dpr_net.order_lock. */
static void dpr_peer_close(struct dpr_table *table, u32 slot)
{
	u32 i;

	for (i = 0; i <= table->tallies; i++)
		WRITE_ONCE(dpr_peer_order(table, i)->view[slot].open, false);
	dpr_peer_moved(table, slot);
}

/* Can it serve none of the services? */
static bool dpr_peer_useless(const struct dpr_net *dn, const struct dpr_peer *peer)
{
	const u64 all = READ_ONCE(dn->service_bits);

	return all && (peer->down[0] & all) == all &&
	       (peer->down[1] & all) == all;
}

/**
 * dpr_peer_foreign - is there no tunnel to a peer
 * @peer: the peer
 * @cfg: the configuration
 *
 * Return: true if its address is of another family than this host's.
 */
bool dpr_peer_foreign(const struct dpr_peer *peer, const struct dpr_config *cfg)
{
	return dpr_addr_is4(&peer->address) != dpr_addr_is4(&cfg->address);
}

static bool dpr_peer_fresh(const struct dpr_config *cfg,
			   const struct dpr_peer *peer)
{
	return peer->reported &&
	       time_before_eq(jiffies, peer->reported_at +
				       cfg->report_max_age_jiffies);
}

/*
 * Notes whether a peer can get new connections. One that begins to gets its share
 * step by step; but not if this host itself has just begun.
 */
static void dpr_peer_note_open(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct dpr_peer *peer)
{
	const bool open = dpr_peer_fresh(cfg, peer) &&
			  peer->state == DPR_STATE_ACTIVE && !peer->barred &&
			  !peer->lost && !dpr_peer_foreign(peer, cfg) &&
			  !dpr_peer_useless(dn, peer);

	if (open && !peer->open) {
		peer->cold = dn->hooked &&
			     time_after(jiffies, dn->started +
						 cfg->slow_start_jiffies);
		peer->opened = jiffies;
	}
	peer->open = open;
}

/* How cold is a peer by now? */
static u32 dpr_peer_cold(const struct dpr_config *cfg, struct dpr_peer *peer)
{
	u32 cold = 0;

	if (peer->cold)
		cold = dpr_policy_cold((u32)jiffies - peer->opened,
				       cfg->slow_start_jiffies);
	peer->cold = cold;
	return cold;
}

/*
 * Fills a peer's view; the caller sorts the order. Under dpr_net.order_lock.
 */
static void dpr_peer_fill_view(struct dpr_net *dn, struct dpr_peer *peer,
			       struct dpr_view *view)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_peer_locked(dn));

	view->load = dpr_policy_load(peer->metric, cfg->metric_weight);
	view->live_reported = peer->live_reported;
	view->weight = peer->weight;
	view->address = dpr_addr_id(&peer->address);
	view->tie = dpr_stats_random(dn->stats);
	WRITE_ONCE(view->down[0], peer->down[0]);
	WRITE_ONCE(view->down[1], peer->down[1]);
	WRITE_ONCE(view->estimate,
		   dpr_policy_estimate(view, atomic_read(&peer->live),
				       cfg->estimate,
				       dpr_config_connection_load(cfg)));
	WRITE_ONCE(view->reported, (u32)peer->reported_at);
	dpr_peer_note_open(dn, cfg, peer);
	WRITE_ONCE(view->cold, dpr_peer_cold(cfg, peer));
	WRITE_ONCE(view->open, peer->open);
}

/* The same in all orders of a table. */
static void dpr_peer_fill(struct dpr_net *dn, struct dpr_table *table,
			  struct dpr_peer *peer)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_peer_locked(dn));
	struct dpr_view *view = &table->order.view[peer->slot];
	u32 i;

	dpr_peer_fill_view(dn, peer, view);
	for (i = 0; i < table->tallies; i++)
		dpr_tally_fill(peer->tally, i, cfg, view,
			       &table->tally[i].view[peer->slot]);
}

static void dpr_peer_free_table(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct dpr_table, rcu));
}

/* An empty load table, with room for more or fewer peers than that of now. */
static struct dpr_table *dpr_peer_next_table(struct dpr_net *dn, int listed,
					     int known)
{
	const struct dpr_table *old = dpr_peer_table(dn);

	return dpr_peer_alloc_table((old ? old->order.n : 0) + listed,
				    (old ? old->known : 0) + known,
				    dpr_tally_places(dn));
}

/*
 * Publishes the load table @new with the peers of the old one. @peer, if not NULL, goes where
 * @new has room for one more: to the end of those that are listed, or of the others, or out.
 */
static void dpr_peer_publish(struct dpr_net *dn, struct dpr_table *new,
			     struct dpr_peer *peer)
{
	struct dpr_table *old = dpr_peer_table(dn);
	u32 i, n = 0;

	spin_lock_bh(&dn->order_lock);
	for (i = 0; old && i < old->order.n; i++)
		if (old->peer[i] != peer)
			new->peer[n++] = old->peer[i];
	if (n < new->order.n)
		new->peer[n++] = peer;
	for (i = 0; i < n; i++) {
		new->peer[i]->slot = i;
		dpr_peer_fill(dn, new, new->peer[i]);
	}
	for (i = old ? old->order.n : 0; old && i < old->known; i++)
		if (old->peer[i] != peer)
			new->peer[n++] = old->peer[i];
	if (n < new->known)
		new->peer[n++] = peer;
	dpr_peer_sort(new);
	new->version = (old ? old->version : 0) + 1 ?: 1;
	new->changed = jiffies;
	rcu_assign_pointer(dn->table, new);
	spin_unlock_bh(&dn->order_lock);
	/* kvfree_rcu() would gather hundreds of them, which may have 30 MB each. */
	if (old)
		call_rcu(&old->rcu, dpr_peer_free_table);
}

/*
 * Puts a peer into the load table, one that is @new or not; it gets nothing until it has
 * reported.
 */
static int dpr_peer_list(struct dpr_net *dn, struct dpr_peer *peer, bool new)
{
	struct dpr_table *table = dpr_peer_next_table(dn, 1, new);

	if (!table)
		return -ENOMEM;
	dpr_peer_publish(dn, table, peer);
	peer->listed = true;
	return 0;
}

/* Gives a peer nothing more; a @dead one is not asked for orphans either. */
static int dpr_peer_unlist(struct dpr_net *dn, struct dpr_peer *peer, bool dead)
{
	struct dpr_table *table = dpr_peer_next_table(dn, -peer->listed, -dead);

	if (!table)
		return -ENOMEM;
	dpr_peer_publish(dn, table, peer);
	peer->listed = false;
	return 0;
}

static int dpr_peer_add_tally(struct dpr_peer *peer)
{
	struct dpr_tally_peer *tally;

	if (peer->tally)
		return 0;
	tally = kzalloc(sizeof(*tally), GFP_KERNEL_ACCOUNT);
	if (!tally)
		return -ENOMEM;
	/* Zeroed for dpr_peer_tally(). */
	smp_store_release(&peer->tally, tally);
	return 0;
}

/* For probe.c, source.c: all was long ago. Jiffies are 0 five minutes after boot. */
static void dpr_peer_not_probed(struct dpr_peer *peer)
{
	const u32 long_ago = (u32)jiffies - S32_MAX;
	u32 i;

	peer->probed = long_ago;
	peer->source.answered = jiffies - HZ;
	for (i = 0; i < DPR_PEER_SAMPLES; i++)
		peer->sample[i].at = long_ago;
}

static struct dpr_peer *dpr_peer_new(struct dpr_net *dn,
				     const struct dpr_addr *address)
{
	struct dpr_peer *peer;

	if (dn->peer_count >= DPR_MAX_PEERS)
		return ERR_PTR(-ENOSPC);
	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	peer->routes = dpr_route_alloc();
	if (!peer->routes || (dn->tallies && dpr_peer_add_tally(peer))) {
		dpr_route_free(peer->routes);
		kfree(peer);
		return ERR_PTR(-ENOMEM);
	}
	peer->address = *address;
	peer->weight = 1;
	dpr_peer_not_probed(peer);
	/* Until it reports others. */
	peer->down[dpr_addr_is4(address)] = DPR_SERVICE_ALL;
	refcount_set(&peer->refs, 1);
	return peer;
}

static void dpr_peer_free_new(struct dpr_peer *peer)
{
	dpr_route_free(peer->routes);
	kfree(peer->tally);
	kfree(peer);
}

/*
 * Has a peer, by its report, an address of a family? Without one it could not answer
 * clients.
 */
static bool dpr_peer_serves(const struct dpr_peer_update *update, bool wide)
{
	u32 i;

	if (wide && update->protocol < DPR_PEER_PROTOCOL6)
		return false;
	if (dpr_addr_is4(&update->address) != wide)
		return true;
	for (i = 0; i < update->n_others; i++)
		if (dpr_addr_is4(&update->others[i]) != wide)
			return true;
	return false;
}

/*
 * Updates the view of a listed peer that changed, and its place in the order. A
 * report shows what it serves: what it refused before it may take now.
 */
static void dpr_peer_update_view(struct dpr_net *dn, struct dpr_peer *peer,
				 const struct dpr_peer_update *update,
				 bool was_fresh)
{
	struct dpr_table *table = dpr_peer_table(dn);

	spin_lock_bh(&dn->order_lock);
	if (update->has_metric) {
		peer->down[0] = dpr_peer_serves(update, false) ?
				update->down : DPR_SERVICE_ALL;
		peer->down[1] = dpr_peer_serves(update, true) ?
				update->down : DPR_SERVICE_ALL;
	}
	peer->open = peer->open && was_fresh;
	dpr_peer_fill(dn, table, peer);
	dpr_peer_moved(table, peer->slot);
	spin_unlock_bh(&dn->order_lock);
}

/*
 * Notes a peer's other addresses, if they changed. Without memory the old ones stay:
 * its next report says them again.
 */
static void dpr_peer_set_others(struct dpr_net *dn, struct dpr_peer *peer,
				const struct dpr_peer_update *update)
{
	const size_t size = update->n_others * sizeof(*update->others);
	struct dpr_peer_addresses *old, *new = NULL;

	old = rcu_dereference_protected(peer->others, dpr_peer_locked(dn));
	if (!old && !size)
		return;
	if (old && old->n == update->n_others &&
	    !memcmp(old->address, update->others, size))
		return;
	if (size) {
		new = kmalloc(struct_size(new, address, update->n_others),
			      GFP_KERNEL_ACCOUNT);
		if (!new)
			return;
		new->n = update->n_others;
		memcpy(new->address, update->others, size);
	}
	rcu_assign_pointer(peer->others, new);
	if (old)
		kfree_rcu(old, rcu);
}

/* Returns what changed: DPR_PEER_NEW_STATE or nothing. */
static int dpr_peer_apply(struct dpr_net *dn, struct dpr_peer *peer,
			  const struct dpr_peer_update *update)
{
	const bool was_fresh =
		dpr_peer_fresh(rcu_dereference_protected(dn->config,
							 dpr_peer_locked(dn)),
			       peer);
	int changed = 0;

	if (update->has_weight)
		peer->weight = update->weight;
	if (update->has_state && peer->state != update->state) {
		peer->state = update->state;
		changed = DPR_PEER_NEW_STATE;
	}
	if (update->has_metric) {
		memcpy(peer->metric, update->metric, sizeof(peer->metric));
		peer->live_reported = atomic_read(&peer->live);
		peer->reported_at = jiffies;
		peer->reported = true;
		peer->barred = update->barred;
		dpr_peer_set_others(dn, peer, update);
		WRITE_ONCE(peer->protocol, update->protocol);
		peer->stale_seen = false;
		if (peer->tally)
			dpr_tally_report(dn, peer->tally, update->count,
					 update->n_counts);
	}
	dpr_peer_update_view(dn, peer, update, was_fresh);
	return changed;
}

/**
 * dpr_peer_set - add a peer, or note a report or change of it
 * @dn: the namespace; its lock is held
 * @update: the change
 *
 * Return: what changed, of enum dpr_peer_change, for the caller to announce;
 * -ENOSPC beyond DPR_MAX_PEERS, -ENOMEM. On error nothing changed.
 */
int dpr_peer_set(struct dpr_net *dn, const struct dpr_peer_update *update)
{
	struct dpr_peer *peer = dpr_peer_find(dn, &update->address);
	int err, changed = 0;

	if (!peer) {
		peer = dpr_peer_new(dn, &update->address);
		if (IS_ERR(peer))
			return PTR_ERR(peer);
		err = dpr_peer_list(dn, peer, true);
		if (err) {
			dpr_peer_free_new(peer);
			return err;
		}
		hlist_add_head_rcu(&peer->node,
				   dpr_peer_bucket(dn, dpr_addr_id(&peer->address)));
		dn->peer_count++;
		changed = DPR_PEER_LISTED;
	} else if (!peer->listed) {
		err = dpr_peer_list(dn, peer, false);
		if (err)
			return err;
		changed = DPR_PEER_LISTED;
	}
	return changed | dpr_peer_apply(dn, peer, update);
}

/**
 * dpr_peer_del - take a peer out of the load table, or declare it dead
 * @dn: the namespace; its lock is held
 * @address: which
 * @dead: it is dead: forget it; clean-up ends its flows
 *
 * Return: what changed, of enum dpr_peer_change, for the caller to announce;
 * -ENOENT if unknown, -ENOMEM. On error nothing changed.
 */
int dpr_peer_del(struct dpr_net *dn, const struct dpr_addr *address, bool dead)
{
	struct dpr_peer *peer = dpr_peer_find(dn, address);
	int err, changed = 0;

	if (!peer)
		return -ENOENT;
	if (peer->listed)
		changed = DPR_PEER_UNLISTED;
	if (peer->listed || dead) {
		err = dpr_peer_unlist(dn, peer, dead);
		if (err)
			return err;
	}
	if (dead) {
		WRITE_ONCE(peer->dead, true);
		hlist_del_rcu(&peer->node);
		dn->peer_count--;
		dpr_peer_put(peer);
		changed |= DPR_PEER_DEAD;
	}
	return changed;
}

/**
 * dpr_peer_reweigh - compute all loads anew, after the configuration changed
 * @dn: the namespace; its lock is held
 */
void dpr_peer_reweigh(struct dpr_net *dn)
{
	struct dpr_table *table = dpr_peer_table(dn);
	u32 i;

	if (!table)
		return;
	spin_lock_bh(&dn->order_lock);
	for (i = 0; i < table->order.n; i++)
		dpr_peer_fill(dn, table, table->peer[i]);
	dpr_peer_sort(table);
	spin_unlock_bh(&dn->order_lock);
}

static void dpr_peer_forget_refusals(struct dpr_peer *peer, u64 services)
{
	int wide;

	for (wide = 0; wide < 2; wide++)
		if (!(peer->down[wide] & DPR_SERVICE_ANY))
			peer->down[wide] &= ~services;
}

/**
 * dpr_peer_services - follow a change of the services
 * @dn: the namespace; its lock is held
 * @bits: the services' bits, ~0 if one has none
 * @new: bits of services that peers have not refused yet
 */
void dpr_peer_services(struct dpr_net *dn, u64 bits, u64 new)
{
	struct dpr_peer *peer;
	u32 i;

	spin_lock_bh(&dn->order_lock);
	WRITE_ONCE(dn->service_bits, bits);
	for (i = 0; new && i < DPR_PEER_BUCKETS; i++)
		hlist_for_each_entry(peer, &dn->peers[i], node)
			dpr_peer_forget_refusals(peer, new);
	spin_unlock_bh(&dn->order_lock);
	dpr_peer_reweigh(dn);
}

/**
 * dpr_peer_refused - note that a peer cannot serve a service
 * @dn: the namespace
 * @peer: the peer
 * @wide: to clients of IPv6
 * @service: the service's bit; 0: it has none
 *
 * It gets no new such connection of that service before its next report. Called under
 * RCU in softirq.
 */
void dpr_peer_refused(struct dpr_net *dn, struct dpr_peer *peer, bool wide,
		      u64 service)
{
	struct dpr_table *table;
	struct dpr_view *view;
	u32 i;

	spin_lock(&dn->order_lock);
	peer->down[wide] |= service;
	table = rcu_dereference(dn->table);
	if (table && peer->slot < table->order.n &&
	    table->peer[peer->slot] == peer) {
		for (i = 0; i <= table->tallies; i++) {
			view = &dpr_peer_order(table, i)->view[peer->slot];
			WRITE_ONCE(view->down[wide], peer->down[wide]);
		}
		if (dpr_peer_useless(dn, peer)) {
			peer->open = false;
			dpr_peer_close(table, peer->slot);
		}
	}
	spin_unlock(&dn->order_lock);
}

/**
 * dpr_peer_set_lost - note whether packets that are redirected to a peer arrive
 * @dn: the namespace; its order_lock is held
 * @peer: the peer
 * @lost: they do not: it gets no new connections
 *
 * A peer that is found again gets some from its next report on. Called under RCU with
 * bottom halves off.
 */
void dpr_peer_set_lost(struct dpr_net *dn, struct dpr_peer *peer, bool lost)
{
	struct dpr_table *table = rcu_dereference(dn->table);

	WRITE_ONCE(peer->lost, lost);
	peer->open = peer->open && !lost;
	if (!lost || !table || peer->slot >= table->order.n ||
	    table->peer[peer->slot] != peer)
		return;
	dpr_peer_close(table, peer->slot);
}

/**
 * dpr_peer_recount - follow a change of the live flows to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer
 *
 * Does nothing if another CPU is changing the order: CPUs must not wait for each
 * other at each SYN. The next change of this peer, or its next report, computes
 * the estimate from the same counts. Called under RCU with bottom halves off.
 */
void dpr_peer_recount(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct dpr_peer *peer)
{
	struct dpr_table *table;
	u64 estimate;
	u32 slot;

	if (cfg->estimate == DPR_ESTIMATE_REPORTED ||
	    !spin_trylock(&dn->order_lock))
		return;
	table = rcu_dereference(dn->table);
	slot = peer->slot;
	if (table && slot < table->order.n && table->peer[slot] == peer) {
		estimate = dpr_policy_estimate(&table->order.view[slot],
					       atomic_read(&peer->live),
					       cfg->estimate,
					       dpr_config_connection_load(cfg));
		dpr_policy_reestimate(&table->order, slot, estimate);
	}
	spin_unlock(&dn->order_lock);
}

/* As dpr_peer_recount(), by the connections of one port. */
static void dpr_peer_recount_tally(struct dpr_net *dn,
				   const struct dpr_config *cfg,
				   struct dpr_peer *peer, u32 place)
{
	struct dpr_order *order;
	struct dpr_table *table;
	struct dpr_view *view;
	u64 estimate;

	if (cfg->estimate == DPR_ESTIMATE_REPORTED ||
	    !spin_trylock(&dn->order_lock))
		return;
	table = rcu_dereference(dn->table);
	if (table && place < table->tallies && peer->slot < table->order.n &&
	    table->peer[peer->slot] == peer) {
		order = &table->tally[place];
		view = &order->view[peer->slot];
		estimate = dpr_policy_estimate(view,
					       atomic_read(&peer->tally->live[place]),
					       cfg->estimate, 1);
		if (view->cold != DPR_POLICY_UNKNOWN)
			dpr_policy_reestimate(order, peer->slot, estimate);
	}
	spin_unlock(&dn->order_lock);
}

/**
 * dpr_peer_tally - count a change of the live flows to a peer of one port
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer; it has counts
 * @port: the port, host byte order; it has a place
 * @n: what is added
 *
 * Called under RCU with bottom halves off.
 */
void dpr_peer_tally(struct dpr_net *dn, const struct dpr_config *cfg,
		    struct dpr_peer *peer, u16 port, int n)
{
	const int place = dpr_tally_find(dn, port);

	if (WARN_ON_ONCE(place < 0))
		return;
	/* A place is given away only while no peer has anything counted. */
	if (n > 0)
		atomic_add(n, &dn->tallies->tally[place].live);
	atomic_add(n, &peer->tally->live[place]);
	if (n < 0)
		atomic_add(n, &dn->tallies->tally[place].live);
	dpr_peer_recount_tally(dn, cfg, peer, place);
}

/* Forgets what peers reported of the ports that had some places: bits. */
static int dpr_peer_add_tallies(struct dpr_net *dn, u32 forget)
{
	struct dpr_peer *peer;
	int err = 0;
	u32 i;

	for (i = 0; i < DPR_PEER_BUCKETS; i++) {
		hlist_for_each_entry(peer, &dn->peers[i], node) {
			if (peer->tally)
				peer->tally->known &= ~forget;
			else if (dpr_peer_add_tally(peer))
				err = -ENOMEM;
		}
	}
	return err;
}

/**
 * dpr_peer_tally_port - prepare to compare peers by their connections of a port
 * @dn: the namespace; its lock is held
 * @port: host byte order
 *
 * What peers have of it is unknown until their next reports.
 *
 * Return: 0, -ENOMEM, -E2BIG as dpr_tally_assign().
 */
int dpr_peer_tally_port(struct dpr_net *dn, u16 port)
{
	struct dpr_table *table = dpr_peer_table(dn), *new;
	const bool had = dpr_tally_find(dn, port) >= 0;
	int place = dpr_tally_assign(dn, port), err;

	if (place < 0)
		return place;
	if (had && table && table->tallies > place)
		return 0;
	err = dpr_peer_add_tallies(dn, had ? 0 : BIT(place));
	if (err || !table)
		return err;
	if (table->tallies > place) {
		/* The peers' places say what the old port's were. */
		dpr_peer_reweigh(dn);
		return 0;
	}
	new = dpr_peer_next_table(dn, 0, 0);
	if (!new)
		return -ENOMEM;
	dpr_peer_publish(dn, new, NULL);
	return 0;
}

/**
 * dpr_peer_close_stale - exclude peers whose report is too old from the choice
 * @dn: the namespace
 * @args: the situation
 *
 * Only those at the top of an order, and not too many at once; others are excluded when
 * they get there. The next report includes a peer again. Called under RCU in softirq.
 */
void dpr_peer_close_stale(struct dpr_net *dn,
			  const struct dpr_policy_args *args)
{
	struct dpr_policy_args now = { .max_age = args->max_age };
	struct dpr_order *order;
	struct dpr_table *table;
	u32 i, left;

	spin_lock(&dn->order_lock);
	/* A report may have come since: none is newer than this. */
	now.now = jiffies;
	table = rcu_dereference(dn->table);
	for (i = 0; i <= table->tallies; i++) {
		order = dpr_peer_order(table, i);
		for (left = DPR_PEER_CLOSE; left && dpr_policy_stale(&now, order);
		     left--)
			dpr_peer_close(table, dpr_policy_first(order));
	}
	spin_unlock(&dn->order_lock);
}

/**
 * dpr_peer_next_stale - the next listed peer whose report has become too old
 * @dn: the namespace; its lock is held
 * @at: where to look from on, at first 0; set to where to go on
 *
 * Notes that it was found: until its next report it is not found again.
 *
 * Return: the peer, NULL if there is none left.
 */
const struct dpr_peer *dpr_peer_next_stale(struct dpr_net *dn, u32 *at)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_peer_locked(dn));
	struct dpr_table *table = dpr_peer_table(dn);

	while (table && *at < table->order.n) {
		struct dpr_peer *peer = table->peer[(*at)++];

		if (!peer->reported || peer->stale_seen ||
		    time_before_eq(jiffies, peer->reported_at +
					    cfg->report_max_age_jiffies))
			continue;
		peer->stale_seen = true;
		return peer;
	}
	return NULL;
}
