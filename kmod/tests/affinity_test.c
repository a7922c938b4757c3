// SPDX-License-Identifier: GPL-2.0
/* Tests of affinity (../core/affinity.c): TAP on standard output. */
#include "affinity.h"
#include "tap.h"

#define NOW	1000
#define HOSTS	5
#define CLIENTS	20000
#define FOR_EVER 0

static u32 weight[HOSTS] = { 1, 1, 1, 1, 1 };

static u32 address(int host)
{
	return 0x0b00000a + (host << 24);
}

/*
 * The host that a client belongs to, as one of the hosts sees it; @without is gone, or
 * drains if it is asked. -1: none is.
 */
static int host_of(int asked, u64 client, int without)
{
	struct dpr_view v[HOSTS];
	int of[HOSTS], i, n = 0;
	struct dpr_order order = { .view = v };
	struct dpr_policy_args args = {
		.own_weight = weight[asked], .now = NOW, .max_age = 10,
		.draining = asked == without,
	};
	u32 peer;

	for (i = 0; i < HOSTS; i++) {
		if (i == asked)
			continue;
		of[n] = i;
		v[n++] = (struct dpr_view){
			.reported = NOW, .weight = weight[i],
			.address = address(i), .open = i != without,
		};
	}
	order.n = n;
	peer = dpr_affinity_host(&args, &order, address(asked), client);
	return peer == order.n ? asked : of[peer];
}

/* As dpr_affinity_client(), for an IPv4 address in host byte order. */
static u64 client_of(u32 client, u32 prefix, u32 time, u64 now)
{
	const struct dpr_addr addr = dpr_addr_of4(htonl(client));

	return dpr_affinity_client(&addr, prefix, time, now);
}

static u64 whole(u32 client)
{
	return client_of(client, 32, FOR_EVER, 0);
}

static void test_same_everywhere(void)
{
	bool same = true;
	u32 i;
	int h;

	for (i = 0; i < CLIENTS; i++)
		for (h = 1; h < HOSTS; h++)
			same &= host_of(h, whole(i), -1) ==
				host_of(0, whole(i), -1);
	check(same, "whichever host is asked, the answer is the same");
}

static void test_moves(void)
{
	int moved = 0, gone = 0, back = 0;
	u32 i;

	for (i = 0; i < CLIENTS; i++) {
		int before = host_of(0, whole(i), -1);
		int after = host_of(0, whole(i), 2);

		moved += before != 2 && before != after;
		gone += before == 2;
		back += after == 2;
	}
	check(moved == 0, "a host that goes moves no other's clients");
	check(back == 0 && abs(gone - CLIENTS / HOSTS) < 250,
	      "and gives up its own, a fifth of all");
	check(host_of(2, whole(7), 2) != 2, "a host that drains keeps nobody");
}

static void test_weights(void)
{
	int count[HOSTS] = { 0 }, h, moved = 0;
	bool right = true;
	u32 i;

	for (h = 0; h < HOSTS; h++)
		weight[h] = h + 1;
	for (i = 0; i < CLIENTS; i++)
		count[host_of(0, whole(i), -1)]++;
	for (h = 0; h < HOSTS; h++)
		right &= abs(count[h] - CLIENTS * (h + 1) / 15) < 250;
	check(right, "hosts have clients in proportion to their weights");
	for (i = 0; i < CLIENTS; i++) {
		int before = host_of(0, whole(i), -1), after;

		weight[4] = 10;
		after = host_of(0, whole(i), -1);
		weight[4] = 5;
		moved += before != after && after != 4;
	}
	check(moved == 0, "more weight only takes clients");
	weight[0] = 65535;
	weight[1] = 1;
	check(host_of(0, whole(1), -1) == 0, "the greatest weight is no less");
	for (h = 0; h < HOSTS; h++)
		weight[h] = 1;
}

static void test_prefix(void)
{
	bool together = true;
	int others = 0;
	u32 i;

	for (i = 0; i < 256; i++) {
		together &= client_of(0x0a0000 << 8 | i, 24, 0, 0) ==
			    client_of(0x0a0000 << 8, 24, 0, 0);
		others += host_of(0, client_of(i << 8, 24, 0, 0), -1);
	}
	check(together, "a prefix is one client");
	check(others > 300 && others < 700, "prefixes are spread");
	check(client_of(1, 1, 0, 0) ==
	      client_of(0x7fffffff, 1, 0, 0) &&
	      client_of(1, 1, 0, 0) !=
	      client_of(0x80000000, 1, 0, 0),
	      "one bit is half of all");
}

static void test_time(void)
{
	const u32 hour = 3600 * 1000;
	const u64 now = 1795846137911ULL;
	int at_once = 0, changed = 0, host_changed = 0;
	u32 i;

	for (i = 0; i < CLIENTS; i++) {
		u64 then = client_of(i, 32, hour, now);

		at_once += then != client_of(i, 32, hour, now + hour / 10);
		changed += then != client_of(i, 32, hour, now + hour);
		host_changed += host_of(0, then, -1) !=
				host_of(0, client_of(i, 32, hour,
							       now + hour), -1);
	}
	check(changed == CLIENTS, "after the time all are drawn anew");
	check(abs(at_once - CLIENTS / 10) < 250,
	      "a tenth of them in a tenth of it");
	check(abs(host_changed - CLIENTS * 4 / 5) < 250,
	      "of five hosts four are others");
	check(client_of(9, 32, 1, 0) != 0, "a time of one ms");
}

static void test_choosable(void)
{
	struct dpr_view v = {
		.reported = NOW, .weight = 1, .address = address(1), .open = true,
	};
	struct dpr_order order = { .n = 1, .view = &v };
	struct dpr_policy_args args = {
		.own_weight = 1, .now = NOW, .max_age = 10, .draining = true,
		.service = 4,
	};

	check(dpr_affinity_host(&args, &order, address(0), 1) == 0,
	      "who drains names the peer");
	v.down[0] = 4;
	check(dpr_affinity_host(&args, &order, address(0), 1) == 1,
	      "but not if it lacks the service");
	v.down[0] = 3;
	v.reported = NOW - 11;
	check(dpr_affinity_host(&args, &order, address(0), 1) == 1,
	      "or its report is too old");
	v.reported = NOW;
	args.client = address(1);
	check(dpr_affinity_host(&args, &order, address(0), 1) == 1,
	      "or it is the client");
	order.n = 0;
	args.draining = false;
	check(dpr_affinity_host(&args, &order, address(0), 1) == 0,
	      "alone, this host has all");
}

int main(void)
{
	test_same_everywhere();
	test_moves();
	test_weights();
	test_prefix();
	test_time();
	test_choosable();
	return verdict();
}
