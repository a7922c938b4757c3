// SPDX-License-Identifier: GPL-2.0
/* Tests of the SYN decision (../policy.c): TAP on standard output. */
#include <string.h>
#include "policy.h"
#include "tap.h"

#define NOW	1000
#define HOSTS	3

static struct dpr_view view(int i, u64 load)
{
	return (struct dpr_view){
		.load = load, .estimate = load, .reported = NOW,
		.weight = 1, .address = 100 + i, .open = true,
	};
}

#define MOST	64

/* What the module does before it decides. */
static void close_stale(const struct dpr_policy_args *args,
			struct dpr_order *order)
{
	u32 first;

	while (dpr_policy_stale(args, order)) {
		first = dpr_policy_first(order);
		order->view[first].open = false;
		dpr_policy_moved(order, first);
	}
}

/* Decides with the peers put in order first. */
static struct dpr_decision decide(const struct dpr_policy_args *args,
				  struct dpr_view *views, u32 n)
{
	u64 rank[2 * MOST];
	u32 winner[2 * MOST];
	struct dpr_order order = { .n = n, .view = views, .rank = rank, .winner = winner };

	dpr_policy_sort(&order);
	close_stale(args, &order);
	return dpr_policy_decide(args, &order);
}

static struct dpr_policy_args args(u32 policy, u64 own_load)
{
	return (struct dpr_policy_args){
		.policy = policy, .own_load = own_load, .own_weight = 1,
		.now = NOW, .max_age = 10, .random = number(), .client = 1,
	};
}

static void test_order_of_questions(void)
{
	struct dpr_view v[HOSTS] = { view(0, 30), view(1, 10), view(2, 20) };
	struct dpr_policy_args a = args(DPR_POLICY_OFF, 1000);
	struct dpr_decision d;

	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_SERVED_OFF, "off serves");
	a = args(DPR_POLICY_LOWEST, 49);
	a.max_load = 50;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_SERVED_BELOW_MAX_LOAD,
	      "below MaxLoad serves, though a peer has less");
	a.own_load = 50;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_REDIRECTED && d.peer == 1,
	      "at MaxLoad the lowest peer is chosen");
	a = args(DPR_POLICY_LOWEST, 10);
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_SERVED_LOWEST,
	      "as low as the lowest peer serves");
	a = args(DPR_POLICY_LOWEST, 11);
	d = decide(&a, NULL, 0);
	check(d.outcome == DPR_STAT_SERVED_NO_PEER, "no peers: served");
	a = args(DPR_POLICY_LOWEST, 0);
	a.draining = true;
	a.max_load = 50;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_REDIRECTED && d.peer == 1,
	      "draining redirects whatever the load");
	a.policy = DPR_POLICY_OFF;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_REDIRECTED, "draining redirects under off");
}

static void test_usable(void)
{
	struct dpr_view v[HOSTS] = { view(0, 1), view(1, 2), view(2, 3) };
	struct dpr_policy_args a = args(DPR_POLICY_LOWEST, 1000);
	struct dpr_decision d;

	v[0].reported = NOW - 11;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_REDIRECTED && d.peer == 1,
	      "a peer whose report is too old is not chosen");
	v[0].open = true;
	v[0].reported = NOW - 10;
	d = decide(&a, v, HOSTS);
	check(d.peer == 0, "a peer whose report is just not too old is");
	v[0].open = false;
	d = decide(&a, v, HOSTS);
	check(d.peer == 1, "a peer that is not open is not chosen");
	a.client = v[1].address;
	d = decide(&a, v, HOSTS);
	check(d.peer == 2, "the client itself is not chosen");
	v[2].open = false;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_SERVED_NO_PEER, "nobody left: served");
	a.now = 5;
	v[0] = view(0, 1);
	v[0].reported = (u32)-3;
	check(dpr_policy_usable(&v[0], a.now, 10), "time wraps");
}

