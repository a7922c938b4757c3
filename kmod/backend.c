// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include "backend.h"
#include "core/parse.h"
#include "core/policy.h"
#include "local.h"
#include "netns.h"
#include "peer.h"
#include "rules.h"

static struct dpr_backends *dpr_backend_now(struct dpr_net *dn)
{
	return rcu_dereference_protected(dn->backends,
					 lockdep_is_held(&dn->lock));
}

static void dpr_backend_free_rcu(struct rcu_head *rcu)
{
	struct dpr_backend *backend = container_of(rcu, struct dpr_backend, rcu);
	int cpu;

	for_each_possible_cpu(cpu) {
		dst_release(per_cpu_ptr(backend->ways, cpu)->dst);
		dst_release(per_cpu_ptr(backend->ways, cpu)->last);
	}
	free_percpu(backend->ways);
	kfree(backend);
}

/**
 * dpr_backend_put - give a reference back
 * @backend: the backend; stays readable until the RCU section ends
 */
void dpr_backend_put(struct dpr_backend *backend)
{
	if (refcount_dec_and_test(&backend->refs))
		call_rcu(&backend->rcu, dpr_backend_free_rcu);
}

static struct dpr_backend *dpr_backend_new(const struct dpr_backend_set *set)
{
	struct dpr_backend *backend = kzalloc(sizeof(*backend),
					      GFP_KERNEL_ACCOUNT);

	if (!backend)
		return NULL;
	backend->ways = alloc_percpu_gfp(struct dpr_backend_way,
					 GFP_KERNEL_ACCOUNT);
	if (!backend->ways) {
		kfree(backend);
		return NULL;
	}
	refcount_set(&backend->refs, 1);
	INIT_LIST_HEAD(&backend->half_open);
	INIT_LIST_HEAD(&backend->ended);
	backend->address = set->address;
	backend->port = set->port;
	backend->proxy = set->proxy;
	return backend;
}

static struct dpr_backends *dpr_backend_alloc(u32 n)
{
	struct dpr_backends *new;

	new = kvzalloc(struct_size(new, set, n), GFP_KERNEL_ACCOUNT);
	if (new)
		new->n = n;
	return new;
}

/* Where a name is among the backends, or would be. */
static u32 dpr_backend_place(const struct dpr_backends *backends,
			     const char *name, bool *there)
{
	u32 i = 0;

	while (backends && i < backends->n &&
	       strcmp(backends->set[i].name, name) < 0)
		i++;
	*there = backends && i < backends->n &&
		 !strcmp(backends->set[i].name, name);
	return i;
}

/* Do connections go where they went? */
static bool dpr_backend_same_place(const struct dpr_backend_set *a,
				   const struct dpr_backend_set *b)
{
	return a->port == b->port && dpr_addr_equal(&a->address, &b->address);
}

static void dpr_backend_publish(struct dpr_net *dn, struct dpr_backends *new)
{
	struct dpr_backends *old = rcu_replace_pointer(dn->backends, new,
						       lockdep_is_held(&dn->lock));

	if (old)
		kvfree_rcu(old, rcu);
}

/**
 * dpr_backend_set - add a backend, or replace what was set of it
 * @dn: the namespace; its lock is held
 * @set: the backend; its member of that name is not looked at
 *
 * Return: 0, -ENOSPC beyond DPR_MAX_BACKENDS, -ENOMEM. On error nothing changed.
 */
