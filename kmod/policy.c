// SPDX-License-Identifier: GPL-2.0
#include "policy.h"

/**
 * dpr_policy_load - the load that a host's metrics amount to
 * @metric: the four metrics
 * @weight: their weights, each at most DPR_MAX_WEIGHT
 *
 * Return: the weighted sum, at most DPR_LOAD_MAX.
 */
u64 dpr_policy_load(const u32 metric[DPR_METRICS],
		    const u32 weight[DPR_METRICS])
{
	u64 load = 0;
	int i;

	for (i = 0; i < DPR_METRICS; i++)
		load += (u64)metric[i] * weight[i];
	return load < DPR_LOAD_MAX ? load : DPR_LOAD_MAX;
}

/**
 * dpr_policy_usable - may the peer get new connections
 * @view: the peer
 * @now: current time
 * @max_age: age beyond which a report no longer counts
 */
bool dpr_policy_usable(const struct dpr_view *view, u32 now, u32 max_age)
{
	return READ_ONCE(view->open) &&
	       now - READ_ONCE(view->reported) <= max_age;
}

/**
 * dpr_policy_estimate - what a peer's load is taken to be now
 * @view: the peer
 * @estimate: enum dpr_estimate
 * @connection_load: load that one connection adds
 *
 * Return: the load, 0 to DPR_LOAD_MAX.
 */
u64 dpr_policy_estimate(const struct dpr_view *view, u32 estimate,
			u64 connection_load)
{
	u64 load = READ_ONCE(view->load);
	s32 since;
	u64 change;

	if (estimate == DPR_ESTIMATE_REPORTED)
		return load;
	since = READ_ONCE(*view->live) - READ_ONCE(view->live_reported);
	if (since >= 0) {
		load += (u64)since * connection_load;
		return load < DPR_LOAD_MAX ? load : DPR_LOAD_MAX;
	}
	change = -(u64)(long long)since * connection_load;
	return load > change ? load - change : 0;
}

/* Is load a on a host of weight wa less than load b on one of weight wb? */
static bool dpr_policy_less(u64 a, u32 wa, u64 b, u32 wb)
{
	return a * wb < b * wa;
}

static bool dpr_policy_choosable(const struct dpr_policy_args *args,
				 const struct dpr_view *view)
{
	return dpr_policy_usable(view, args->now, args->max_age) &&
	       view->address != args->client;
}

/*
 * The usable peer of the lowest estimate; n if there is none. Starts at a
 * random peer, so that equal loads do not always mean the same peer.
 */
static u32 dpr_policy_lowest(const struct dpr_policy_args *args,
			     const struct dpr_view *views, u32 n, u64 *load)
{
	u32 best = n, k, i = n ? args->random % n : 0;
	u64 estimate;

	for (k = 0; k < n; k++, i = i + 1 < n ? i + 1 : 0) {
		if (!dpr_policy_choosable(args, &views[i]))
			continue;
		estimate = dpr_policy_estimate(&views[i], args->estimate,
					       args->connection_load);
		if (best == n ||
		    dpr_policy_less(estimate, views[i].weight, *load,
				    views[best].weight)) {
			best = i;
			*load = estimate;
		}
	}
	return best;
}

/* A usable peer's share of the choice: capacity over load, in 2^-32. */
static u64 dpr_policy_share(const struct dpr_policy_args *args,
			    const struct dpr_view *view)
{
	u64 estimate;

	if (!dpr_policy_choosable(args, view))
		return 0;
	estimate = dpr_policy_estimate(view, args->estimate,
				       args->connection_load);
	return ((u64)view->weight << 32) / (estimate + 1);
}

/*
 * A usable peer, with a probability inversely proportional to its estimated
 * load plus one (the load with this connection); @fallback if loads moved
 * between the two passes so that none was hit.
 */
static u32 dpr_policy_inverse(const struct dpr_policy_args *args,
			      const struct dpr_view *views, u32 n,
			      u32 fallback)
{
	u64 total = 0, share, point;
	u32 i;

	for (i = 0; i < n; i++)
		total += dpr_policy_share(args, &views[i]);
	if (!total)
		return fallback;
	point = args->random % total;
	for (i = 0; i < n; i++) {
		share = dpr_policy_share(args, &views[i]);
		if (point < share)
			return i;
		point -= share;
	}
	return fallback;
}

static struct dpr_decision dpr_policy_serve(enum dpr_stat outcome)
{
	return (struct dpr_decision){ .outcome = outcome };
}

/**
 * dpr_policy_decide - serve a new connection, or redirect it to which peer
 * @args: the situation
 * @views: the peers
 * @n: how many
 *
 * The order of the questions is the paper's (section 3.2): below MaxLoad,
 * then lowest, then by the policy.
 */
struct dpr_decision dpr_policy_decide(const struct dpr_policy_args *args,
				      const struct dpr_view *views, u32 n)
{
	struct dpr_decision decision = { .outcome = DPR_STAT_REDIRECTED };
	u64 load = 0;

	if (args->policy == DPR_POLICY_OFF && !args->draining)
		return dpr_policy_serve(DPR_STAT_SERVED_OFF);
	if (!args->draining && args->own_load < args->max_load)
		return dpr_policy_serve(DPR_STAT_SERVED_BELOW_MAX_LOAD);
	decision.peer = dpr_policy_lowest(args, views, n, &load);
	if (decision.peer == n)
		return dpr_policy_serve(DPR_STAT_SERVED_NO_PEER);
	if (!args->draining &&
	    !dpr_policy_less(load, views[decision.peer].weight,
			     args->own_load, args->own_weight))
		return dpr_policy_serve(DPR_STAT_SERVED_LOWEST);
	if (args->policy == DPR_POLICY_INVERSE)
		decision.peer = dpr_policy_inverse(args, views, n,
						   decision.peer);
	return decision;
}

static u32 dpr_policy_mix(u32 x)
{
	/* Finalizer of MurmurHash3: every input bit moves every output bit. */
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ (x >> 16);
}

/**
 * dpr_policy_hash - the host that the stateless policy picks
 * @hash: enum dpr_hash
 * @client: the client's address
 * @port: the client's port, host byte order
 * @hosts: number of hosts, at least 1
 *
 * The same on every boot, so that a reloaded module routes as before.
 *
 * Return: index of the host, below @hosts.
 */
u32 dpr_policy_hash(u32 hash, u32 client, u16 port, u32 hosts)
{
	u32 x = dpr_policy_mix(port + 0x9e3779b9);

	if (hash == DPR_HASH_ADDRESS_PORT)
		x = dpr_policy_mix(x ^ client);
	return (u64)x * hosts >> 32;
}
