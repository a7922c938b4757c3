/* SPDX-License-Identifier: GPL-2.0 */
/* Connections that wait, and the rules by what is asked for of their services. */
#ifndef _DPR_HANDOVER_RULES_H
#define _DPR_HANDOVER_RULES_H

#include "handover_table.h"

struct dpr_config;
struct dpr_net;
struct dpr_peer;
struct dpr_service;

bool dpr_handover_rules_wait(const struct dpr_service *service,
			     struct dpr_handover *one, u32 there);
bool dpr_handover_rules_host(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct dpr_service *service,
			     struct dpr_handovers *all,
			     const struct dpr_handover *one, bool able, u32 avoid,
			     struct dpr_peer **peer, u32 *group, u64 *below);

#endif /* _DPR_HANDOVER_RULES_H */