int dpr_backend_set(struct dpr_net *dn, const struct dpr_backend_set *set)
{
	const struct dpr_backends *old = dpr_backend_now(dn);
	const u32 n = old ? old->n : 0;
	struct dpr_backend *backend = NULL, *gone = NULL;
	struct dpr_backends *new;
	bool there;
	u32 at = dpr_backend_place(old, set->name, &there);

	if (!there && n >= DPR_MAX_BACKENDS)
		return -ENOSPC;
	if (there && old->set[at].proxy == set->proxy &&
	    dpr_backend_same_place(&old->set[at], set))
		backend = old->set[at].backend;
	else if (there)
		gone = old->set[at].backend;
	new = dpr_backend_alloc(there ? n : n + 1);
	if (!new)
		return -ENOMEM;
	if (!backend)
		backend = dpr_backend_new(set);
	if (!backend) {
		kvfree(new);
		return -ENOMEM;
	}
	if (old) {
		memcpy(new->set, old->set, at * sizeof(*set));
		memcpy(new->set + at + 1, old->set + at + there,
		       (n - at - there) * sizeof(*set));
	}
	new->set[at] = *set;
	new->set[at].backend = backend;
	dpr_backend_publish(dn, new);
	if (gone)
		dpr_backend_put(gone);
	return 0;
}

/**
 * dpr_backend_is_down - is a backend set down
 * @dn: the namespace; its lock is held
 * @name: the name
 *
 * Return: false also if there is none.
 */
bool dpr_backend_is_down(struct dpr_net *dn, const char *name)
{
	const struct dpr_backends *old = dpr_backend_now(dn);
	bool there;
	u32 at = dpr_backend_place(old, name, &there);

	return there && old->set[at].down;
}

/**
 * dpr_backend_stays - does a backend that is set anew stay where it is
 * @dn: the namespace; its lock is held
 * @set: the backend
 *
 * Return: false also if there is none of that name.
 */
bool dpr_backend_stays(struct dpr_net *dn, const struct dpr_backend_set *set)
{
	const struct dpr_backends *old = dpr_backend_now(dn);
	bool there;
	u32 at = dpr_backend_place(old, set->name, &there);

	return there && dpr_backend_same_place(&old->set[at], set);
}

/**
 * dpr_backend_set_down - let a backend get no new connections, or some again
 * @dn: the namespace; its lock is held
 * @name: the name
 * @down: it gets none
 *
 * Return: 0, -ENOENT, -ENOMEM. On error nothing changed.
 */
int dpr_backend_set_down(struct dpr_net *dn, const char *name, bool down)
{
	const struct dpr_backends *old = dpr_backend_now(dn);
	struct dpr_backend_set set;
	bool there;
	u32 at = dpr_backend_place(old, name, &there);

	if (!there)
		return -ENOENT;
	set = old->set[at];
	set.down = down;
	return dpr_backend_set(dn, &set);
}

/**
 * dpr_backend_del - let a backend get no new connections, and forget its name
 * @dn: the namespace; its lock is held
 * @name: the name
 *
 * Return: 0, -ENOENT, -ENOMEM. On error nothing changed.
 */
int dpr_backend_del(struct dpr_net *dn, const char *name)
{
	const struct dpr_backends *old = dpr_backend_now(dn);
	struct dpr_backends *new = NULL;
	struct dpr_backend *gone;
	bool there;
	u32 at = dpr_backend_place(old, name, &there);

	if (!there)
		return -ENOENT;
	gone = old->set[at].backend;
	if (old->n > 1) {
		new = dpr_backend_alloc(old->n - 1);
		if (!new)
			return -ENOMEM;
		memcpy(new->set, old->set, at * sizeof(*new->set));
		memcpy(new->set + at, old->set + at + 1,
		       (old->n - at - 1) * sizeof(*new->set));
	}
	dpr_backend_publish(dn, new);
	dpr_backend_put(gone);
	return 0;
}

static bool dpr_backend_serves(const struct dpr_backend_set *set, u16 port)
{
	u32 i;

	for (i = 0; i < set->services; i++)
		if (set->service[i] == port)
			return true;
	return false;
}

/* Half-open connections, which anybody can make up, keep nobody away. */
static bool dpr_backend_full(const struct dpr_backend_set *set)
{
	const struct dpr_backend *backend = set->backend;

	return set->limit &&
	       (s64)atomic_read(&backend->live) - READ_ONCE(backend->half) >=
	       set->limit;
}

