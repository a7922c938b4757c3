// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/slab.h>
#include "config.h"
#include "core/policy.h"
#include "dpr.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "stats.h"
#include "tally.h"

/* Peers of an order that one SYN closes at most, as their reports are too old. */
#define DPR_TABLE_CLOSE	64

/* The orders of a table: that by the hosts' loads first. */
static struct dpr_order *dpr_table_order(struct dpr_table *table, u32 i)
{
	return i ? &table->tally[i - 1] : &table->order;
}

/* Numbers of 8 bytes before those of 4, so that all are aligned. */
static struct dpr_table *dpr_table_alloc(u32 n, u32 known, u32 tallies)
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
		*dpr_table_order(table, i) = (struct dpr_order){
			.n = n,
			.view = view + (size_t)i * n,
			.rank = rank + (size_t)i * 2 * n,
			.winner = winner + (size_t)i * 2 * n,
		};
	}
	return table;
}

static void dpr_table_sort(struct dpr_table *table)
{
	u32 i;

	for (i = 0; i <= table->tallies; i++)
		dpr_policy_sort(dpr_table_order(table, i));
}

/* Puts a peer whose views changed in its places. Under dpr_net.order_lock. */
static void dpr_table_moved(struct dpr_table *table, u32 slot)
{
	u32 i;

	for (i = 0; i <= table->tallies; i++)
		dpr_policy_moved(dpr_table_order(table, i), slot);
}

/* Has no policy choose a peer. Under dpr_net.order_lock. */
static void dpr_table_close(struct dpr_table *table, u32 slot)
{
	u32 i;

	for (i = 0; i <= table->tallies; i++)
		WRITE_ONCE(dpr_table_order(table, i)->view[slot].open, false);
	dpr_table_moved(table, slot);
}

/* Can it serve none of the services? */
static bool dpr_table_useless(const struct dpr_net *dn, const struct dpr_peer *peer)
{
	const u64 all = READ_ONCE(dn->service_bits);

	return all && (peer->down[0] & all) == all &&
	       (peer->down[1] & all) == all;
}

/**
 * dpr_table_fresh - is a peer's last report not too old
 * @cfg: the configuration
 * @peer: the peer; dpr_net.lock is held
 */
bool dpr_table_fresh(const struct dpr_config *cfg, const struct dpr_peer *peer)
{
	return peer->reported &&
	       time_before_eq(jiffies, peer->reported_at +
				       cfg->report_max_age_jiffies);
}

/*
 * Notes whether a peer can get new connections. One that begins to gets its share
 * step by step; but not if this host itself has just begun.
 */
static void dpr_table_note_open(struct dpr_net *dn, const struct dpr_config *cfg,
				struct dpr_peer *peer)
{
	const bool open = dpr_table_fresh(cfg, peer) &&
			  peer->state == DPR_STATE_ACTIVE && !peer->barred &&
			  !peer->lost && !dpr_peer_foreign(peer, cfg) &&
			  !dpr_table_useless(dn, peer);

	if (open && !peer->open) {
		peer->cold = dn->hooked &&
			     time_after(jiffies, dn->started +
						 cfg->slow_start_jiffies);
		peer->opened = jiffies;
	}
	peer->open = open;
}

/* How cold is a peer by now? */
static u32 dpr_table_cold(const struct dpr_config *cfg, struct dpr_peer *peer)
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
static void dpr_table_fill_view(struct dpr_net *dn, struct dpr_peer *peer,
				struct dpr_view *view)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, lockdep_is_held(&dn->lock));

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
	dpr_table_note_open(dn, cfg, peer);
	WRITE_ONCE(view->cold, dpr_table_cold(cfg, peer));
	WRITE_ONCE(view->open, peer->open);
}

/* The same in all orders of a table. */
static void dpr_table_fill(struct dpr_net *dn, struct dpr_table *table,
			   struct dpr_peer *peer)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, lockdep_is_held(&dn->lock));
	struct dpr_view *view = &table->order.view[peer->slot];
	u32 i;

	dpr_table_fill_view(dn, peer, view);
	for (i = 0; i < table->tallies; i++)
		dpr_tally_fill(peer->tally, i, cfg, view,
			       &table->tally[i].view[peer->slot]);
}