/* Peers that cannot serve a service get none of its connections, by any policy. */
static void test_down(void)
{
	struct dpr_view v[HOSTS] = { view(0, 1), view(1, 2), view(2, 3) };
	struct dpr_decision d;
	u32 policy, i;

	v[0].down[0] = 5;
	v[1].down[0] = 2;
	for (policy = DPR_POLICY_LOWEST; policy <= DPR_POLICY_MAX; policy++) {
		int wrong = 0, seen[HOSTS] = {};

		for (i = 0; i < 1000; i++) {
			struct dpr_policy_args a = args(policy, 1000);

			a.max_load = 1;
			a.service = 4;
			d = decide(&a, v, HOSTS);
			wrong += d.outcome != DPR_STAT_REDIRECTED || !d.peer;
			seen[d.peer]++;
			a.service = 8;
			d = decide(&a, v, HOSTS);
			wrong += d.outcome != DPR_STAT_REDIRECTED;
			a.service = 0;
			d = decide(&a, v, HOSTS);
			wrong += d.outcome != DPR_STAT_REDIRECTED;
		}
		check(!wrong && seen[1], "a service that is down there is elsewhere");
	}
	v[1].down[0] = 7;
	v[2].down[0] = ~0ULL;
	for (policy = DPR_POLICY_LOWEST; policy <= DPR_POLICY_MAX; policy++) {
		struct dpr_policy_args a = args(policy, 1000);

		a.max_load = 1;
		a.draining = true;
		a.service = 1;
		d = decide(&a, v, HOSTS);
		check(d.outcome == DPR_STAT_SERVED_NO_PEER,
		      "a service that is down everywhere is nobody's");
	}
}

/* How many of @n connections peer 0 of three gets. */
static int first_of(u32 policy, struct dpr_view v[HOSTS], int n)
{
	struct dpr_decision d;
	int got = 0;

	while (n--) {
		struct dpr_policy_args a = args(policy, 1000);

		a.max_load = 1;
		d = decide(&a, v, HOSTS);
		got += d.outcome == DPR_STAT_REDIRECTED && !d.peer;
	}
	return got;
}

/* A peer that has just come back gets a part of its share, which grows. */
static void test_cold(void)
{
	struct dpr_view v[HOSTS] = { view(0, 0), view(1, 99), view(2, 99) };
	struct dpr_policy_args a = args(DPR_POLICY_LOWEST, 5);
	int warm, cold;

	check(dpr_policy_cold(0, 0) == 0 && dpr_policy_cold(5, 5) == 0 &&
	      dpr_policy_cold(6, 5) == 0, "no slow start, or it is over");
	check(dpr_policy_cold(0, 10000) == DPR_POLICY_COLDEST &&
	      dpr_policy_cold(5000, 10000) == DPR_POLICY_WARM / 2 &&
	      dpr_policy_cold(9999, 10000) == 1 &&
	      dpr_policy_cold(~0U - 1, ~0U) == 1, "a part for each moment");
	v[0].cold = DPR_POLICY_COLDEST;
	v[0].estimate = 8;
	check(first_of(DPR_POLICY_LOWEST, v, 1) == 1,
	      "a cold peer gets connections up to a tenth of the others' load");
	v[0].estimate = 10;
	check(first_of(DPR_POLICY_LOWEST, v, 1) == 0, "and no more");
	v[0].cold = DPR_POLICY_WARM / 2;
	check(first_of(DPR_POLICY_LOWEST, v, 1) == 1, "then up to a half");
	v[0].estimate = 50;
	check(first_of(DPR_POLICY_LOWEST, v, 1) == 0, "and no more");
	v[0].cold = 0;
	check(first_of(DPR_POLICY_LOWEST, v, 1) == 1, "and then its share");
	v[0].estimate = 3;
	v[0].cold = DPR_POLICY_WARM / 2;
	v[1].open = false;
	v[2].open = false;
	check(decide(&a, v, HOSTS).outcome == DPR_STAT_SERVED_LOWEST,
	      "a host compares itself with a cold peer, too");
	v[0].estimate = DPR_LOAD_MAX;
	v[0].cold = DPR_POLICY_COLDEST;
	check(dpr_policy_rank(&v[0]) < ~0ULL, "of any load");

	v[0] = view(0, 9);
	v[1] = view(1, 9);
	v[2] = view(2, 9);
	warm = first_of(DPR_POLICY_INVERSE, v, 30000);
	v[0].cold = DPR_POLICY_COLDEST;
	cold = first_of(DPR_POLICY_INVERSE, v, 30000);
	check(warm > 9500 && warm < 10500 && cold > 1250 && cold < 1650,
	      "a tenth of its share by inverse load");
	v[0].cold = 0;
	warm = first_of(DPR_POLICY_OFFER, v, 30000);
	v[0].cold = DPR_POLICY_COLDEST;
	cold = first_of(DPR_POLICY_OFFER, v, 30000);
	check(warm > 9500 && warm < 10500 && cold > 1250 && cold < 1650,
	      "and of offers");
	v[0].estimate = 0;
	check(first_of(DPR_POLICY_TWO, v, 30000) < 3500, "and of two");
}