/* May a backend get a new connection of that family and service? */
static bool dpr_backend_takes(const struct dpr_backend_set *set,
			      const struct dpr_flow_key *key)
{
	return !set->down && dpr_addr_is4(&set->address) != key->wide &&
	       dpr_backend_serves(set, ntohs(key->port));
}

/* Is it one of those that a connection can go to? */
static bool dpr_backend_is_among(const struct dpr_backend_set *set,
				 const struct dpr_backend_among *among)
{
	return set->backend != among->not &&
	       dpr_rules_has(among->service, among->group, &set->address);
}

/* Would its packets come back here, or are they a peer's own business? */
static bool dpr_backend_loops(struct dpr_net *dn,
			      const struct dpr_backend_set *set,
			      const struct dpr_flow_key *key)
{
	return dpr_addr_equal(&set->address, &key->address) ||
	       dpr_peer_find(dn, &set->address);
}

/* Is a client itself a backend? What it asks for may be what this host asked of it. */
static bool dpr_backend_asks(const struct dpr_backends *backends,
			     const struct dpr_flow_key *key)
{
	u32 i;

	for (i = 0; i < backends->n; i++)
		if (dpr_addr_equal(&backends->set[i].address, &key->client))
			return true;
	return false;
}

/**
 * dpr_backend_choose - the backend of least load that can take a connection
 * @dn: the namespace
 * @key: the connection
 * @connection_load: load that one connection adds
 * @below: its load per capacity must be below this (dpr_policy_key())
 * @among: which it can be; NULL: all of the service
 *
 * Of equal ones any. Called under RCU in softirq.
 */
struct dpr_backend_choice
dpr_backend_choose(struct dpr_net *dn, const struct dpr_flow_key *key,
		   u64 connection_load, u64 below,
		   const struct dpr_backend_among *among)
{
	const struct dpr_backends *backends = rcu_dereference(dn->backends);
	struct dpr_backend_choice choice = {};
	u32 i, at;
	u64 load;

	if (!backends)
		return choice;
	choice.loop = dpr_backend_asks(backends, key);
	if (choice.loop)
		return choice;
	at = reciprocal_scale(get_random_u32(), backends->n);
	for (i = 0; i < backends->n; i++, at = at + 1 < backends->n ? at + 1 : 0) {
		const struct dpr_backend_set *set = &backends->set[at];

		if (!dpr_backend_takes(set, key) ||
		    (among && !dpr_backend_is_among(set, among)))
			continue;
		if (dpr_backend_loops(dn, set, key)) {
			choice.loop = true;
			continue;
		}
		if (dpr_backend_full(set)) {
			choice.limited = true;
			continue;
		}
		load = (u64)max(atomic_read(&set->backend->live), 0) *
		       (connection_load ?: 1);
		load = dpr_policy_key(min(load, DPR_LOAD_MAX), set->weight);
		if (load >= below)
			continue;
		below = load;
		choice.backend = set->backend;
	}
	return choice;
}

/**
 * dpr_backend_any - can any backend get a connection
 * @dn: the namespace
 * @key: the connection
 *
 * Called under RCU.
 */
bool dpr_backend_any(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	const struct dpr_backends *backends = rcu_dereference(dn->backends);
	u32 i;

	for (i = 0; backends && i < backends->n; i++)
		if (dpr_backend_takes(&backends->set[i], key))
			return true;
	return false;
}

/**
 * dpr_backend_again - may a backend get another connection of a client
 * @dn: the namespace
 * @backend: the backend, which had one
 * @key: the connection
 *
 * Called under RCU.
 */
bool dpr_backend_again(struct dpr_net *dn, const struct dpr_backend *backend,
		       const struct dpr_flow_key *key)
{
	const struct dpr_backends *backends = rcu_dereference(dn->backends);
	u32 i;

	if (!backends || dpr_backend_asks(backends, key))
		return false;
	for (i = 0; i < backends->n; i++) {
		const struct dpr_backend_set *set = &backends->set[i];

		if (set->backend == backend)
			return dpr_backend_takes(set, key) &&
			       !dpr_backend_loops(dn, set, key) &&
			       !dpr_backend_full(set);
	}
	return false;
}

