/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DPR_LOAD_H
#define _DPR_LOAD_H

#include "main.h"

void dpr_load_init(void);
void dpr_load_exit(void);
void dpr_load_metrics(const struct dpr_net *dn, u32 metric[DPR_METRICS]);
u64 dpr_load_own(const struct dpr_net *dn, const struct dpr_config *cfg);

#endif /* _DPR_LOAD_H */
