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
 * @open: a report came and the peer's state is active
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
 * @load: sum of the estimates of the peers that are open
 * @weight: sum of their weights
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
 * @draining: this host takes no new connections while a peer is usable
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

u64 dpr_policy_load(const u32 metric[DPR_METRICS],
		    const u32 weight[DPR_METRICS]);
u64 dpr_policy_estimate(const struct dpr_view *view, s32 live,
			u32 estimate, u64 connection_load);
bool dpr_policy_usable(const struct dpr_view *view, u32 now, u32 max_age);
void dpr_policy_sort(struct dpr_order *order);
void dpr_policy_moved(struct dpr_order *order, u32 peer);
u32 dpr_policy_first(const struct dpr_order *order);
bool dpr_policy_stale(const struct dpr_policy_args *args,
		      const struct dpr_order *order);
struct dpr_decision dpr_policy_decide(const struct dpr_policy_args *args,
				      const struct dpr_order *order);
enum dpr_stat dpr_policy_refuses(const struct dpr_policy_args *args,
				 const struct dpr_order *order);
u32 dpr_policy_hash(u32 hash, u32 client, u16 port, u32 hosts);

#endif /* _DPR_POLICY_H */
