// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "affinity.h"
#include "choose.h"

/* The group's peer of a number below dpr_choose.n. */
static u32 dpr_choose_peer(const struct dpr_choose *choose, u32 i)
{
	return choose->peer ? choose->peer[i] : i;
}

/*
 * May the peer get the connection? The one that has just refused it may not, unless
 * @again: no other one may.
 */
static bool dpr_choose_may(const struct dpr_policy_args *args,
			   const struct dpr_view *view, bool again)
{
	return dpr_policy_choosable(args, view) &&
	       (again || !args->avoid || view->address != args->avoid);
}

/* May only the one that has just refused it get it, if anybody may? */
static bool dpr_choose_again(const struct dpr_policy_args *args,
			     const struct dpr_order *order,
			     const struct dpr_choose *choose)
{
	u32 i;

	for (i = 0; i < choose->n; i++)
		if (dpr_choose_may(args, &order->view[dpr_choose_peer(choose, i)],
				   false))
			return false;
	return true;
}

/* Load per capacity, in 2^-20. */
static u64 dpr_choose_key(u64 load, u32 weight)
{
	return (load << 20) / weight;
}

/* The same of a peer: while it is cold, as if its capacity was smaller. */
static u64 dpr_choose_peer_key(const struct dpr_view *view)
{
	const u64 key = dpr_choose_key(READ_ONCE(view->estimate), view->weight);
	const u32 warm = DPR_POLICY_WARM - READ_ONCE(view->cold);

	if (warm == DPR_POLICY_WARM)
		return key;
	return warm && key / warm < ~0ULL / DPR_POLICY_WARM ?
	       key / warm * DPR_POLICY_WARM : ~0ULL;
}

/* The mean load of the group's hosts whose load is known, per capacity, in 2^-20. */
static u64 dpr_choose_mean(const struct dpr_policy_args *args,
			   const struct dpr_order *order,
			   const struct dpr_choose *choose, bool again)
{
	u64 load = 0, weight = 0;
	u32 i;

	if (choose->own && !args->draining) {
		load = args->own_load;
		weight = args->own_weight;
	}
	for (i = 0; i < choose->n; i++) {
		const struct dpr_view *view =
			&order->view[dpr_choose_peer(choose, i)];

		if (!dpr_choose_may(args, view, again) ||
		    READ_ONCE(view->cold) == DPR_POLICY_UNKNOWN)
			continue;
		load += READ_ONCE(view->estimate);
		weight += view->weight;
	}
	if (!weight)
		return 0;
	return ((load / weight) << 20) + ((load % weight) << 20) / weight;
}

/* Is this host's load below MaxLoad? Within a group as dpr_policy_decide() says. */
static bool dpr_choose_below(const struct dpr_policy_args *args,
			     const struct dpr_order *order,
			     const struct dpr_choose *choose, bool again)
{
	if (args->max_load != DPR_MAX_LOAD_AUTO &&
	    (args->max_load || choose->policy != DPR_RULES_POLICY_OFFER))
		return args->own_load < args->max_load;
	return !args->own_load ||
	       ((args->own_load << 20) + (args->connection_load << 19)) /
	       args->own_weight <= dpr_choose_mean(args, order, choose, again);
}

static u32 dpr_choose_lowest(const struct dpr_policy_args *args,
			     const struct dpr_order *order,
			     const struct dpr_choose *choose, bool again)
{
	u32 best = DPR_CHOOSE_NOBODY, i;
	u64 least = ~0ULL;

	for (i = 0; i < choose->n; i++) {
		const u32 peer = dpr_choose_peer(choose, i);
		const struct dpr_view *view = &order->view[peer];
		u64 rank;

		if (!dpr_choose_may(args, view, again))
			continue;
		rank = dpr_policy_rank(view);
		if (best == DPR_CHOOSE_NOBODY || rank < least) {
			best = peer;
			least = rank;
		}
	}
	if (best == DPR_CHOOSE_NOBODY || !choose->own || args->draining)
		return best;
	return dpr_policy_key(args->own_load, args->own_weight) <=
	       dpr_policy_peer_key(&order->view[best],
				   READ_ONCE(order->view[best].estimate)) ?
	       order->n : best;
}

/* A peer's share when one is drawn. */
static u64 dpr_choose_share(const struct dpr_view *view)
{
	const u32 cold = READ_ONCE(view->cold);

	return (u64)view->weight *
	       (cold == DPR_POLICY_UNKNOWN ? DPR_POLICY_WARM :
					     DPR_POLICY_WARM - cold);
}

