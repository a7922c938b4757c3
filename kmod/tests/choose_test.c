// SPDX-License-Identifier: GPL-2.0
/* Tests of groups' hosts (../core/choose.c): TAP on standard output. */
#include "affinity.h"
#include "choose.h"
#include "tap.h"

#define NOW	1000
#define HOSTS	8
#define TRIES	20000

static struct dpr_view view[HOSTS];
static struct dpr_order order = { .n = HOSTS, .view = view };
static struct dpr_policy_args args;
static struct dpr_choose choose;

/* Peers 0 to HOSTS - 1, all idle; this host has the number HOSTS. */
static void begin(u32 policy)
{
	u32 i;

	for (i = 0; i < HOSTS; i++)
		view[i] = (struct dpr_view){
			.reported = NOW, .weight = 1, .address = 100 + i,
			.open = true, .tie = i,
		};
	args = (struct dpr_policy_args){
		.own_weight = 1, .connection_load = 1, .now = NOW, .max_age = 10,
		.random = 1,
	};
	choose = (struct dpr_choose){
		.policy = policy, .own = true, .id = 99, .n = HOSTS, .spill = 25,
	};
}

static u32 host(void)
{
	return dpr_choose_host(&args, &order, &choose);
}

static void test_lowest(void)
{
	static const u32 some[] = { 5, 2 };

	begin(DPR_RULES_POLICY_LOWEST);
	args.own_load = 3;
	view[4].estimate = 0;
	view[5].estimate = 2;
	view[2].estimate = 1;
	view[0].estimate = view[1].estimate = view[3].estimate = 9;
	view[6].estimate = view[7].estimate = 9;
	check(host() == 4, "the lowest of all");
	choose.peer = some;
	choose.n = 2;
	check(host() == 2, "the lowest of a group");
	args.avoid = 102;
	check(host() == 5, "not the one that has just refused");
	choose.n = 1;
	choose.peer = some + 1;
	check(host() == 2, "unless there is no other");
	args.avoid = 105;
	choose.peer = some;
	choose.n = 2;
	check(host() == 2, "nor the first of the group");
	choose.peer = some + 1;
	choose.n = 1;
	args.avoid = 0;
	args.own_load = 1;
	check(host() == HOSTS, "this host, if it is as low");
	choose.own = false;
	check(host() == 2, "if it is in the group");
	choose.own = true;
	args.draining = true;
	check(host() == 2, "and does not drain");
	choose.n = 0;
	check(host() == HOSTS, "a host that drains serves what nobody else can");
	choose.own = false;
	check(host() == DPR_CHOOSE_NOBODY, "an empty group");
	begin(DPR_RULES_POLICY_LOWEST);
	args.own_load = 4;
	args.max_load = 5;
	check(host() == HOSTS, "below MaxLoad this host serves");
	choose.own = false;
	check(host() == 0, "if it is in the group");
	choose.own = true;
	args.draining = true;
	check(host() == 0, "and does not drain");
	args.draining = false;
	args.max_load = 4;
	check(host() == 0, "but not at it");
	args.max_load = DPR_MAX_LOAD_AUTO;
	check(host() == 0, "above the mean it does not");
	view[0].estimate = 100;
	check(host() == HOSTS, "below the mean it does");
	choose.peer = some;
	choose.n = 2;
	check(host() == 2, "the mean is the group's");
}

static void test_choosable(void)
{
	u32 policy;
	bool right = true;

	for (policy = 0; policy <= DPR_RULES_POLICY_MAX; policy++) {
		begin(policy);
		args.own_load = 7;
		args.service = 4;
		args.client = 103;
		choose.own = false;
		view[0].open = false;
		view[1].reported = NOW - 11;
		view[2].down[0] = 4;
		choose.n = 4;
		right &= host() == DPR_CHOOSE_NOBODY;
		view[2].down[0] = 3;
		right &= host() == 2;
	}
	check(right, "closed, silent, unable peers and the client get nothing");
}

static void test_offer(void)
{
	static const u32 some[] = { 1, 3, 6 };
	int count[HOSTS] = { 0 }, i;

	begin(DPR_RULES_POLICY_OFFER);
	choose.peer = some;
	choose.n = 3;
	args.own_load = 9;
	view[3].weight = 3;
	view[6].cold = DPR_POLICY_WARM / 2;
	for (i = 0; i < TRIES; i++) {
		args.random = number();
		count[host()]++;
	}
	check(abs(count[1] - TRIES * 2 / 9) < 400 &&
	      abs(count[3] - TRIES * 6 / 9) < 400 &&
	      abs(count[6] - TRIES * 1 / 9) < 400,
	      "drawn in proportion to what they can take");
	args.own_load = 0;
	check(host() == HOSTS, "without load this host serves");
}

static void test_stateless(void)
{
	int count[HOSTS + 1] = { 0 }, moved = 0, i;
	bool even = true;

	begin(DPR_RULES_POLICY_STATELESS);
	for (i = 0; i < TRIES; i++) {
		u32 before, after;

		choose.hash = number();
		before = host();
		count[before]++;
		view[3].open = false;
		after = host();
		view[3].open = true;
		moved += before != after && before != 3;
	}
	for (i = 0; i <= HOSTS; i++)
		even &= abs(count[i] - TRIES / (HOSTS + 1)) < 300;
	check(even, "hosts have equal parts");
	check(!moved, "a host that goes moves no other's");
}

