/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_STATS_H
#define _DPR_STATS_H

#include <linux/percpu.h>
#include "dpr.h"

/**
 * struct dpr_stats - what each CPU keeps for itself
 * @count: counters, indexed by enum dpr_stat; gauges have a place here but
 *	are computed when read
 * @random: state of dpr_stats_random()
 */
struct dpr_stats {
	u64 count[DPR_STAT_MAX + 1];
	u64 random;
};

/* Of @counters, dpr_net.stats, which who counts more than once has looked up once. */
#define dpr_stats_add_to(counters, stat, n) \
	this_cpu_add((counters)->count[stat], n)

#define dpr_stats_add(dn, stat, n)	this_cpu_add((dn)->stats->count[stat], n)
#define dpr_stats_inc(dn, stat)		this_cpu_inc((dn)->stats->count[stat])

/**
 * dpr_stats_random - a number for a policy to choose by
 * @stats: the namespace's per-CPU state
 *
 * Marsaglia's xorshift64, its state hidden by Vigna's multiplication, so that
 * what a policy derives from one number by more such steps has nothing to do
 * with the next number. No secret hangs on it, and it costs nothing. Called in
 * softirq.
 */
static inline u64 dpr_stats_random(struct dpr_stats __percpu *stats)
{
	u64 x = this_cpu_read(stats->random);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	this_cpu_write(stats->random, x);
	return x * 0x2545f4914f6cdd1dULL;
}

struct dpr_stats __percpu *dpr_stats_alloc(void);
u64 dpr_stats_sum(const struct dpr_stats __percpu *stats, enum dpr_stat stat);

#endif /* _DPR_STATS_H */
