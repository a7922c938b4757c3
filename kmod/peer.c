// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "config.h"
#include "dpr.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "route.h"
#include "service.h"
#include "tally.h"

#define dpr_peer_locked(dn)	lockdep_is_held(&(dn)->lock)

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
 * Looks at all peers if it is not one's own, at those that are listed first: what has left the
 * load table goes on with its connections. Called under RCU.
 *
 * Return: the peer, NULL if none says that it has the address.
 */
struct dpr_peer *dpr_peer_by_any(struct dpr_net *dn,
				 const struct dpr_addr *address)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	struct dpr_peer *peer = dpr_peer_find(dn, address);
	u32 i;

	for (i = 0; !peer && table && i < table->known; i++)
		if (dpr_peer_has(table->peer[i], address))
			peer = table->peer[i];
	return peer;
}

static int dpr_peer_add_tally(struct dpr_peer *peer)
{
	struct dpr_tally_peer *tally;

	if (peer->tally)
		return 0;
	tally = kzalloc(sizeof(*tally), GFP_KERNEL_ACCOUNT);
	if (!tally)
		return -ENOMEM;
	/* Zeroed for dpr_table_tally(). */
	smp_store_release(&peer->tally, tally);
	return 0;
}

/* For probe.c, source.c, syn.c: all was long ago. Jiffies are 0 five minutes after boot. */
static void dpr_peer_not_probed(struct dpr_peer *peer)
{
	const u32 long_ago = (u32)jiffies - S32_MAX;
	u32 i;

	peer->probed = long_ago;
	peer->unhashed = long_ago;
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
	spin_lock_bh(&dn->order_lock);
	if (update->has_metric) {
		peer->down[0] = dpr_peer_serves(update, false) ?
				update->down : DPR_SERVICE_ALL;
		peer->down[1] = dpr_peer_serves(update, true) ?
				update->down : DPR_SERVICE_ALL;
	}
	peer->open = peer->open && was_fresh;
	dpr_table_refresh(dn, peer);
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
		dpr_table_fresh(rcu_dereference_protected(dn->config,
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
		err = dpr_table_list(dn, peer, true);
		if (err) {
			dpr_peer_free_new(peer);
			return err;
		}
		hlist_add_head_rcu(&peer->node,
				   dpr_peer_bucket(dn, dpr_addr_id(&peer->address)));
		dn->peer_count++;
		changed = DPR_PEER_LISTED;
	} else if (!peer->listed) {
		err = dpr_table_list(dn, peer, false);
		if (err)
			return err;
		/*
		 * Its module may be new. One that sends direct by its own configuration takes
		 * that without a SYN, too.
		 */
		if (!READ_ONCE(peer->sends_direct))
			WRITE_ONCE(peer->knows_direct, false);
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
		err = dpr_table_unlist(dn, peer, dead);
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
	dpr_table_reweigh(dn);
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
	const struct dpr_table *table = dpr_table_locked(dn);
	const bool had = dpr_tally_find(dn, port) >= 0;
	int place = dpr_tally_assign(dn, port), err;

	if (place < 0)
		return place;
	if (had && table && table->tallies > place)
		return 0;
	err = dpr_peer_add_tallies(dn, had ? 0 : BIT(place));
	return err ?: dpr_table_tally_place(dn, place);
}
