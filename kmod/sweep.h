/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Clean-up when nobody asks for it: without dpr-cleanup a host keeps dead flows
 * longer, but not for ever.
 */
#ifndef _DPR_SWEEP_H
#define _DPR_SWEEP_H

struct dpr_net;

void dpr_sweep_setup(struct dpr_net *dn);
void dpr_sweep_start(struct dpr_net *dn);
void dpr_sweep_teardown(struct dpr_net *dn);

#endif /* _DPR_SWEEP_H */