static u32 dpr_choose_draw(const struct dpr_policy_args *args,
			   const struct dpr_order *order,
			   const struct dpr_choose *choose, bool again)
{
	u32 i, last = DPR_CHOOSE_NOBODY;
	u64 total = 0, point;

	for (i = 0; i < choose->n; i++) {
		const u32 peer = dpr_choose_peer(choose, i);

		if (dpr_choose_may(args, &order->view[peer], again))
			total += dpr_choose_share(&order->view[peer]);
	}
	if (!total)
		return DPR_CHOOSE_NOBODY;
	point = args->random % total;
	for (i = 0; i < choose->n; i++) {
		const u32 peer = dpr_choose_peer(choose, i);
		u64 share;

		if (!dpr_choose_may(args, &order->view[peer], again))
			continue;
		last = peer;
		share = dpr_choose_share(&order->view[peer]);
		if (point < share)
			break;
		point -= share;
	}
	/* If it is none of them, capacities changed between the two passes. */
	return last;
}

/**
 * struct dpr_choose_nearest - the nearest host so far
 * @host: its index; the number of peers: this host
 * @distance: how far it is
 * @id: its address
 */
struct dpr_choose_nearest {
	u32 host;
	u32 id;
	u64 distance;
};

static void dpr_choose_nearer(struct dpr_choose_nearest *nearest, u32 host, u32 id,
			      u32 weight, u64 hash)
{
	const u64 distance = dpr_affinity_distance(hash, id, weight);

	/* All hosts must decide a tie in the same way. */
	if (nearest->host != DPR_CHOOSE_NOBODY &&
	    (distance > nearest->distance ||
	     (distance == nearest->distance && id > nearest->id)))
		return;
	nearest->host = host;
	nearest->id = id;
	nearest->distance = distance;
}

/*
 * By rendezvous: the nearest host to the hash of those whose load is at most @most; one
 * more connection than that is no reason to leave it. So when a host is passed by, or
 * goes, only what was its own goes elsewhere.
 */
static u32 dpr_choose_near(const struct dpr_policy_args *args,
			   const struct dpr_order *order,
			   const struct dpr_choose *choose, bool again, u64 most)
{
	struct dpr_choose_nearest nearest = { .host = DPR_CHOOSE_NOBODY };
	const u64 one = args->connection_load << 20;
	u32 i;

	if (choose->own && !args->draining &&
	    dpr_choose_key(args->own_load, args->own_weight) <=
	    (most < ~0ULL - one ? most + one / args->own_weight : most))
		dpr_choose_nearer(&nearest, order->n, choose->id,
				  args->own_weight, choose->hash);
	for (i = 0; i < choose->n; i++) {
		const u32 peer = dpr_choose_peer(choose, i);
		const struct dpr_view *view = &order->view[peer];

		if (dpr_choose_may(args, view, again) &&
		    dpr_choose_peer_key(view) <=
		    (most < ~0ULL - one ? most + one / view->weight : most))
			dpr_choose_nearer(&nearest, peer, view->address,
					  view->weight, choose->hash);
	}
	return nearest.host;
}

/* LARD: locality, as long as no host is too far above the mean. */
static u32 dpr_choose_locality(const struct dpr_policy_args *args,
			       const struct dpr_order *order,
			       const struct dpr_choose *choose, bool again)
{
	const u64 part = dpr_choose_mean(args, order, choose, again) / 100;
	const u32 percent = 100 + choose->spill;
	u32 host;

	host = dpr_choose_near(args, order, choose, again,
			       part < ~0ULL / percent ? part * percent : ~0ULL);
	return host != DPR_CHOOSE_NOBODY ?
	       host : dpr_choose_near(args, order, choose, again, ~0ULL);
}

/**
 * dpr_choose_host - the host of a group that gets a connection
 * @args: the situation; its policy does not count
 * @order: the peers
 * @choose: the group
 *
 * Looks at all peers of the group, at most five times.
 *
 * Return: the index of a peer; the number of peers: this host; DPR_CHOOSE_NOBODY.
 */
u32 dpr_choose_host(const struct dpr_policy_args *args,
		    const struct dpr_order *order,
		    const struct dpr_choose *choose)
{
	const bool able = choose->own && !args->draining;
	const bool again = args->avoid && dpr_choose_again(args, order, choose);
	u32 host;

	switch (choose->policy) {
	case DPR_RULES_POLICY_STATELESS:
		host = dpr_choose_near(args, order, choose, again, ~0ULL);
		break;
	case DPR_RULES_POLICY_LOCALITY:
		host = dpr_choose_locality(args, order, choose, again);
		break;
	default:
		if (able && dpr_choose_below(args, order, choose, again))
			return order->n;
		host = choose->policy == DPR_RULES_POLICY_OFFER ?
		       dpr_choose_draw(args, order, choose, again) :
		       dpr_choose_lowest(args, order, choose, again);
	}
	/* A host that drains serves what nobody else of its group can. */
	return host == DPR_CHOOSE_NOBODY && choose->own ? order->n : host;
}
