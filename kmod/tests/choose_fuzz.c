// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target of groups' hosts: whoever is chosen is of the group and can be chosen,
 * and nobody only if nobody can.
 */
#include <stdlib.h>
#include "choose.h"

#define HOSTS	16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input. */
static const uint8_t *input;
static size_t left;

static u64 number(u64 most)
{
	u64 x = 0, i;

	for (i = 0; i < 8 && most >> 8 * i && left; i++, left--)
		x = x << 8 | *input++;
	return most == ~0ULL ? x : x % (most + 1);
}

static struct dpr_view draw_view(u32 i)
{
	return (struct dpr_view){
		.estimate = number(3) ? number(100) : number(DPR_LOAD_MAX),
		.reported = number(20), .weight = 1 + number(3) * number(21844),
		.address = 100 + i, .tie = number(255), .open = number(3),
		.down = { number(1), number(1) }, .cold = number(1) ?
			number(DPR_POLICY_WARM) : 0,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dpr_view view[HOSTS];
	struct dpr_order order = { .view = view };
	struct dpr_policy_args args;
	struct dpr_choose choose;
	u32 peer[HOSTS], i, host;
	bool may = false, in = false;

	input = data;
	left = size;
	order.n = number(HOSTS);
	for (i = 0; i < order.n; i++)
		view[i] = draw_view(i);
	args = (struct dpr_policy_args){
		.draining = number(1), .own_load = number(1) ? number(100) :
			number(DPR_LOAD_MAX),
		.own_weight = 1 + number(3) * number(21844),
		.connection_load = number(2 * DPR_MAX_WEIGHT),
		.max_load = number(1) ? number(100) : DPR_MAX_LOAD_AUTO,
		.now = 20, .max_age = number(20), .random = number(~0ULL),
		.client = 100 + number(HOSTS), .avoid = number(1) ?
			100 + number(HOSTS) : 0,
		.wide = number(1), .service = number(1),
	};
	choose = (struct dpr_choose){
		.policy = number(DPR_RULES_POLICY_MAX),
		.spill = number(DPR_MAX_RULES_SPILL), .own = number(1), .id = 99,
		.hash = number(~0ULL), .n = order.n, .peer = NULL,
	};
	if (order.n && number(1)) {
		choose.n = number(order.n);
		for (i = 0; i < choose.n; i++)
			peer[i] = number(order.n - 1);
		choose.peer = peer;
	}
	host = dpr_choose_host(&args, &order, &choose);
	for (i = 0; i < choose.n; i++) {
		const u32 index = choose.peer ? peer[i] : i;

		may |= dpr_policy_choosable(&args, &view[index]);
		in |= index == host;
	}
	if (host == DPR_CHOOSE_NOBODY ? may || choose.own :
	    host == order.n ? !choose.own || (args.draining && may) :
	    !in || !dpr_policy_choosable(&args, &view[host]))
		abort();
	return 0;
}