/*
 * Peers that do not say how many connections of a service they have, such as those of an
 * older version: 0 and 2 here. Whatever their weights are.
 */
static void test_unknown(void)
{
	static const u32 policies[] = {
		DPR_POLICY_LOWEST, DPR_POLICY_INVERSE, DPR_POLICY_TWO,
	};
	struct dpr_view v[HOSTS] = { view(0, 0), view(1, 1 << 20), view(2, 0) };
	struct dpr_policy_args a;
	struct dpr_decision d;
	int i, k, wrong = 0, unable = 0, older = 0, offered[HOSTS] = { 0 };
	int heavy = 0;

	v[0].cold = DPR_POLICY_UNKNOWN;
	v[2].cold = DPR_POLICY_UNKNOWN;
	v[2].weight = DPR_MAX_WEIGHT;
	for (i = 0; i < 3000; i++) {
		for (k = 0; k < 3; k++) {
			a = args(policies[k], 2 << 20);
			v[1].down[0] = 0;
			d = decide(&a, v, HOSTS);
			wrong += d.outcome != DPR_STAT_REDIRECTED || d.peer != 1;
			/* The only one that is known cannot have it. */
			a.service = 1;
			v[1].down[0] = 1;
			d = decide(&a, v, HOSTS);
			wrong += d.outcome != DPR_STAT_SERVED_LOWEST;
			/* Nor can this host. */
			a.draining = true;
			d = decide(&a, v, HOSTS);
			unable += d.outcome != DPR_STAT_REDIRECTED || d.peer == 1;
			v[1].down[0] = 0;
			d = decide(&a, v, HOSTS);
			older += d.peer != 1;
		}
		v[2].weight = 1;
		a = args(DPR_POLICY_OFFER, 3 << 20);
		d = decide(&a, v, HOSTS);
		offered[d.peer]++;
		v[2].weight = DPR_MAX_WEIGHT;
	}
	check(!wrong, "a peer whose load is unknown gets nothing that another can take");
	check(!older, "nor if this host takes nothing");
	check(!unable, "it gets what nobody else can take");
	check(offered[0] > 900 && offered[1] > 900 && offered[2] > 900,
	      "it is offered as much as others");
	a = args(DPR_POLICY_LOWEST, 100);
	a.max_load = DPR_MAX_LOAD_AUTO;
	v[1] = view(1, 50);
	check(decide(&a, v, HOSTS).peer == 1, "it does not move the mean up");
	a.own_load = 50;
	a.connection_load = 1;
	v[1] = view(1, 60);
	check(decide(&a, v, HOSTS).outcome == DPR_STAT_SERVED_BELOW_MAX_LOAD,
	      "nor down");
	a = args(DPR_POLICY_OFFER, 5);
	v[1].open = false;
	d = decide(&a, v, HOSTS);
	check(d.outcome == DPR_STAT_SERVED_BELOW_MAX_LOAD,
	      "none is known: there is no mean to be above");
	for (i = 0; i < 3000; i++) {
		a = args(DPR_POLICY_OFFER, 3 << 20);
		a.max_load = 1;
		d = decide(&a, v, HOSTS);
		heavy += d.outcome == DPR_STAT_REDIRECTED && d.peer == 2;
	}
	check(heavy > 2900, "offers go to peers that are not known by their weights");
}