static void dpr_table_free_rcu(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct dpr_table, rcu));
}

/* An empty load table, with room for more or fewer peers than that of now. */
static struct dpr_table *dpr_table_next(struct dpr_net *dn, int listed,
					int known)
{
	const struct dpr_table *old = dpr_table_locked(dn);

	return dpr_table_alloc((old ? old->order.n : 0) + listed,
				    (old ? old->known : 0) + known,
				    dpr_tally_places(dn));
}

/*
 * Publishes the load table @new with the peers of the old one. @peer, if not NULL, goes where
 * @new has room for one more: to the end of those that are listed, or of the others, or out.
 */
static void dpr_table_publish(struct dpr_net *dn, struct dpr_table *new,
			      struct dpr_peer *peer)
{
	struct dpr_table *old = dpr_table_locked(dn);
	u32 i, n = 0;

	spin_lock_bh(&dn->order_lock);
	for (i = 0; old && i < old->order.n; i++)
		if (old->peer[i] != peer)
			new->peer[n++] = old->peer[i];
	if (n < new->order.n)
		new->peer[n++] = peer;
	for (i = 0; i < n; i++) {
		new->peer[i]->slot = i;
		dpr_table_fill(dn, new, new->peer[i]);
	}
	for (i = old ? old->order.n : 0; old && i < old->known; i++)
		if (old->peer[i] != peer)
			new->peer[n++] = old->peer[i];
	if (n < new->known)
		new->peer[n++] = peer;
	dpr_table_sort(new);
	new->version = (old ? old->version : 0) + 1 ?: 1;
	new->changed = jiffies;
	rcu_assign_pointer(dn->table, new);
	spin_unlock_bh(&dn->order_lock);
	/* kvfree_rcu() would gather hundreds of them, which may have 30 MB each. */
	if (old)
		call_rcu(&old->rcu, dpr_table_free_rcu);
}

/**
 * dpr_table_list - put a peer into the load table
 * @dn: the namespace; its lock is held
 * @peer: the peer; it gets nothing until it has reported
 * @new: it was not known before
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_table_list(struct dpr_net *dn, struct dpr_peer *peer, bool new)
{
	struct dpr_table *table = dpr_table_next(dn, 1, new);

	if (!table)
		return -ENOMEM;
	dpr_table_publish(dn, table, peer);
	WRITE_ONCE(peer->listed, true);
	return 0;
}

/**
 * dpr_table_unlist - give a peer nothing more
 * @dn: the namespace; its lock is held
 * @peer: the peer
 * @dead: it is not asked for orphans either
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_table_unlist(struct dpr_net *dn, struct dpr_peer *peer, bool dead)
{
	struct dpr_table *table = dpr_table_next(dn, -peer->listed, -dead);

	if (!table)
		return -ENOMEM;
	dpr_table_publish(dn, table, peer);
	WRITE_ONCE(peer->listed, false);
	return 0;
}

/**
 * dpr_table_refresh - follow a report or another change of a listed peer
 * @dn: the namespace; its lock and its order_lock are held
 * @peer: the peer
 */
void dpr_table_refresh(struct dpr_net *dn, struct dpr_peer *peer)
{
	struct dpr_table *table = dpr_table_locked(dn);

	dpr_table_fill(dn, table, peer);
	dpr_table_moved(table, peer->slot);
}

/**
 * dpr_table_reweigh - compute all loads anew, after the configuration changed
 * @dn: the namespace; its lock is held
 */
void dpr_table_reweigh(struct dpr_net *dn)
{
	struct dpr_table *table = dpr_table_locked(dn);
	u32 i;

	if (!table)
		return;
	spin_lock_bh(&dn->order_lock);
	for (i = 0; i < table->order.n; i++)
		dpr_table_fill(dn, table, table->peer[i]);
	dpr_table_sort(table);
	spin_unlock_bh(&dn->order_lock);
}

