/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_LOAD_H
#define _DPR_LOAD_H

#include "core/policy.h"
#include "netns.h"

struct dpr_config;

void dpr_load_init(void);
void dpr_load_exit(void);
void dpr_load_metrics(const struct dpr_net *dn, u32 metric[DPR_METRICS]);
u64 dpr_load_own(struct dpr_net *dn, const struct dpr_config *cfg);

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
