// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "affinity.h"

/* log2(1 + i / 32), in 2^-16. */
static const u32 dpr_affinity_log[33] = {
	0, 2909, 5732, 8473, 11136, 13727, 16248, 18704, 21098, 23433, 25711,
	27936, 30109, 32234, 34312, 36346, 38336, 40286, 42196, 44068, 45904,
	47705, 49472, 51207, 52911, 54584, 56229, 57845, 59434, 60997, 62534,
	64047, 65536,
};

static u64 dpr_affinity_mix(u64 x)
{
	/* Finalizer of MurmurHash3: every input bit moves every output bit. */
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ (x >> 33);
}

/* -log2(x / 2^32), in 2^-32; x is not 0. */
static u64 dpr_affinity_minus_log(u32 x)
{
	u64 bits = 0, part, step;

	/* The highest bit set becomes bit 31. */
	while (!(x & 0x80000000)) {
		x <<= 1;
		bits++;
	}
	part = x >> 26 & 31;
	step = dpr_affinity_log[part + 1] - dpr_affinity_log[part];
	return ((bits + 1) << 32) - ((u64)dpr_affinity_log[part] << 16) -
	       (step * (x & 0x3ffffff) >> 10);
}

/**
 * dpr_affinity_client - what of a client decides its host
 * @client: its address
 * @prefix: so many bits of it, 1 to DPR_AFFINITY_BITS, or DPR_AFFINITY_BITS6 if it is an
 *	IPv6 one
 * @time: for how many ms; 0: for ever
 * @now: ms since an instant that all hosts know
 *
 * Clients do not all move at the same time.
 *
 * Return: for dpr_affinity_host().
 */
u64 dpr_affinity_client(const struct dpr_addr *client, u32 prefix, u32 time,
			u64 now)
{
	u32 i = dpr_addr_is4(client) ? 3 : 0;
	u64 of = 0;

	for (; i < 4 && prefix; i++) {
		const u32 bits = prefix < 32 ? prefix : 32;

		of = dpr_affinity_mix(of ^ (ntohl(client->word[i]) &
					    ~0U << (32 - bits)));
		prefix -= bits;
	}

	return time ? dpr_affinity_mix(of ^ (now + of % time) / time) :
		      of;
}

/**
 * dpr_affinity_distance - how far a host is from a client; the nearest has it
 * @client: the client, or anything else of which there is a hash
 * @host: the host's address
 * @weight: its relative capacity, 1 to DPR_MAX_WEIGHT
 *
 * A number that is distributed exponentially, with the host's weight as its rate, is the
 * least of all with a probability in proportion to the weight.
 */
u64 dpr_affinity_distance(u64 client, u32 host, u32 weight)
{
	u32 x = dpr_affinity_mix(client ^ dpr_affinity_mix(host)) >> 32;

	return (dpr_affinity_minus_log(x | 1) << 16) / weight;
}

/**
 * dpr_affinity_host - the host that a client belongs to
 * @args: the situation
 * @order: the peers
 * @own: this host's address, as peers know it
 * @client: as dpr_affinity_client() says
 *
 * Loads do not count, weights do. Looks at all peers.
 *
 * Return: the index of a peer; the number of peers: this host, or there is no other.
 */
u32 dpr_affinity_host(const struct dpr_policy_args *args,
		      const struct dpr_order *order, u32 own, u64 client)
{
	u64 least = ~0ULL, distance;
	u32 best = order->n, nearest = own, i;

	if (!args->draining)
		least = dpr_affinity_distance(client, own, args->own_weight);
	for (i = 0; i < order->n; i++) {
		const struct dpr_view *view = &order->view[i];

		if (!dpr_policy_choosable(args, view))
			continue;
		distance = dpr_affinity_distance(client, view->address,
						 view->weight);
		/* All hosts must decide a tie in the same way. */
		if (distance < least ||
		    (distance == least && view->address < nearest)) {
			least = distance;
			nearest = view->address;
			best = i;
		}
	}
	return best;
}