static void test_corrected(void)
{
	struct dpr_view v = view(0, 10);

	v.live_reported = 4;
	check(dpr_policy_estimate(&v, 7, DPR_ESTIMATE_CORRECTED, 1) == 13,
	      "flows made since the report count");
	check(dpr_policy_estimate(&v, 7, DPR_ESTIMATE_CORRECTED, 5) == 25,
	      "by what a connection weighs");
	check(dpr_policy_estimate(&v, 7, DPR_ESTIMATE_REPORTED, 5) == 10,
	      "not under the paper's estimate");
	check(dpr_policy_estimate(&v, 1, DPR_ESTIMATE_CORRECTED, 2) == 4,
	      "flows that ended since count, too");
	check(dpr_policy_estimate(&v, 0, DPR_ESTIMATE_CORRECTED, 100) == 0,
	      "but no load is below 0");
	v.load = DPR_LOAD_MAX;
	check(dpr_policy_estimate(&v, 1 << 20, DPR_ESTIMATE_CORRECTED,
				  65535) == DPR_LOAD_MAX,
	      "or above the greatest");
}

static void test_weights(void)
{
	struct dpr_view v[2] = { view(0, 10), view(1, 15) };
	struct dpr_policy_args a = args(DPR_POLICY_LOWEST, 1000);

	v[1].weight = 2;
	check(decide(&a, v, 2).peer == 1,
	      "load is compared per capacity");
	a.own_load = 29;
	a.own_weight = 4;
	check(decide(&a, v, 2).outcome == DPR_STAT_SERVED_LOWEST,
	      "own load too");
}

static void test_metrics(void)
{
	const u32 metric[DPR_METRICS] = { 3, 500, 7, 11 };
	const u32 weight[DPR_METRICS] = { 1, 2, 3, 4 };
	const u32 huge[DPR_METRICS] = { -1, -1, -1, -1 };
	const u32 most[DPR_METRICS] = { 65535, 65535, 65535, 65535 };

	check(dpr_policy_load(metric, weight) == 3 + 1000 + 21 + 44,
	      "load is the weighted sum of the metrics");
	check(dpr_policy_load(huge, most) == DPR_LOAD_MAX,
	      "and has an upper bound");
}

static void test_ties(void)
{
	struct dpr_view v[HOSTS] = { view(0, 5), view(1, 5), view(2, 5) };
	int count[HOSTS] = { 0 }, i, k;

	for (i = 0; i < 3000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_LOWEST, 9);

		for (k = 0; k < HOSTS; k++)
			v[k].tie = number();
		count[decide(&a, v, HOSTS).peer]++;
	}
	check(count[0] > 900 && count[1] > 900 && count[2] > 900,
	      "equal peers share");
}

static void test_inverse(void)
{
	struct dpr_view v[HOSTS] = { view(0, 0), view(1, 1), view(2, 5) };
	int count[HOSTS] = { 0 }, i;

	/* Shares 1, 1/2, 1/6 of 10/6. */
	for (i = 0; i < 100000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_INVERSE, 9);

		count[decide(&a, v, HOSTS).peer]++;
	}
	printf("# inverse: %d %d %d\n", count[0], count[1], count[2]);
	check(abs(count[0] - 60000) < 1000 && abs(count[1] - 30000) < 1000 &&
	      abs(count[2] - 10000) < 1000,
	      "inverse chooses by 1 / (load + 1)");
}

