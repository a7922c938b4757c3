/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Affinity: the host that a client belongs to, the same whichever host is asked.
 * Rendezvous hashing: each host has a number for each client, and the greatest wins.
 * So a host that goes gives up its own clients and moves no others, and one that comes
 * takes its share from all. Pure, as policy.h.
 */
#ifndef _DPR_AFFINITY_H
#define _DPR_AFFINITY_H

#include "addr.h"
#include "policy.h"

/* Bits of a client's whole address. */
#define DPR_AFFINITY_BITS	32
#define DPR_AFFINITY_BITS6	128

u64 dpr_affinity_client(const struct dpr_addr *client, u32 prefix, u32 time,
			u64 now);
u64 dpr_affinity_distance(u64 client, u32 host, u32 weight);
u32 dpr_affinity_host(const struct dpr_policy_args *args,
		      const struct dpr_order *order, u32 own, u64 client);

#endif /* _DPR_AFFINITY_H */
