// SPDX-License-Identifier: GPL-2.0
#include <linux/random.h>
#include "dpr.h"
#include "stats.h"

/**
 * dpr_stats_alloc - make a namespace's per-CPU state
 *
 * Return: the state, NULL if there is no memory.
 */
struct dpr_stats __percpu *dpr_stats_alloc(void)
{
	struct dpr_stats __percpu *stats =
		alloc_percpu_gfp(struct dpr_stats, GFP_KERNEL_ACCOUNT);
	int cpu;

	if (!stats)
		return NULL;
	/* Any state but 0, which would stay 0. */
	for_each_possible_cpu(cpu)
		per_cpu_ptr(stats, cpu)->random = get_random_u64() | 1;
	return stats;
}

/**
 * dpr_stats_sum - a counter's value over all CPUs
 * @stats: the per-CPU counters
 * @stat: which
 */
u64 dpr_stats_sum(const struct dpr_stats __percpu *stats, enum dpr_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats, cpu)->count[stat]);
	return sum;
}