static void test_inverse_skewed(void)
{
	struct dpr_view v[MOST];
	int count[2] = { 0 }, i;

	/* One idle peer among many busy ones: most draws are refused. */
	for (i = 0; i < MOST; i++)
		v[i] = view(i, i ? 99999 : 62);
	/* Shares 1/63 and 63/100000. */
	for (i = 0; i < 100000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_INVERSE, 100000);

		count[!!decide(&a, v, MOST).peer]++;
	}
	printf("# skewed: %d %d\n", count[0], count[1]);
	check(abs(count[0] - 96183) < 1000,
	      "inverse keeps its law when loads are skewed");
}

/* The naive way: the least loaded of all that can be chosen. */
static u64 least(const struct dpr_policy_args *a, const struct dpr_view *v,
		 u32 n)
{
	u64 best = -1;
	u32 i;

	for (i = 0; i < n; i++)
		if (dpr_policy_usable(&v[i], a->now, a->max_age) &&
		    v[i].address != a->client && v[i].estimate < best)
			best = v[i].estimate;
	return best;
}

/*
 * A long life of one order, its peers changed one at a time, against the
 * naive search.
 */
static void test_against_model(void)
{
	u64 rank[2 * MOST], *pair;
	u32 winner[2 * MOST];
	struct dpr_view v[MOST];
	struct dpr_order order = { .view = v, .rank = rank, .winner = winner };
	u32 i, round, n = 0;
	int wrong = 0;

	for (round = 0; round < 400000; round++) {
		struct dpr_policy_args a = args(DPR_POLICY_LOWEST,
						number() % 20);
		struct dpr_decision d;
		u64 best;

		if (round % 1000 == 0) {
			n = order.n = number() % (MOST + 1);
			for (i = 0; i < n; i++)
				v[i] = view(i, number() % 20);
			dpr_policy_sort(&order);
		}
		if (n) {
			i = number() % n;
			v[i].estimate = number() % 20;
			v[i].open = number() % 8;
			v[i].reported = NOW - number() % 14;
			v[i].tie = number();
			dpr_policy_moved(&order, i);
			dpr_policy_reestimate(&order, number() % n,
					      number() % 20);
		}
		a.max_load = number() % 10;
		a.client = 100 + number() % (2 * MOST);
		close_stale(&a, &order);
		best = least(&a, v, n);
		d = dpr_policy_decide(&a, &order);
		if (a.own_load < a.max_load)
			wrong += d.outcome != DPR_STAT_SERVED_BELOW_MAX_LOAD;
		else if (best == (u64)-1)
			wrong += d.outcome != DPR_STAT_SERVED_NO_PEER;
		else if (a.own_load <= best)
			wrong += d.outcome != DPR_STAT_SERVED_LOWEST;
		else
			wrong += d.outcome != DPR_STAT_REDIRECTED ||
				 v[d.peer].estimate != best ||
				 v[d.peer].address == a.client;
		for (i = 0; i < n; i++)
			wrong += winner[n + i] != i;
		for (i = 1; i < n; i++) {
			pair = &rank[2 * i];
			wrong += rank[i] > pair[0] || rank[i] > pair[1] ||
				 rank[i] != rank[n + winner[i]];
		}
	}
	check(!wrong, "lowest agrees with a naive search");
}

static void test_two(void)
{
	struct dpr_view v[HOSTS] = { view(0, 30), view(1, 10), view(2, 20) };
	int count[HOSTS] = { 0 }, i;

	/* Three pairs, each as likely: host 1 wins two of them, host 2 one. */
	for (i = 0; i < 30000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_TWO, 99);

		count[decide(&a, v, HOSTS).peer]++;
	}
	printf("# two: %d %d %d\n", count[0], count[1], count[2]);
	check(!count[0] && abs(count[1] - 20000) < 500,
	      "the better one of two is chosen, never the worst of all");
	for (i = 0; i < 1000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_TWO, 15);
		struct dpr_decision d = decide(&a, v, HOSTS);

		if (d.outcome == DPR_STAT_REDIRECTED ? d.peer != 1 :
		    d.outcome != DPR_STAT_SERVED_LOWEST)
			break;
	}
	check(i == 1000, "a connection is kept if this host is better off");
	v[0] = view(0, 10);
	v[1] = view(1, 10);
	v[2].open = false;
	v[0].weight = 3;
	memset(count, 0, sizeof(count));
	for (i = 0; i < 1000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_TWO, 99);

		count[decide(&a, v, HOSTS).peer]++;
	}
	check(count[0] == 1000, "two compares load per capacity");
}

