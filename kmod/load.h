/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_LOAD_H
#define _DPR_LOAD_H

#include <linux/jiffies.h>
#include "core/policy.h"
#include "netns.h"

struct dpr_config;
struct dpr_table;

void dpr_load_init(void);
void dpr_load_exit(void);
void dpr_load_metrics(const struct dpr_net *dn, u32 metric[DPR_METRICS]);
const struct dpr_order *dpr_load_order(const struct dpr_net *dn,
				       const struct dpr_table *table, u16 port,
				       struct dpr_policy_args *args);
u64 __dpr_load_own(struct dpr_net *dn, const struct dpr_config *cfg,
		   unsigned long now);

/**
 * dpr_load_own - this host's load, now
 * @dn: the namespace
 * @cfg: the configuration
 *
 * Two metrics are sums over all possible CPUs, so the load is computed at most
 * once a jiffy, by the first caller: a connection does not count before its
 * handshake is over anyway. Called with bottom halves off.
 */
static inline u64 dpr_load_own(struct dpr_net *dn, const struct dpr_config *cfg)
{
	const unsigned long now = jiffies;

	if (likely(READ_ONCE(dn->load_at) == now))
		return READ_ONCE(dn->load);
	return __dpr_load_own(dn, cfg, now);
}

/**
 * dpr_load_changed - have the load recomputed when it is next needed
 * @dn: the namespace
 *
 * Called when the metrics' weights may have changed.
 */
static inline void dpr_load_changed(struct dpr_net *dn)
{
	WRITE_ONCE(dn->load_at, jiffies - 1);
}

#endif /* _DPR_LOAD_H */