/*
 * The naive model of LARD: hosts in the order of their distance; the first whose load is
 * not above the bound; if there is none the first of all. In floating point, so what is
 * very near to the bound is not compared.
 */
static u32 model(bool *near)
{
	double load = 0, weight = 0, bound;
	u32 by[HOSTS + 1], n = 0, i, k;

	for (i = 0; i <= HOSTS; i++) {
		if (i == HOSTS ? !choose.own || args.draining : !view[i].open)
			continue;
		by[n++] = i;
		if (i < HOSTS && view[i].cold == DPR_POLICY_UNKNOWN)
			continue;
		load += i == HOSTS ? args.own_load : view[i].estimate;
		weight += i == HOSTS ? args.own_weight : view[i].weight;
	}
	for (i = 0; i < n; i++)
		for (k = i + 1; k < n; k++) {
#define OF(h)	((h) == HOSTS ? \
		 dpr_affinity_distance(choose.hash, 99, args.own_weight) : \
		 dpr_affinity_distance(choose.hash, view[h].address, \
				       view[h].weight))
			if (OF(by[k]) < OF(by[i])) {
				u32 swap = by[i];

				by[i] = by[k];
				by[k] = swap;
			}
		}
	bound = weight ? load / weight * (100 + choose.spill) / 100 : 0;
	*near = false;
	for (i = 0; i < n; i++) {
		const bool own = by[i] == HOSTS;
		const struct dpr_view *v = &view[own ? 0 : by[i]];
		double w = own ? args.own_weight : v->weight;
		double per = (own ? args.own_load : v->estimate) / w;
		double most = bound + args.connection_load / w;

		if (!own && v->cold == DPR_POLICY_UNKNOWN)
			continue;
		if (!own && v->cold)
			per = per * DPR_POLICY_WARM / (DPR_POLICY_WARM - v->cold);
		if (per - most < 0.01 && most - per < 0.01)
			*near = true;
		if (per <= most)
			return by[i];
	}
	return n ? by[0] : choose.own ? HOSTS : DPR_CHOOSE_NOBODY;
}

static void test_model(void)
{
	int i, k, compared = 0;
	bool same = true, near;

	for (i = 0; i < TRIES; i++) {
		u32 want;

		begin(DPR_RULES_POLICY_LOCALITY);
		choose.hash = number();
		choose.own = number() % 8;
		choose.spill = number() % 3 * 40;
		args.draining = !(number() % 8);
		args.own_load = number() % 50;
		args.own_weight = 1 + number() % 3;
		for (k = 0; k < HOSTS; k++) {
			view[k].estimate = number() % 50;
			view[k].weight = 1 + number() % 3;
			view[k].open = number() % 4;
			if (!(number() % 8))
				view[k].cold = number() % 2 ?
					       DPR_POLICY_UNKNOWN :
					       DPR_POLICY_WARM / 2;
		}
		want = model(&near);
		if (near)
			continue;
		compared++;
		same &= host() == want;
	}
	check(same && compared > TRIES / 2, "as the naive model says");
}

/* Requests for 1000 files, some asked for much more than others. */
static void test_spill(void)
{
	static u64 files[1000];
	u64 most = 0, sum = 0;
	int i, home = 0;
	u32 first;

	begin(DPR_RULES_POLICY_LOCALITY);
	for (i = 0; i < 1000; i++)
		files[i] = number();
	for (i = 0; i < TRIES; i++) {
		u32 to;

		choose.hash = files[number() % (1 + number() % 1000)];
		choose.policy = DPR_RULES_POLICY_STATELESS;
		first = host();
		choose.policy = DPR_RULES_POLICY_LOCALITY;
		to = host();
		home += to == first;
		if (to == HOSTS)
			args.own_load++;
		else
			view[to].estimate++;
	}
	for (i = 0; i <= HOSTS; i++) {
		u64 load = i == HOSTS ? args.own_load : view[i].estimate;

		sum += load;
		most = load > most ? load : most;
	}
	check(most * (HOSTS + 1) <= sum * 125 / 100 + 2 * (HOSTS + 1),
	      "no host has more than a quarter above the mean");
	check(home > TRIES * 3 / 4, "and most requests find their host");
	begin(DPR_RULES_POLICY_LOCALITY);
	choose.hash = files[0];
	first = host();
	if (first == HOSTS)
		args.own_load = 1;
	else
		view[first].estimate = 1;
	check(host() == first, "one connection is no reason to leave a host");
	if (first == HOSTS)
		args.own_load = 2;
	else
		view[first].estimate = 2;
	check(host() != first, "two are, while others are idle");
}

static void test_extremes(void)
{
	int i;

	begin(DPR_RULES_POLICY_LOCALITY);
	choose.spill = DPR_MAX_RULES_SPILL;
	args.own_load = DPR_LOAD_MAX;
	args.connection_load = 2 * DPR_MAX_WEIGHT;
	for (i = 0; i < HOSTS; i++) {
		view[i].estimate = DPR_LOAD_MAX;
		view[i].cold = DPR_POLICY_COLDEST;
	}
	check(host() <= HOSTS, "the greatest loads");
	for (i = 0; i < HOSTS; i++)
		view[i].cold = DPR_POLICY_UNKNOWN;
	choose.own = false;
	check(host() < HOSTS, "nobody's load is known");
}

int main(void)
{
	test_lowest();
	test_choosable();
	test_offer();
	test_stateless();
	test_model();
	test_spill();
	test_extremes();
	return verdict();
}
