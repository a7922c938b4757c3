/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The SYN decision. Pure: no kernel state, no locks, no allocation, so that
 * the same code runs in the module, in user-space tests and in simulations.
 */
#ifndef _DPR_POLICY_H
#define _DPR_POLICY_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/compiler.h>
#else
#include "user.h"
#endif
#include "dpr.h"

/* Loads are capped here, so that a key of the order fits 64 bits. */
#define DPR_LOAD_MAX	(1ULL << 43)

/* The capacity of a peer that is warm. */
#define DPR_POLICY_WARM		1024
/*
 * Of dpr_view.cold: nobody knows the peer's load. It gets a connection only if no other
 * peer can, and this host cannot either; but for offers, which do not depend on that.
 */
#define DPR_POLICY_UNKNOWN	DPR_POLICY_WARM

/* Peers that may refuse a connection; the next one must take it. */
#define DPR_MAX_OFFERS		2

/* The four metrics of the paper (section 3.1), in its order. */
enum dpr_metric {
	DPR_METRIC_CONNECTIONS,
	DPR_METRIC_CPU,
	DPR_METRIC_REDIRECTED,
	DPR_METRIC_SOCKETS,
	DPR_METRICS
};

/**
 * struct dpr_view - what a policy sees of one peer
 * @load: load by its last report, 0 to DPR_LOAD_MAX
 * @estimate: load it is taken to have now, 0 to DPR_LOAD_MAX
 * @live_reported: our live flows to it when that report came
 * @reported: time of that report, in the unit of dpr_policy_args.now
 * @weight: relative capacity, 1 to DPR_MAX_WEIGHT
 * @address: its address, only compared for equality
 * @tie: orders peers that are equal otherwise; drawn with each report
 * @open: a report came, the peer's state is active, and it serves something
 * @down: services that it cannot serve now, to clients of IPv4 and of IPv6: bits, as
 *	dpr_policy_args.service
 * @cold: so many parts of DPR_POLICY_WARM are missing of its capacity: it has just
 *	come back, and gets its share step by step (slow start). 0: it is warm.
 *	DPR_POLICY_UNKNOWN: @load and @estimate mean nothing
 * @counted_load: what dpr_order.load has of it
 * @counted_weight: what dpr_order.weight has of it
 */
struct dpr_view {
	u64 load;
	u64 estimate;
	s32 live_reported;
	u32 reported;
	u32 weight;
	u32 address;
	u32 tie;
	bool open;
	u64 down[2];
	u32 cold;
	u64 counted_load;
	u32 counted_weight;
};

/**
 * struct dpr_order - the peers, ordered by estimated load per capacity
 * @n: how many
 * @view: the peers
 * @rank: a tournament: entry @n + i is peer i, entry i the better one of the
 *	entries 2i and 2i + 1, so that entry 1 is the best of all. What is
 *	here is a peer's estimated load per capacity, the lowest bits its
 *	view's tie; the greatest number if it is not open. Room for 2 * @n
 *	entries; entry 0 is not used
 * @winner: whose each entry of @rank is
 * @load: sum of the estimates of the peers that are open, as far as they are known
 * @weight: sum of these peers' weights
 * @weight_most: no peer has a greater weight
 *
 * Whoever changes it excludes others that do. dpr_policy_decide() may run at
 * the same time: it can then see an order that is just being mended, and
 * choose the second best.
 */
struct dpr_order {
	u32 n;
	struct dpr_view *view;
	u64 *rank;
	u32 *winner;
	u64 load;
	u32 weight;
	u32 weight_most;
};

/**
 * struct dpr_policy_args - everything else a decision depends on
 * @policy: enum dpr_policy, not stateless
 * @draining: this host takes no new connections while a peer is usable: it
 *	drains, or cannot serve this one
 * @own_load: this host's load, 0 to DPR_LOAD_MAX
 * @own_weight: this host's relative capacity, 1 to DPR_MAX_WEIGHT
 * @connection_load: load that one connection adds
 * @max_load: MaxLoad, or DPR_MAX_LOAD_AUTO
 * @now: current time; wraps
 * @max_age: age beyond which a report no longer counts, unit of @now
 * @random: a random number, uniform over all 64-bit values
 * @client: the client's address; a peer of this address is not chosen
 * @avoid: address of the peer that has just refused the connection; it is not
 *	offered to that peer again while there is another. 0: none
 * @wide: the connection is of IPv6
 * @service: the bits of the connection's service in dpr_view.down
 */
