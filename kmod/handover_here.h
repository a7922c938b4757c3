/* SPDX-License-Identifier: GPL-2.0 */
/* A connection that waits ends here: this host serves it, or nobody does. */
#ifndef _DPR_HANDOVER_HERE_H
#define _DPR_HANDOVER_HERE_H

#include "dpr.h"

struct dpr_handover;
struct dpr_handovers;
struct dpr_net;

struct sk_buff *dpr_handover_pop(struct dpr_handovers *all, struct dpr_handover *one);
void dpr_handover_here(struct dpr_net *dn, struct dpr_handovers *all,
		       struct dpr_handover *one, enum dpr_stat served);
void dpr_handover_give_up(struct dpr_net *dn, struct dpr_handovers *all,
			  struct dpr_handover *one, enum dpr_stat why);

#endif /* _DPR_HANDOVER_HERE_H */