/**
 * dpr_table_refused - note that a peer cannot serve a service
 * @dn: the namespace
 * @peer: the peer
 * @wide: to clients of IPv6
 * @service: the service's bit; 0: it has none
 *
 * It gets no new such connection of that service before its next report. Called under
 * RCU in softirq.
 */
void dpr_table_refused(struct dpr_net *dn, struct dpr_peer *peer, bool wide,
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
			view = &dpr_table_order(table, i)->view[peer->slot];
			WRITE_ONCE(view->down[wide], peer->down[wide]);
		}
		if (dpr_table_useless(dn, peer)) {
			peer->open = false;
			dpr_table_close(table, peer->slot);
		}
	}
	spin_unlock(&dn->order_lock);
}

/**
 * dpr_table_set_lost - note whether packets that are redirected to a peer arrive
 * @dn: the namespace; its order_lock is held
 * @peer: the peer
 * @lost: they do not: it gets no new connections
 *
 * A peer that is found again gets some from its next report on. Called under RCU with
 * bottom halves off.
 */
void dpr_table_set_lost(struct dpr_net *dn, struct dpr_peer *peer, bool lost)
{
	struct dpr_table *table = rcu_dereference(dn->table);

	WRITE_ONCE(peer->lost, lost);
	peer->open = peer->open && !lost;
	if (!lost || !table || peer->slot >= table->order.n ||
	    table->peer[peer->slot] != peer)
		return;
	dpr_table_close(table, peer->slot);
}

/**
 * dpr_table_recount - follow a change of the live flows to a peer
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer
 *
 * Does nothing if another CPU is changing the order: CPUs must not wait for each
 * other at each SYN. The next change of this peer, or its next report, computes
 * the estimate from the same counts. Called under RCU with bottom halves off.
 */
void dpr_table_recount(struct dpr_net *dn, const struct dpr_config *cfg,
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

/* As dpr_table_recount(), by the connections of one port. */
static void dpr_table_recount_tally(struct dpr_net *dn,
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
 * dpr_table_tally - count a change of the live flows to a peer of one port
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the peer; it has counts
 * @port: the port, host byte order; it has a place
 * @n: what is added
 *
 * Called under RCU with bottom halves off.
 */
void dpr_table_tally(struct dpr_net *dn, const struct dpr_config *cfg,
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
	dpr_table_recount_tally(dn, cfg, peer, place);
}

/**
 * dpr_table_tally_place - have an order by the connections of one port
 * @dn: the namespace; its lock is held
 * @place: of the port, as dpr_tally_assign() said; peers have counts
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_table_tally_place(struct dpr_net *dn, u32 place)
{
	struct dpr_table *table = dpr_table_locked(dn), *new;

	if (!table)
		return 0;
	if (table->tallies > place) {
		/* The peers' places say what the old port's were. */
		dpr_table_reweigh(dn);
		return 0;
	}
	new = dpr_table_next(dn, 0, 0);
	if (!new)
		return -ENOMEM;
	dpr_table_publish(dn, new, NULL);
	return 0;
}

/**
 * dpr_table_close_stale - exclude peers whose report is too old from the choice
 * @dn: the namespace
 * @args: the situation
 *
 * Only those at the top of an order, and not too many at once; others are excluded when
 * they get there. The next report includes a peer again. Called under RCU in softirq.
 */
void dpr_table_close_stale(struct dpr_net *dn,
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
		order = dpr_table_order(table, i);
		for (left = DPR_TABLE_CLOSE; left && dpr_policy_stale(&now, order);
		     left--)
			dpr_table_close(table, dpr_policy_first(order));
	}
	spin_unlock(&dn->order_lock);
}

/**
 * dpr_table_next_stale - the next listed peer whose report has become too old
 * @dn: the namespace; its lock is held
 * @at: where to look from on, at first 0; set to where to go on
 *
 * Notes that it was found: until its next report it is not found again.
 *
 * Return: the peer, NULL if there is none left.
 */
const struct dpr_peer *dpr_table_next_stale(struct dpr_net *dn, u32 *at)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, lockdep_is_held(&dn->lock));
	struct dpr_table *table = dpr_table_locked(dn);

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
