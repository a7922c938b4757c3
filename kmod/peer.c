// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "genl.h"
#include "members.h"
#include "peer.h"

#define dpr_peer_locked(dn)	lockdep_is_held(&(dn)->lock)

/**
 * dpr_peer_setup - make the table of peers
 * @dn: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_peer_setup(struct dpr_net *dn)
{
	dn->peers = kvcalloc(DPR_PEER_BUCKETS, sizeof(*dn->peers), GFP_KERNEL);
	return dn->peers ? 0 : -ENOMEM;
}

static void dpr_peer_free_rcu(struct rcu_head *rcu)
{
	struct dpr_peer *peer = container_of(rcu, struct dpr_peer, rcu);

	dpr_route_free(peer->routes);
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
	kvfree(rcu_dereference_protected(dn->table, true));
	kvfree(dn->peers);
}

static struct hlist_head *dpr_peer_bucket(struct dpr_net *dn, __be32 address)
{
	BUILD_BUG_ON(DPR_PEER_BUCKETS != 1 << 10);
	return &dn->peers[hash_32((__force u32)address, 10)];
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
struct dpr_peer *dpr_peer_find(struct dpr_net *dn, __be32 address)
{
	struct dpr_peer *peer;

	hlist_for_each_entry_rcu(peer, dpr_peer_bucket(dn, address), node,
				 dpr_peer_locked(dn))
		if (peer->address == address)
			return peer;
	return NULL;
}

static struct dpr_table *dpr_peer_table(struct dpr_net *dn)
{
	return rcu_dereference_protected(dn->table, dpr_peer_locked(dn));
}

static struct dpr_table *dpr_peer_alloc_table(u32 n)
{
	struct dpr_table *table;
	size_t views = size_mul(n, sizeof(*table->view));

	table = kvzalloc(size_add(sizeof(*table),
				  size_add(views, size_mul(n, sizeof(void *)))),
			 GFP_KERNEL);
	if (!table)
		return NULL;
	table->n = n;
	table->peer = (void *)table + sizeof(*table) + views;
	return table;
}

static void dpr_peer_place(struct dpr_table *table, u32 slot,
			   struct dpr_peer *peer, const struct dpr_view *view)
{
	table->peer[slot] = peer;
	table->view[slot] = *view;
	peer->slot = slot;
}

static void dpr_peer_publish(struct dpr_net *dn, struct dpr_table *table)
{
	table = rcu_replace_pointer(dn->table, table, dpr_peer_locked(dn));
	if (table)
		kvfree_rcu(table, rcu);
}

/*
 * Shows policies what is known of a peer. They may see the fields of two
 * reports mixed for an instant: a decision then rests on a load that is off
 * by what changed between them.
 */
static void dpr_peer_show(struct dpr_net *dn, const struct dpr_peer *peer,
			  struct dpr_view *view)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_peer_locked(dn));

	WRITE_ONCE(view->load, dpr_policy_load(peer->metric,
					       cfg->metric_weight));
	WRITE_ONCE(view->live_reported, peer->live_reported);
	WRITE_ONCE(view->reported, (u32)peer->reported_at);
	WRITE_ONCE(view->weight, peer->weight);
	WRITE_ONCE(view->open,
		   peer->reported && peer->state == DPR_STATE_ACTIVE);
}

/* Puts a peer into the load table; it gets nothing until it has reported. */
static int dpr_peer_list(struct dpr_net *dn, struct dpr_peer *peer)
{
	struct dpr_table *old = dpr_peer_table(dn), *new;
	const struct dpr_view view = {
		.live = &peer->live.counter,
		.address = (__force u32)peer->address,
	};
	u32 i, n = old ? old->n : 0;

	new = dpr_peer_alloc_table(n + 1);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		dpr_peer_place(new, i, old->peer[i], &old->view[i]);
	dpr_peer_place(new, n, peer, &view);
	dpr_peer_show(dn, peer, &new->view[n]);
	peer->listed = true;
	dpr_peer_publish(dn, new);
	return 0;
}

static int dpr_peer_unlist(struct dpr_net *dn, struct dpr_peer *peer)
{
	struct dpr_table *old = dpr_peer_table(dn), *new;
	u32 i, at = 0;

	new = dpr_peer_alloc_table(old->n - 1);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < old->n; i++)
		if (old->peer[i] != peer)
			dpr_peer_place(new, at++, old->peer[i], &old->view[i]);
	peer->listed = false;
	dpr_peer_publish(dn, new);
	return 0;
}

static struct dpr_peer *dpr_peer_new(struct dpr_net *dn, __be32 address)
{
	struct dpr_peer *peer;

