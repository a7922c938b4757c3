// SPDX-License-Identifier: GPL-2.0 OR MIT
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
 * dpr_policy_sort - put the peers in order from scratch
 * @order: the peers
 */
void dpr_policy_sort(struct dpr_order *order)
{
	u32 i, better;

	order->load = 0;
	order->weight = 0;
	order->weight_most = 0;
	for (i = 0; i < order->n; i++) {
		order->view[i].counted_load = 0;
		order->view[i].counted_weight = 0;
		dpr_policy_count(order, &order->view[i]);
		order->rank[order->n + i] = dpr_policy_rank(&order->view[i]);
		WRITE_ONCE(order->winner[order->n + i], i);
	}
	for (i = order->n; i-- > 1;) {
		better = 2 * i + (order->rank[2 * i + 1] < order->rank[2 * i]);
		order->rank[i] = order->rank[better];
		WRITE_ONCE(order->winner[i], order->winner[better]);
	}
}

/* The best peer that can be chosen; n if there is none. Looks at all. */
static u32 dpr_policy_search(const struct dpr_policy_args *args,
			     const struct dpr_order *order)
{
	u64 rank, least = 0;
	u32 best = order->n, i;

	for (i = 0; i < order->n; i++) {
		if (!dpr_policy_choosable(args, &order->view[i]))
			continue;
		rank = dpr_policy_rank(&order->view[i]);
		if (best == order->n || rank < least) {
			best = i;
			least = rank;
		}
	}
	return best;
}

/*
 * The best peer; n if there is none. It stands first, unless it is the client
 * itself, cannot serve this service, or was just closed: then all are looked at.
 */
static inline u32 dpr_policy_lowest(const struct dpr_policy_args *args,
				    const struct dpr_order *order)
{
	u32 i;

	if (!order->n)
		return order->n;
	i = dpr_policy_first(order);
	if (dpr_policy_choosable(args, &order->view[i]))
		return i;
	return READ_ONCE(order->view[i].open) ? dpr_policy_search(args, order) :
						order->n;
}

/* A peer's share of the choice: capacity per load, in 2^-32. */
static u64 dpr_policy_share(const struct dpr_policy_args *args,
			    const struct dpr_view *view)
{
	const u32 cold = READ_ONCE(view->cold);
	u64 share;

	if (!dpr_policy_choosable(args, view))
		return 0;
	share = ((u64)view->weight << 32) / (READ_ONCE(view->estimate) + 1);
	return cold ? share / DPR_POLICY_WARM * (DPR_POLICY_WARM - cold) : share;
}

/* All shares are added up; what comes at a random point of the sum wins. */
static u32 dpr_policy_inverse_scan(const struct dpr_policy_args *args,
				   const struct dpr_order *order, u64 random,
				   u32 fallback)
{
	u64 total = 0, share, point;
	u32 i;

	for (i = 0; i < order->n; i++)
		total += dpr_policy_share(args, &order->view[i]);
	if (!total)
		return fallback;
	point = random % total;
	for (i = 0; i < order->n; i++) {
		share = dpr_policy_share(args, &order->view[i]);
		if (point < share)
			return i;
		point -= share;
	}
	/* Loads moved between the two passes. */
	return fallback;
}

/* A number of 0 to most - 1, by 32 random bits. */
static u64 dpr_policy_scale(u64 most, u32 random)
{
	return (most >> 32) * random + ((u64)(u32)most * random >> 32);
}

/* Tries at drawing a peer before all are looked at. */
#define DPR_POLICY_TRIES	32