/**
 * dpr_backend_left - does a backend get no connections any more
 * @dn: the namespace
 * @backend: the backend, which had some
 *
 * Called under RCU.
 *
 * Return: true if it is down, or not set.
 */
bool dpr_backend_left(struct dpr_net *dn, const struct dpr_backend *backend)
{
	const struct dpr_backends *backends = rcu_dereference(dn->backends);
	u32 i;

	for (i = 0; backends && i < backends->n; i++)
		if (backends->set[i].backend == backend)
			return backends->set[i].down;
	return true;
}

/** dpr_backend_way_valid6 - dpr_backend_way_valid() of a route of IPv6 */
bool dpr_backend_way_valid6(const struct dst_entry *dst, u32 cookie)
{
	return dst_check((struct dst_entry *)dst, cookie);
}

static struct dst_entry *dpr_backend_route4(struct dpr_net *dn,
					    struct dpr_backend_way *way,
					    const struct dpr_backend *backend)
{
	struct flowi4 fl4 = {
		.daddr = backend->address.word[3],
		.flowi4_proto = IPPROTO_TCP,
		.fl4_dport = htons(backend->port),
	};
	struct rtable *rt = ip_route_output_key(dn->net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	way->source = dpr_addr_of4(fl4.saddr);
	if (rt->rt_type == RTN_UNICAST)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

static struct dst_entry *dpr_backend_route6(struct dpr_net *dn,
					    struct dpr_backend_way *way,
					    const struct dpr_backend *backend)
{
	struct flowi6 fl6 = {
		.daddr = *dpr_local_in6(&backend->address),
		.flowi6_proto = IPPROTO_TCP,
		.fl6_dport = htons(backend->port),
	};
	struct dst_entry *dst = ip6_dst_lookup_flow(dn->net, NULL, &fl6, NULL);
	const struct rt6_info *rt;

	if (IS_ERR(dst))
		return NULL;
	rt = (const struct rt6_info *)dst;
	way->source = dpr_addr_of6(&fl6.saddr);
	way->cookie = rt6_get_cookie(rt);
	if (!(rt->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST)))
		return dst;
	dst_release(dst);
	return NULL;
}

/**
 * dpr_backend_find_way - find this CPU's way to a backend anew
 * @dn: the namespace
 * @way: what is kept of it
 * @backend: the backend
 *
 * Called in softirq.
 *
 * Return: @way, NULL if there is none.
 */
struct dpr_backend_way *dpr_backend_find_way(struct dpr_net *dn,
					     struct dpr_backend_way *way,
					     const struct dpr_backend *backend)
{
	dst_release(way->dst);
	way->dst = dpr_addr_is4(&backend->address) ?
		   dpr_backend_route4(dn, way, backend) :
		   dpr_backend_route6(dn, way, backend);
	if (!way->dst)
		return NULL;
	if (!(way->dst->dev->flags & IFF_LOOPBACK) &&
	    dpr_local_unicast(&way->source))
		return way;
	dst_release(way->dst);
	way->dst = NULL;
	return NULL;
}

/**
 * dpr_backend_teardown - forget all backends
 * @dn: the namespace; nothing runs in it any more, its connections are freed
 */
void dpr_backend_teardown(struct dpr_net *dn)
{
	struct dpr_backends *backends = rcu_dereference_protected(dn->backends,
								  true);
	u32 i;

	for (i = 0; backends && i < backends->n; i++)
		dpr_backend_put(backends->set[i].backend);
	kvfree(backends);
	/* A route by IPsec is counted in the namespace, and must not outlive it. */
	if (rcu_access_pointer(dn->splices))
		rcu_barrier();
}