static void test_offer(void)
{
	struct dpr_view v[HOSTS] = { view(0, 30), view(1, 10), view(2, 20) };
	int count[HOSTS] = { 0 }, i;

	v[2].weight = 2;
	for (i = 0; i < 40000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_OFFER, 99);

		count[decide(&a, v, HOSTS).peer]++;
	}
	printf("# offer: %d %d %d\n", count[0], count[1], count[2]);
	check(abs(count[0] - 10000) < 500 && abs(count[1] - 10000) < 500,
	      "any peer is offered the connection, by its weight");
	for (i = 0; i < 1000; i++) {
		struct dpr_policy_args a = args(DPR_POLICY_OFFER, 99);

		a.avoid = v[1].address;
		a.client = v[0].address;
		if (decide(&a, v, HOSTS).peer != 2)
			break;
	}
	check(i == 1000, "but not the one that refused, nor the client");
}

/* Does a host of this load and weight serve, under a MaxLoad of auto. */
static bool keeps(u64 load, u32 weight, struct dpr_view *v, u32 n)
{
	struct dpr_policy_args a = args(DPR_POLICY_OFFER, load);

	a.own_weight = weight;
	a.connection_load = 1;
	a.max_load = DPR_MAX_LOAD_AUTO;
	return decide(&a, v, n).outcome == DPR_STAT_SERVED_BELOW_MAX_LOAD;
}

static void test_auto(void)
{
	struct dpr_view v[HOSTS] = { view(0, 30), view(1, 10), view(2, 20) };

	/* Own load counts: (60 + 19) / 4 = 19.75, less a half. */
	check(keeps(19, 1, v, HOSTS), "below the mean a host serves");
	check(!keeps(20, 1, v, HOSTS), "above it does not");
	/* (60 + 40) / (3 + 2) = 20 a unit. */
	check(keeps(39, 2, v, HOSTS) && !keeps(41, 2, v, HOSTS),
	      "the mean is of load per capacity");
	v[0].open = false;
	/* (30 + 14) / 3 = 14.67; (30 + 15) / 3 = 15. */
	check(keeps(14, 1, v, HOSTS) && !keeps(15, 1, v, HOSTS),
	      "peers that cannot be chosen do not count");
	v[1] = view(1, 0);
	v[2] = view(2, 0);
	check(keeps(0, 1, v, HOSTS), "a host without load serves always");
	check(!keeps(1, 1, v, HOSTS), "with the only load it does not");
}

/* Why a host refuses what a peer offers. */
static enum dpr_stat refuses(u32 policy, u64 load, u64 max_load, bool draining,
			     bool open)
{
	struct dpr_view v[2] = { view(0, 10), view(1, 30) };
	u64 rank[4];
	u32 winner[4];
	struct dpr_order order = { .n = 2, .view = v, .rank = rank, .winner = winner };
	struct dpr_policy_args a = args(policy, load);

	a.max_load = max_load;
	a.connection_load = 1;
	a.draining = draining;
	v[0].open = open;
	v[1].open = open;
	dpr_policy_sort(&order);
	return dpr_policy_refuses(&a, &order);
}

