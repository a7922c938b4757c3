// SPDX-License-Identifier: GPL-2.0
/* libFuzzer target of the SYN decision: no input may break its promises. */
#include <stdlib.h>
#include <string.h>
#include "policy.h"

#define MOST	64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* May a peer whose load is unknown get it: can nobody else take it? */
static bool last_choice(const struct dpr_policy_args *args,
			const struct dpr_view *view, u32 n)
{
	u32 i;

	if (args->policy == DPR_POLICY_OFFER)
		return true;
	for (i = 0; i < n; i++)
		if (view[i].cold != DPR_POLICY_UNKNOWN &&
		    dpr_policy_choosable(args, &view[i]))
			return false;
	return args->draining;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dpr_policy_args args;
	struct dpr_view view[MOST];
	struct dpr_decision d;
	u64 rank[2 * MOST];
	u32 winner[2 * MOST];
	struct dpr_order order = { .view = view, .rank = rank, .winner = winner };
	u32 n, first;

	if (size < sizeof(args))
		return 0;
	memcpy(&args, data, sizeof(args));
	args.policy = DPR_POLICY_LOWEST + args.policy % 4;
	args.draining = data[0] & 1;
	args.wide = data[0] >> 1 & 1;
	args.own_load %= DPR_LOAD_MAX + 1;
	args.own_weight = args.own_weight % DPR_MAX_WEIGHT + 1;
	data += sizeof(args);
	size -= sizeof(args);
	for (n = 0; n < MOST && size >= sizeof(*view); n++) {
		memcpy(&view[n], data, sizeof(*view));
		view[n].estimate %= DPR_LOAD_MAX + 1;
		view[n].weight = view[n].weight % DPR_MAX_WEIGHT + 1;
		view[n].open = data[0] & 1;
		view[n].cold = view[n].cold % 4 ?
				       view[n].cold % (DPR_POLICY_COLDEST + 1) :
				       DPR_POLICY_UNKNOWN;
		data += sizeof(*view);
		size -= sizeof(*view);
	}
	order.n = n;
	dpr_policy_sort(&order);
	while (dpr_policy_stale(&args, &order)) {
		first = dpr_policy_first(&order);
		view[first].open = false;
		dpr_policy_moved(&order, first);
	}
	dpr_policy_refuses(&args, &order);
	d = dpr_policy_decide(&args, &order);
	if (d.outcome != DPR_STAT_REDIRECTED)
		return 0;
	if (d.peer >= n || !view[d.peer].open ||
	    view[d.peer].address == args.client ||
	    args.now - view[d.peer].reported > args.max_age)
		abort();
	if (view[d.peer].cold == DPR_POLICY_UNKNOWN &&
	    !last_choice(&args, view, n))
		abort();
	return 0;
}
