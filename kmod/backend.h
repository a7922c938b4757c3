/* SPDX-License-Identifier: GPL-2.0 */
/* The backends: servers that run nothing of ours, and get connections from this host. */
#ifndef _DPR_BACKEND_H
#define _DPR_BACKEND_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <net/dst.h>
#include <net/route.h>
#include "core/addr.h"
#include "core/policy.h"
#include "dpr.h"
#include "netns.h"

struct dpr_flow_key;
struct dpr_service;

/**
 * struct dpr_backend_way - one CPU's way to a backend
 * @dst: the route, a reference is held; NULL if there is none yet
 * @cookie: of an IPv6 route, shows whether it still holds
 * @source: the address of this host from which packets go there
 * @last: the route that this CPU last sent by as policies of IPsec had it, likewise
 */
struct dpr_backend_way {
	struct dst_entry *dst;
	u32 cookie;
	struct dpr_addr source;
	struct dst_entry *last;
};

/**
 * struct dpr_backend - where connections go
 * @refs: the backend as it is set, and its connections
 * @address: its address
 * @port: its port, host byte order; 0: the service's
 * @proxy: it gets headers of the PROXY protocol
 * @live: connections to it that are not over
 * @half: those of @live whose handshake is not over
 * @half_open: they, oldest first; it and @half are protected by the lock of splice_table.h
 * @ended: those that are over, and still there for late packets; likewise
 * @waiting: on the list of those that have any of the two kinds, likewise
 * @spliced: connections that it has got
 * @ways: each CPU's
 * @rcu: frees it
 */
struct dpr_backend {
	refcount_t refs;
	struct dpr_addr address;
	u16 port;
	bool proxy;
	atomic_t live;
	u32 half;
	struct list_head half_open;
	struct list_head ended;
	struct list_head waiting;
	atomic64_t spliced;
	struct dpr_backend_way __percpu *ways;
	struct rcu_head rcu;
};

/**
 * struct dpr_backend_set - a backend as it is set; never changed
 * @name: its name, and 0 after it
 * @address: its address
 * @port: its port, 0: the service's
 * @proxy: it gets headers of the PROXY protocol
 * @weight: its relative capacity
 * @limit: connections that it may have, without half-open ones; 0: any number
 * @down: it gets no new ones
 * @services: how many
 * @service: ports of its services, host byte order
 * @backend: where its connections go; a reference is held
 */
struct dpr_backend_set {
	char name[DPR_MAX_BACKEND_NAME + 1];
	struct dpr_addr address;
	u16 port;
	bool proxy;
	u32 weight;
	u32 limit;
	bool down;
	u32 services;
	u16 service[DPR_MAX_BACKEND_SERVICES];
	struct dpr_backend *backend;
};

/**
 * struct dpr_backends - the backends of a namespace; never changed
 * @rcu: frees it
 * @n: how many
 * @set: they, by name
 */
struct dpr_backends {
	struct rcu_head rcu;
	u32 n;
	struct dpr_backend_set set[] __counted_by(n);
};

/**
 * struct dpr_backend_choice - which backend gets a connection
 * @backend: it, under RCU; NULL: none
 * @limited: one has as many connections as it may
 * @loop: one is a peer by now, or the client itself
 */
struct dpr_backend_choice {
	struct dpr_backend *backend;
	bool limited;
	bool loop;
};

/**
 * struct dpr_backend_among - which backends a connection can go to
 * @service: its service, under RCU
 * @group: the group of the service's rules that has them; none such: all of the service
 * @not: it has refused the connection; NULL: none has
 */
struct dpr_backend_among {
	const struct dpr_service *service;
	u32 group;
	const struct dpr_backend *not;
};

int dpr_backend_set(struct dpr_net *dn, const struct dpr_backend_set *set);
bool dpr_backend_is_down(struct dpr_net *dn, const char *name);
bool dpr_backend_stays(struct dpr_net *dn, const struct dpr_backend_set *set);
int dpr_backend_set_down(struct dpr_net *dn, const char *name, bool down);
int dpr_backend_del(struct dpr_net *dn, const char *name);
struct dpr_backend_choice
dpr_backend_choose(struct dpr_net *dn, const struct dpr_flow_key *key,
		   u64 connection_load, u64 below,
		   const struct dpr_backend_among *among);
bool dpr_backend_any(struct dpr_net *dn, const struct dpr_flow_key *key);
bool dpr_backend_again(struct dpr_net *dn, const struct dpr_backend *backend,
		       const struct dpr_flow_key *key);
bool dpr_backend_left(struct dpr_net *dn, const struct dpr_backend *backend);
struct dpr_backend_way *dpr_backend_find_way(struct dpr_net *dn,
					     struct dpr_backend_way *way,
					     const struct dpr_backend *backend);
bool dpr_backend_way_valid6(const struct dst_entry *dst, u32 cookie);
void dpr_backend_put(struct dpr_backend *backend);
void dpr_backend_teardown(struct dpr_net *dn);

/**
 * dpr_backend_way_valid - does a route that is kept still hold
 * @dn: the namespace
 * @wide: it is of IPv6
 * @dst: the route, NULL if there is none
 * @cookie: its cookie if @wide
 *
 * Called under RCU. Each packet asks; of IPv4 it is what ipv4_dst_check() asks, without a call.
 */
static inline bool dpr_backend_way_valid(const struct dpr_net *dn, bool wide,
					 const struct dst_entry *dst, u32 cookie)
{
	if (unlikely(!dst))
		return false;
	if (wide)
		return dpr_backend_way_valid6(dst, cookie);
	return dst->obsolete == DST_OBSOLETE_FORCE_CHK &&
	       ((const struct rtable *)dst)->rt_genid == rt_genid_ipv4(dn->net);
}

/**
 * dpr_backend_way - this CPU's way to a backend
 * @dn: the namespace
 * @backend: the backend
 *
 * Called in softirq; the way is good until that ends.
 *
 * Return: the way, NULL if there is none.
 */
static inline struct dpr_backend_way *
dpr_backend_way(struct dpr_net *dn, const struct dpr_backend *backend)
{
	struct dpr_backend_way *way = this_cpu_ptr(backend->ways);

	if (likely(dpr_backend_way_valid(dn, !dpr_addr_is4(&backend->address),
					 way->dst, way->cookie)))
		return way;
	return dpr_backend_find_way(dn, way, backend);
}

#endif /* _DPR_BACKEND_H */