static void test_refuses(void)
{
	u32 policy;

	check(!refuses(DPR_POLICY_OFFER, 9, 10, false, true) &&
	      refuses(DPR_POLICY_OFFER, 10, 10, false, true) ==
	      DPR_STAT_REFUSED_LOAD, "offers are taken below MaxLoad only");
	check(!refuses(DPR_POLICY_OFFER, 19, DPR_MAX_LOAD_AUTO, false, true) &&
	      refuses(DPR_POLICY_OFFER, 20, DPR_MAX_LOAD_AUTO, false, true) ==
	      DPR_STAT_REFUSED_LOAD, "or below the mean");
	check(!refuses(DPR_POLICY_OFFER, 19, 0, false, true) &&
	      refuses(DPR_POLICY_OFFER, 20, 0, false, true),
	      "which a MaxLoad of 0 stands for");
	check(!refuses(DPR_POLICY_OFFER, 99, 10, false, false),
	      "who knows of no other host takes all");
	for (policy = 0; policy <= DPR_POLICY_MAX; policy++) {
		check(refuses(policy, 0, 10, true, true) ==
		      DPR_STAT_REFUSED_DRAINING, "a host that drains refuses");
		check(policy == DPR_POLICY_OFFER ||
		      !refuses(policy, 99, 0, false, true),
		      "hosts of other policies take all");
	}
}

/* The sums that the mean is made of, after any changes, against adding up. */
static void test_sums(void)
{
	u64 rank[2 * MOST];
	u32 winner[2 * MOST];
	struct dpr_view v[MOST];
	struct dpr_order order = { .n = MOST, .view = v, .rank = rank, .winner = winner };
	u32 i, round, weight;
	int wrong = 0;
	u64 load;

	for (i = 0; i < MOST; i++)
		v[i] = view(i, number() % 100);
	dpr_policy_sort(&order);
	for (round = 0; round < 20000; round++) {
		i = number() % MOST;
		v[i].estimate = number() % 100;
		v[i].weight = number() % 9 + 1;
		v[i].open = number() % 4;
		v[i].cold = number() % 4 ? 0 : DPR_POLICY_UNKNOWN;
		dpr_policy_moved(&order, i);
		i = number() % MOST;
		if (!v[i].cold)
			dpr_policy_reestimate(&order, i, number() % 100);
		if (round % 5000 == 4999)
			dpr_policy_sort(&order);
		for (i = 0, load = 0, weight = 0; i < MOST; i++) {
			load += v[i].open && !v[i].cold ? v[i].estimate : 0;
			weight += v[i].open && !v[i].cold ? v[i].weight : 0;
		}
		wrong += order.load != load || order.weight != weight;
	}
	check(!wrong, "the sums of loads and weights are kept");
}

static void test_hash(void)
{
	int count[HOSTS] = { 0 }, by_port[HOSTS] = { 0 }, i;
	bool same = true;

	for (i = 0; i < 65536; i++) {
		count[dpr_policy_hash(DPR_HASH_ADDRESS_PORT, 0x0a000001, i,
				      HOSTS)]++;
		by_port[dpr_policy_hash(DPR_HASH_PORT, 0x0a000001, i,
					HOSTS)]++;
		same &= dpr_policy_hash(DPR_HASH_PORT, 1, i, HOSTS) ==
			dpr_policy_hash(DPR_HASH_PORT, 2, i, HOSTS);
	}
	for (i = 0; i < HOSTS; i++)
		check(abs(count[i] - 21845) < 700 &&
		      abs(by_port[i] - 21845) < 700,
		      "the hash spreads ports evenly");
	check(same, "the port hash ignores the address");
	check(dpr_policy_hash(DPR_HASH_ADDRESS_PORT, 1, 1, 1) == 0,
	      "one host gets all");
}

int main(void)
{
	test_order_of_questions();
	test_usable();
	test_down();
	test_cold();
	test_unknown();
	test_corrected();
	test_weights();
	test_metrics();
	test_ties();
	test_inverse();
	test_inverse_skewed();
	test_two();
	test_offer();
	test_auto();
	test_refuses();
	test_sums();
	test_against_model();
	test_hash();
	return verdict();
}
