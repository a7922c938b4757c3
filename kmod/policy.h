/* SPDX-License-Identifier: GPL-2.0 */
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
#include <stdbool.h>
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef int32_t s32;
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#endif
#include "dpr.h"

/* Loads are capped here, so that a load times a weight fits 64 bits. */
#define DPR_LOAD_MAX	(1ULL << 47)

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
 * @live: our live flows to it; changes while policies read it
 * @live_reported: *@live when that report came
 * @reported: time of that report, in the unit of dpr_policy_args.now
 * @weight: relative capacity, 1 to DPR_MAX_WEIGHT
 * @address: its address, only compared for equality
 * @open: a report came and the peer's state is active
 */
struct dpr_view {
	u64 load;
	const int *live;
	s32 live_reported;
	u32 reported;
	u32 weight;
	u32 address;
	bool open;
};

/**
 * struct dpr_policy_args - everything else a decision depends on
 * @policy: enum dpr_policy, not stateless
 * @estimate: enum dpr_estimate
 * @draining: this host takes no new connections while a peer is usable
 * @connection_load: load that one connection adds to the host serving it
 * @own_load: this host's load, 0 to DPR_LOAD_MAX
 * @own_weight: this host's relative capacity, 1 to DPR_MAX_WEIGHT
 * @max_load: MaxLoad
 * @now: current time; wraps
 * @max_age: age beyond which a report no longer counts, unit of @now
 * @random: a random number, uniform over all 64-bit values
 * @client: the client's address; a peer of this address is not chosen
 */
struct dpr_policy_args {
	u32 policy;
	u32 estimate;
	bool draining;
	u64 connection_load;
	u64 own_load;
	u32 own_weight;
	u64 max_load;
	u32 now;
	u32 max_age;
	u64 random;
	u32 client;
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
bool dpr_policy_usable(const struct dpr_view *view, u32 now, u32 max_age);
u64 dpr_policy_estimate(const struct dpr_view *view, u32 estimate,
			u64 connection_load);
struct dpr_decision dpr_policy_decide(const struct dpr_policy_args *args,
				      const struct dpr_view *views, u32 n);
u32 dpr_policy_hash(u32 hash, u32 client, u16 port, u32 hosts);

#endif /* _DPR_POLICY_H */
