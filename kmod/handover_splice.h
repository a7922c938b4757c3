/* SPDX-License-Identifier: GPL-2.0 */
/* Giving a connection that waits to a backend. */
#ifndef _DPR_HANDOVER_SPLICE_H
#define _DPR_HANDOVER_SPLICE_H

#include "handover_table.h"

struct dpr_config;
struct dpr_net;
struct dpr_service;

bool dpr_handover_splice(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct dpr_handovers *all, struct dpr_handover *one,
			 const struct dpr_service *service, u32 group, u64 below);
bool dpr_handover_splice_again(struct dpr_net *dn, struct dpr_handover *one);

#endif /* _DPR_HANDOVER_SPLICE_H */