struct dpr_policy_args {
	u32 policy;
	bool draining;
	u64 own_load;
	u32 own_weight;
	u64 connection_load;
	u64 max_load;
	u32 now;
	u32 max_age;
	u64 random;
	u32 client;
	u32 avoid;
	bool wide;
	u64 service;
};

/**
 * struct dpr_decision - the outcome
 * @outcome: DPR_STAT_REDIRECTED, or the DPR_STAT_SERVED_* that says why not
 * @peer: index of the chosen view; meaningful if redirected
 */
struct dpr_decision {
	enum dpr_stat outcome;
	u32 peer;
};

/**
 * dpr_policy_estimate - what a peer's load is taken to be now
 * @view: the peer
 * @live: our live flows to it now
 * @estimate: enum dpr_estimate
 * @connection_load: load that one connection adds
 *
 * Return: the load, 0 to DPR_LOAD_MAX.
 */
static inline u64 dpr_policy_estimate(const struct dpr_view *view, s32 live,
				      u32 estimate, u64 connection_load)
{
	long long since = (long long)live - view->live_reported;
	u64 load = view->load, change;

	if (estimate == DPR_ESTIMATE_REPORTED)
		return load;
	if (since >= 0) {
		load += since * connection_load;
		return load < DPR_LOAD_MAX ? load : DPR_LOAD_MAX;
	}
	change = -since * connection_load;
	return load > change ? load - change : 0;
}

/**
 * dpr_policy_usable - may the peer get new connections
 * @view: the peer
 * @now: current time
 * @max_age: age beyond which a report no longer counts
 */
static inline bool dpr_policy_usable(const struct dpr_view *view, u32 now,
				     u32 max_age)
{
	return READ_ONCE(view->open) &&
	       now - READ_ONCE(view->reported) <= max_age;
}

/* May the peer get this connection? */
static inline bool dpr_policy_choosable(const struct dpr_policy_args *args,
					const struct dpr_view *view)
{
	return dpr_policy_usable(view, args->now, args->max_age) &&
	       !(READ_ONCE(view->down[args->wide]) & args->service) &&
	       view->address != args->client;
}

/*
 * Load per capacity, with one more connection, in 2^-20. Of two hosts the one
 * with the smaller key is better off.
 */
static inline u64 dpr_policy_key(u64 load, u32 weight)
{
	u64 key = (load + 1) << 20;

	return weight == 1 ? key : key / weight;
}

/* The least capacity that a cold peer is given is missing so much. */
#define DPR_POLICY_COLDEST	(DPR_POLICY_WARM - DPR_POLICY_WARM / 10)

/**
 * dpr_policy_cold - how cold is a peer
 * @since: time since it came back
 * @slow_start: time until it is warm, in the same unit; 0: at once
 *
 * Return: for dpr_view.cold.
 */
static inline u32 dpr_policy_cold(u32 since, u32 slow_start)
{
	u64 warm;

	if (since >= slow_start)
		return 0;
	warm = (u64)since * DPR_POLICY_WARM / slow_start;
	return warm < DPR_POLICY_WARM - DPR_POLICY_COLDEST ?
	       DPR_POLICY_COLDEST : DPR_POLICY_WARM - (u32)warm;
}

/* So much of a key orders peers that are equal otherwise. */
#define DPR_POLICY_TIE	0xff

/*
 * A peer's key. While it is cold, it counts as if its capacity was smaller; if its load is
 * unknown, no other is greater.
 */
static inline u64 dpr_policy_peer_key(const struct dpr_view *view, u64 estimate)
{
	u64 key = dpr_policy_key(estimate, view->weight);
	u32 warm = DPR_POLICY_WARM - READ_ONCE(view->cold);

	if (warm == DPR_POLICY_WARM)
		return key;
	if (!warm)
		return ~(u64)(DPR_POLICY_TIE + 1);
	key /= warm;
	return key < ~0ULL / DPR_POLICY_WARM ? key * DPR_POLICY_WARM :
					       ~(u64)DPR_POLICY_WARM;
}

