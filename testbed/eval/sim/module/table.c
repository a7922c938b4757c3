// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include "table.h"

struct sim_table {
	struct dpr_order order;
	bool *heard;
	int64_t since;	/* what order.load has of what one host knows */
	struct dpr_view view[];
};

struct sim_table *sim_table_new(u32 n, const u32 *weight)
{
	struct sim_table *t = calloc(1, sizeof(*t) + n * sizeof(t->view[0]));
	u32 i;

	if (!t)
		return NULL;
	t->order.n = n;
	t->order.view = t->view;
	t->order.rank = calloc(2 * (size_t)n, sizeof(*t->order.rank));
	t->order.winner = calloc(2 * (size_t)n, sizeof(*t->order.winner));
	t->heard = calloc(n, sizeof(*t->heard));
	if (!t->order.rank || !t->order.winner || !t->heard) {
		sim_table_free(t);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		t->view[i].weight = weight[i];
		t->view[i].address = i + 1;
	}
	dpr_policy_sort(&t->order);
	return t;
}

void sim_table_free(struct sim_table *t)
{
	free(t->order.rank);
	free(t->order.winner);
	free(t->heard);
	free(t);
}

void sim_table_hear(struct sim_table *t, u32 peer, u64 load, u32 now, u32 tie)
{
	struct dpr_view *view = &t->view[peer];

	view->load = load;
	view->estimate = load;
	view->reported = now;
	view->tie = tie;
	view->open = true;
	t->heard[peer] = true;
	dpr_policy_moved(&t->order, peer);
}

/*
 * All hosts hear the same reports, so one table serves them all: before a host
 * decides, what it alone knows is written into it, and taken back afterwards.
 */
static void sim_table_see(struct sim_table *t, const struct sim_host *host,
			  const struct sim_change *change)
{
	struct dpr_view *view;
	u32 i;

	t->view[host->self].open = false;
	dpr_policy_moved(&t->order, host->self);
	t->since = host->since;
	if (t->since < 0 && (u64)-t->since > t->order.load)
		t->since = -(int64_t)t->order.load;
	t->order.load += t->since;
	for (i = 0; i < host->changes; i++) {
		view = &t->view[change[i].peer];
		view->live_reported = change[i].reported;
		view->estimate = dpr_policy_estimate(view, change[i].live,
						     host->estimate, 1);
		if (host->ordered)
			dpr_policy_moved(&t->order, change[i].peer);
	}
}

static void sim_table_forget(struct sim_table *t, const struct sim_host *host,
			     const struct sim_change *change)
{
	struct dpr_view *view;
	u32 i;

	t->order.load -= t->since;
	for (i = 0; i < host->changes; i++) {
		view = &t->view[change[i].peer];
		view->live_reported = 0;
		view->estimate = view->load;
		if (host->ordered)
			dpr_policy_moved(&t->order, change[i].peer);
	}
	t->view[host->self].open = t->heard[host->self];
	dpr_policy_moved(&t->order, host->self);
}

/* As the module does: a peer that stands first and has fallen silent goes. */
static void sim_table_close_stale(struct sim_table *t,
				  const struct dpr_policy_args *args)
{
	u32 first;

	while (dpr_policy_stale(args, &t->order)) {
		first = dpr_policy_first(&t->order);
		t->view[first].open = false;
		t->heard[first] = false;
		dpr_policy_moved(&t->order, first);
	}
}

u32 sim_table_decide(struct sim_table *t, const struct sim_host *host,
		     const struct sim_change *change,
		     const struct dpr_policy_args *args)
{
	struct dpr_decision decision;

	sim_table_see(t, host, change);
	sim_table_close_stale(t, args);
	decision = dpr_policy_decide(args, &t->order);
	sim_table_forget(t, host, change);
	return decision.outcome == DPR_STAT_REDIRECTED ? decision.peer :
							 host->self;
}

bool sim_table_refuses(struct sim_table *t, const struct sim_host *host,
		       const struct sim_change *change,
		       const struct dpr_policy_args *args)
{
	bool refuses;

	sim_table_see(t, host, change);
	refuses = dpr_policy_refuses(args, &t->order) != DPR_STAT_UNSPEC;
	sim_table_forget(t, host, change);
	return refuses;
}

u32 sim_table_choose(struct sim_table *t, const struct sim_host *host,
		     const struct sim_change *change,
		     const struct dpr_policy_args *args,
		     const struct sim_group *group)
{
	const struct dpr_choose choose = {
		.policy = group->policy,
		.spill = group->spill,
		.own = true,
		.id = t->view[host->self].address,
		.hash = group->hash,
		.n = t->order.n,
	};
	u32 to;

	sim_table_see(t, host, change);
	sim_table_close_stale(t, args);
	to = dpr_choose_host(args, &t->order, &choose);
	sim_table_forget(t, host, change);
	return to == t->order.n ? host->self : to;
}
