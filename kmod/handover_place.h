/* SPDX-License-Identifier: GPL-2.0 */
/* Choosing the host of a connection that waits, and giving it to that host. */
#ifndef _DPR_HANDOVER_PLACE_H
#define _DPR_HANDOVER_PLACE_H

#include "handover_table.h"

struct dpr_config;
struct dpr_net;

bool dpr_handover_decide(struct dpr_net *dn, struct dpr_handover *one,
			 bool final);
void dpr_handover_place(struct dpr_net *dn, const struct dpr_config *cfg,
			struct dpr_handovers *all, struct dpr_handover *one);

#endif /* _DPR_HANDOVER_PLACE_H */
