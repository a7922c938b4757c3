// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "config.h"
#include "dpr.h"
#include "load_table.h"
#include "members.h"
#include "netns.h"
#include "peer.h"
#include "service.h"

#define dpr_members_locked(dn)	lockdep_is_held(&(dn)->lock)

static void dpr_members_put(struct dpr_members *members)
{
	u32 i;

	if (!members || !refcount_dec_and_test(&members->refs))
		return;
	for (i = 0; i < members->n; i++)
		if (members->host[i])
			dpr_peer_put(members->host[i]);
	kvfree_rcu(members, rcu);
}

static int dpr_members_compare(const void *a, const void *b, const void *own)
{
	const struct dpr_peer *pa = *(struct dpr_peer * const *)a;
	const struct dpr_peer *pb = *(struct dpr_peer * const *)b;

	return dpr_addr_compare(pa ? &pa->address : own,
				pb ? &pb->address : own);
}

/*
 * Is a service on one address of a port whose service on all others is stateless? Then that
 * address must not be taken for one of them.
 */
static bool dpr_members_among(const struct dpr_services *services,
			      const struct dpr_service *service,
			      const struct dpr_config *defaults)
{
	u32 i;

	for (i = 0; i < services->n; i++) {
		const struct dpr_service *all = &services->service[i];

		if (all != service && all->port == service->port &&
		    dpr_addr_none(&all->address))
			return dpr_service_config(all, defaults)->policy ==
			       DPR_POLICY_STATELESS;
	}
	return false;
}

/*
 * The services whose policy is stateless, and those among them; returns how many, and fills
 * @into if given.
 */
static u32 dpr_members_services(struct dpr_net *dn,
				struct dpr_members_service *into)
{
	const struct dpr_config *defaults =
		rcu_dereference_protected(dn->config, dpr_members_locked(dn));
	const struct dpr_services *services =
		rcu_dereference_protected(dn->services, dpr_members_locked(dn));
	u32 i, n = 0;

	for (i = 0; services && i < services->n; i++) {
		const struct dpr_service *service = &services->service[i];
		const struct dpr_config *cfg =
			dpr_service_config(service, defaults);
		const bool other = cfg->policy != DPR_POLICY_STATELESS;

		if (other && !dpr_members_among(services, service, defaults))
			continue;
		if (into)
			into[n] = (struct dpr_members_service){
				.address = service->address,
				.port = htons(service->port),
				.hash = other ? 0 : cfg->hash,
				.other = other,
			};
		n++;
	}
	return n;
}

/* This host, unless it drains, and the listed peers. */
static struct dpr_members *dpr_members_new(struct dpr_net *dn, u32 services)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_members_locked(dn));
	struct dpr_table *table =
		rcu_dereference_protected(dn->table, dpr_members_locked(dn));
	u32 i, peers = table ? table->order.n : 0;
	struct dpr_members *members;

	members = kvzalloc(size_add(struct_size(members, host, peers + 1),
				    size_mul(services,
					     sizeof(*members->service))),
			   GFP_KERNEL_ACCOUNT);
	if (!members)
		return NULL;
	refcount_set(&members->refs, 1);
	members->services = services;
	members->service = (void *)(members->host + peers + 1);
	dpr_members_services(dn, members->service);
	if (cfg->state == DPR_STATE_ACTIVE || !peers)
		members->n = 1;
	for (i = 0; i < peers; i++) {
		members->n++;
		members->host[members->n - 1] = table->peer[i];
		refcount_inc(&table->peer[i]->refs);
	}
	sort_r(members->host, members->n, sizeof(members->host[0]),
	       dpr_members_compare, NULL, &cfg->address);
	return members;
}

static bool dpr_members_equal(const struct dpr_members *a,
			      const struct dpr_members *b)
{
	return a && b && a->n == b->n && a->services == b->services &&
	       !memcmp(a->host, b->host, a->n * sizeof(a->host[0])) &&
	       !memcmp(a->service, b->service,
		       a->services * sizeof(a->service[0]));
}

static void dpr_members_set_base(struct dpr_net *dn,
				 struct dpr_members *members)
{
	struct dpr_members *old;

	if (members)
		refcount_inc(&members->refs);
	old = rcu_replace_pointer(dn->base, members, dpr_members_locked(dn));
	dpr_members_put(old);
}

/*
 * May the base set be replaced: has it redirected nothing without a flow?
 * Afterwards it is frozen, so that the answer stays true; or it was used.
 */
static bool dpr_members_freeze(struct dpr_members *base)
{
	if (!base)
		return true;
	if (READ_ONCE(base->used))
		return false;
	WRITE_ONCE(base->frozen, true);
	synchronize_net();
	if (!READ_ONCE(base->used))
		return true;
	WRITE_ONCE(base->frozen, false);
	return false;
}

/**
 * dpr_members_update - follow a change of policy, of state, of services or of peers
 * @dn: the namespace; its lock is held
 *
 * If there is no memory the sets stay as they are: a host that left is then
 * picked on, and its share is served here, since it is no longer usable.
 */
void dpr_members_update(struct dpr_net *dn)
{
	struct dpr_members *base =
		rcu_dereference_protected(dn->base, dpr_members_locked(dn));
	const u32 services = dpr_members_services(dn, NULL);
	struct dpr_members *new = NULL, *old;

	if (services) {
		new = dpr_members_new(dn, services);
		if (!new)
			return;
		if (dpr_members_equal(new, base)) {
			dpr_members_put(new);
			new = base;
			refcount_inc(&base->refs);
		}
	}
	if (new != base && dpr_members_freeze(base)) {
		dpr_members_set_base(dn, new);
		base = new;
	}
	if (new != base)
		dn->base_time = jiffies;
	old = rcu_replace_pointer(dn->members, new, dpr_members_locked(dn));
	dpr_members_put(old);
}

/**
 * dpr_members_age - drop a base set that no connection can follow any more
 * @dn: the namespace; its lock is held
 *
 * Connections that had no packet for the established timeout are over.
 */
void dpr_members_age(struct dpr_net *dn)
{
	const struct dpr_config *cfg =
		rcu_dereference_protected(dn->config, dpr_members_locked(dn));
	struct dpr_members *members =
		rcu_dereference_protected(dn->members, dpr_members_locked(dn));

	if (members == rcu_access_pointer(dn->base))
		return;
	if (time_after(jiffies, dn->base_time +
		       cfg->timeout_jiffies[DPR_FLOW_ESTABLISHED]))
		dpr_members_set_base(dn, members);
}

/**
 * dpr_members_unhash - note that this host serves a connection whatever the hash says
 * @dn: the namespace
 * @key: the connection, which gets no flow
 *
 * If this host's stack has answered its SYN with a cookie there is nothing else that shows
 * whose the next segment is (steer.c). Called under RCU in softirq.
 */
void dpr_members_unhash(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	const struct dpr_members *base = rcu_dereference(dn->base);
	struct dpr_peer *peer = base ? dpr_members_pick(base, key) : NULL;

	/* Not with every SYN: others read it. */
	if (peer && (u32)jiffies - READ_ONCE(peer->unhashed) >= HZ)
		WRITE_ONCE(peer->unhashed, (u32)jiffies);
}

/**
 * dpr_members_teardown - free the sets
 * @dn: the namespace; no hook and no netlink operation runs in it any more
 */
void dpr_members_teardown(struct dpr_net *dn)
{
	dpr_members_put(rcu_dereference_protected(dn->members, true));
	dpr_members_put(rcu_dereference_protected(dn->base, true));
}
