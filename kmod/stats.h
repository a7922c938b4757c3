/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_STATS_H
#define _DPR_STATS_H

#include <linux/percpu.h>
#include "dpr.h"

/**
 * struct dpr_stats - one CPU's counters, indexed by enum dpr_stat
 * @count: the counters; gauges have a place here but are computed when read
 */
struct dpr_stats {
	u64 count[DPR_STAT_MAX + 1];
};

#define dpr_stats_add(dn, stat, n)	this_cpu_add((dn)->stats->count[stat], n)
#define dpr_stats_inc(dn, stat)		this_cpu_inc((dn)->stats->count[stat])

u64 dpr_stats_sum(const struct dpr_stats __percpu *stats, enum dpr_stat stat);

#endif /* _DPR_STATS_H */
