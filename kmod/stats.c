// SPDX-License-Identifier: GPL-2.0
#include "stats.h"

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