/* Where a peer stands: of two the one with the smaller number is better. */
static inline u64 dpr_policy_rank(const struct dpr_view *view)
{
	u64 key = dpr_policy_peer_key(view, view->estimate);

	return view->open ? (key & ~(u64)DPR_POLICY_TIE) |
			    (view->tie & DPR_POLICY_TIE) : ~0ULL;
}

/* Keeps the order's sums when a peer's view changed. */
static inline void dpr_policy_count(struct dpr_order *order, struct dpr_view *view)
{
	bool counts = view->open && view->cold != DPR_POLICY_UNKNOWN;
	u64 load = counts ? view->estimate : 0;
	u32 weight = counts ? view->weight : 0;

	WRITE_ONCE(order->load, order->load - view->counted_load + load);
	WRITE_ONCE(order->weight,
		   order->weight - view->counted_weight + weight);
	if (view->open && view->weight > order->weight_most)
		WRITE_ONCE(order->weight_most, view->weight);
	view->counted_load = load;
	view->counted_weight = weight;
}

/*
 * Puts a peer in its place. The matches that it takes part in are held again: one for
 * each doubling of the number of peers.
 */
static inline void dpr_policy_place(struct dpr_order *order, u32 peer)
{
	u64 *rank = order->rank, best = dpr_policy_rank(&order->view[peer]);
	unsigned long at = order->n + peer, other;
	u32 *winner = order->winner;

	rank[at] = best;
	WRITE_ONCE(winner[at], peer);
	while (at > 1) {
		other = at ^ 1;
		if (rank[other] < best) {
			best = rank[other];
			peer = winner[other];
		}
		at /= 2;
		rank[at] = best;
		WRITE_ONCE(winner[at], peer);
	}
}

/**
 * dpr_policy_moved - put a peer in its place after its view changed
 * @order: the peers
 * @peer: its index
 */
static inline void dpr_policy_moved(struct dpr_order *order, u32 peer)
{
	dpr_policy_count(order, &order->view[peer]);
	dpr_policy_place(order, peer);
}

/**
 * dpr_policy_reestimate - note a peer's load, and put it in its place
 * @order: the peers
 * @peer: its index
 * @estimate: the load it is taken to have now
 *
 * What every new flow does, so it leaves out what cannot have changed. Not for a peer
 * that is DPR_POLICY_UNKNOWN.
 */
static inline void dpr_policy_reestimate(struct dpr_order *order, u32 peer,
					 u64 estimate)
{
	struct dpr_view *view = &order->view[peer];

	WRITE_ONCE(view->estimate, estimate);
	if (!view->open)
		return;
	WRITE_ONCE(order->load, order->load - view->counted_load + estimate);
	view->counted_load = estimate;
	dpr_policy_place(order, peer);
}

/**
 * dpr_policy_first - the peer that stands first
 * @order: the peers; there is at least one
 *
 * Return: its index. No peer is open if it is not.
 */
static inline u32 dpr_policy_first(const struct dpr_order *order)
{
	return READ_ONCE(order->winner[1]);
}

/**
 * dpr_policy_stale - does a peer whose report is too old stand first
 * @args: the situation
 * @order: the peers
 *
 * Who asks for a decision then closes the peer's view and asks again.
 */
static inline bool dpr_policy_stale(const struct dpr_policy_args *args,
				    const struct dpr_order *order)
{
	const struct dpr_view *first;

	if (!order->n)
		return false;
	first = &order->view[dpr_policy_first(order)];
	return READ_ONCE(first->open) &&
	       args->now - READ_ONCE(first->reported) > args->max_age;
}

u64 dpr_policy_load(const u32 metric[DPR_METRICS],
		    const u32 weight[DPR_METRICS]);
void dpr_policy_sort(struct dpr_order *order);
struct dpr_decision dpr_policy_decide(const struct dpr_policy_args *args,
				      const struct dpr_order *order);
enum dpr_stat dpr_policy_refuses(const struct dpr_policy_args *args,
				 const struct dpr_order *order);
u32 dpr_policy_hash(u32 hash, u32 client, u16 port, u32 hosts);

#endif /* _DPR_POLICY_H */