static u64 dpr_policy_random(u64 *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/*
 * Any peer that can be chosen but @not, with a probability in proportion to
 * its weight, as far as it is warm; @fallback if none comes up.
 */
static u32 dpr_policy_draw(const struct dpr_policy_args *args,
			   const struct dpr_order *order, u64 *random,
			   u32 not, u32 fallback)
{
	u32 most = READ_ONCE(order->weight_most), cold, i, k;
	const struct dpr_view *view;

	for (k = 0; k < DPR_POLICY_TRIES; k++) {
		i = (dpr_policy_random(random) >> 32) * order->n >> 32;
		view = &order->view[i];
		if (i == not || view->address == args->avoid ||
		    !dpr_policy_choosable(args, view))
			continue;
		cold = READ_ONCE(view->cold);
		if (view->weight >= most && !cold)
			return i;
		if (cold == DPR_POLICY_UNKNOWN &&
		    args->policy == DPR_POLICY_OFFER)
			cold = 0;
		if (dpr_policy_scale((u64)most * DPR_POLICY_WARM, *random) <
		    (u64)view->weight * (DPR_POLICY_WARM - cold))
			return i;
	}
	return fallback;
}

/* Power of two choices: of two peers drawn, the one that is better off. */
static u32 dpr_policy_two(const struct dpr_policy_args *args,
			  const struct dpr_order *order, u32 best)
{
	u64 random = args->random | 1;
	u32 a = dpr_policy_draw(args, order, &random, order->n, best);
	u32 b = dpr_policy_draw(args, order, &random, a, a);

	return dpr_policy_rank(&order->view[b]) <
	       dpr_policy_rank(&order->view[a]) ? b : a;
}

/* Any peer: it refuses if it is loaded itself. */
static u32 dpr_policy_offer(const struct dpr_policy_args *args,
			    const struct dpr_order *order, u32 best)
{
	u64 random = args->random | 1;

	return dpr_policy_draw(args, order, &random, order->n, best);
}

/*
 * A peer, with a probability inversely proportional to its estimated load plus
 * one (the load with this connection). Any peer is drawn, and taken with the
 * ratio of its share to that of the best one: the same law as by adding up
 * all shares, mostly without looking at all.
 */
static u32 dpr_policy_inverse(const struct dpr_policy_args *args,
			      const struct dpr_order *order, u32 best)
{
	u64 most = dpr_policy_share(args, &order->view[best]);
	u64 random = args->random | 1, share;
	u32 i, k;

	for (k = 0; most && k < DPR_POLICY_TRIES; k++) {
		i = (dpr_policy_random(&random) >> 32) * order->n >> 32;
		share = dpr_policy_share(args, &order->view[i]);
		/* A load moved since the best was found: look at all. */
		if (share > most)
			break;
		if (dpr_policy_scale(most, random) < share)
			return i;
	}
	return dpr_policy_inverse_scan(args, order, random, best);
}

static struct dpr_decision dpr_policy_serve(enum dpr_stat outcome)
{
	return (struct dpr_decision){ .outcome = outcome };
}

/* The mean load of all hosts, per capacity, in 2^-20. */
static u64 dpr_policy_mean(const struct dpr_policy_args *args,
			   const struct dpr_order *order)
{
	u64 load = READ_ONCE(order->load) + args->own_load;
	u64 weight = (u64)READ_ONCE(order->weight) + args->own_weight;

	return ((load / weight) << 20) + ((load % weight) << 20) / weight;
}

/*
 * Is the host's load below MaxLoad? That is a number, or follows the cluster:
 * half a connection below the mean of all hosts, so that about half of them
 * are below it. A host without load is below it always. Where connections are
 * offered it has to be one of the two.
 */
static bool dpr_policy_below(const struct dpr_policy_args *args,
			     const struct dpr_order *order)
{
	u64 own;

	if (args->max_load != DPR_MAX_LOAD_AUTO &&
	    (args->max_load || args->policy != DPR_POLICY_OFFER))
		return args->own_load < args->max_load;
	/* Of nobody else's load is anything known: there is no mean. */
	if (order->n && !READ_ONCE(order->weight))
		return true;
	own = (args->own_load << 20) + (args->connection_load << 19);
	return !args->own_load ||
	       own / args->own_weight <= dpr_policy_mean(args, order);
}

/**
 * dpr_policy_decide - serve a new connection, or redirect it to which peer
 * @args: the situation
 * @order: the peers
 *
 * The order of the questions is the paper's (section 3.2): below MaxLoad,
 * then lowest, then by the policy. A connection that is to be offered is never
 * kept for what is known of others: they know better.
 */
struct dpr_decision dpr_policy_decide(const struct dpr_policy_args *args,
				      const struct dpr_order *order)
{
	struct dpr_decision decision = { .outcome = DPR_STAT_REDIRECTED };
	const struct dpr_view *view;

	if (args->policy == DPR_POLICY_OFF && !args->draining)
		return dpr_policy_serve(DPR_STAT_SERVED_OFF);
	if (!args->draining && dpr_policy_below(args, order))
		return dpr_policy_serve(DPR_STAT_SERVED_BELOW_MAX_LOAD);
	decision.peer = dpr_policy_lowest(args, order);
	if (decision.peer == order->n)
		return dpr_policy_serve(DPR_STAT_SERVED_NO_PEER);
	if (args->policy == DPR_POLICY_OFFER) {
		decision.peer = dpr_policy_offer(args, order, decision.peer);
		return decision;
	}
	if (args->policy == DPR_POLICY_TWO)
		decision.peer = dpr_policy_two(args, order, decision.peer);
	view = &order->view[decision.peer];
	if (!args->draining &&
	    dpr_policy_key(args->own_load, args->own_weight) <=
	    dpr_policy_peer_key(view, READ_ONCE(view->estimate)))
		return dpr_policy_serve(DPR_STAT_SERVED_LOWEST);
	if (args->policy == DPR_POLICY_INVERSE)
		decision.peer = dpr_policy_inverse(args, order, decision.peer);
	return decision;
}

/**
 * dpr_policy_refuses - does this host refuse a connection that a peer offers
 * @args: the situation
 * @order: the peers
 *
 * It does if it would offer it to others, had the client come straight to it;
 * one that drains does always, as the peer may not have heard of that.
 *
 * Return: the DPR_STAT_REFUSED_* that says why, DPR_STAT_UNSPEC if it takes it.
 */
enum dpr_stat dpr_policy_refuses(const struct dpr_policy_args *args,
				 const struct dpr_order *order)
{
	if (args->draining)
		return DPR_STAT_REFUSED_DRAINING;
	if (args->policy != DPR_POLICY_OFFER || dpr_policy_below(args, order) ||
	    dpr_policy_lowest(args, order) == order->n)
		return DPR_STAT_UNSPEC;
	return DPR_STAT_REFUSED_LOAD;
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