	if (dn->peer_count >= DPR_MAX_PEERS)
		return ERR_PTR(-ENOSPC);
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	peer->routes = dpr_route_alloc();
	if (!peer->routes) {
		kfree(peer);
		return ERR_PTR(-ENOMEM);
	}
	peer->address = address;
	peer->weight = 1;
	refcount_set(&peer->refs, 1);
	return peer;
}

static void dpr_peer_free_new(struct dpr_peer *peer)
{
	dpr_route_free(peer->routes);
	kfree(peer);
}

static void dpr_peer_apply(struct dpr_net *dn, struct dpr_peer *peer,
			   const struct dpr_peer_update *update)
{
	if (update->has_weight)
		peer->weight = update->weight;
	if (update->has_state && peer->state != update->state) {
		peer->state = update->state;
		dpr_genl_tell_peer(dn, DPR_EVENT_PEER_STATE, peer);
	}
	if (update->has_metric) {
		memcpy(peer->metric, update->metric, sizeof(peer->metric));
		peer->live_reported = atomic_read(&peer->live);
		peer->reported_at = jiffies;
		peer->reported = true;
		peer->stale_told = false;
	}
	dpr_peer_show(dn, peer, &dpr_peer_table(dn)->view[peer->slot]);
}

/**
 * dpr_peer_set - add a peer, or note a report or change of it
 * @dn: the namespace; its lock is held
 * @update: the change
 *
 * Return: 0, -ENOSPC beyond DPR_MAX_PEERS, -ENOMEM. On error nothing changed.
 */
int dpr_peer_set(struct dpr_net *dn, const struct dpr_peer_update *update)
{
	struct dpr_peer *peer = dpr_peer_find(dn, update->address);
	bool added = false;
	int err;

	if (!peer) {
		peer = dpr_peer_new(dn, update->address);
		if (IS_ERR(peer))
			return PTR_ERR(peer);
		err = dpr_peer_list(dn, peer);
		if (err) {
			dpr_peer_free_new(peer);
			return err;
		}
		hlist_add_head_rcu(&peer->node,
				   dpr_peer_bucket(dn, peer->address));
		dn->peer_count++;
		added = true;
	} else if (!peer->listed) {
		err = dpr_peer_list(dn, peer);
		if (err)
			return err;
		added = true;
	}
	dpr_peer_apply(dn, peer, update);
	if (added) {
		dpr_genl_tell_peer(dn, DPR_EVENT_PEER_ADDED, peer);
		dpr_members_update(dn);
	}
	return 0;
}

/**
 * dpr_peer_del - take a peer out of the load table, or declare it dead
 * @dn: the namespace; its lock is held
 * @address: which
 * @dead: it is dead: forget it; clean-up ends its flows
 *
 * Return: 0, -ENOENT if unknown, -ENOMEM. On error nothing changed.
 */
int dpr_peer_del(struct dpr_net *dn, __be32 address, bool dead)
{
	struct dpr_peer *peer = dpr_peer_find(dn, address);
	int err;

	if (!peer)
		return -ENOENT;
	if (peer->listed) {
		err = dpr_peer_unlist(dn, peer);
		if (err)
			return err;
		dpr_genl_tell_peer(dn, DPR_EVENT_PEER_GONE, peer);
		dpr_members_update(dn);
	}
	if (dead) {
		WRITE_ONCE(peer->dead, true);
		hlist_del_rcu(&peer->node);
		dn->peer_count--;
		dpr_genl_tell_peer(dn, DPR_EVENT_PEER_DEAD, peer);
		dpr_peer_put(peer);
	}
	return 0;
}

/**
 * dpr_peer_reweigh - compute all loads anew, after the weights changed
 * @dn: the namespace; its lock is held
 */
void dpr_peer_reweigh(struct dpr_net *dn)
{
	struct dpr_table *table = dpr_peer_table(dn);
	u32 i;

	for (i = 0; table && i < table->n; i++)
		dpr_peer_show(dn, table->peer[i], &table->view[i]);
}

/**
 * dpr_peer_tell_stale - tell of peers whose report has become too old
 * @dn: the namespace; its lock is held
 */
void dpr_peer_tell_stale(struct dpr_net *dn)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_peer_locked(dn));
	struct dpr_table *table = dpr_peer_table(dn);
	u32 i;

	for (i = 0; table && i < table->n; i++) {
		struct dpr_peer *peer = table->peer[i];

		if (!peer->reported || peer->stale_told ||
		    time_before_eq(jiffies, peer->reported_at +
					    cfg->report_max_age_jiffies))
			continue;
		peer->stale_told = true;
		dpr_genl_tell_peer(dn, DPR_EVENT_PEER_STALE, peer);
	}
}
