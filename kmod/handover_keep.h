/* SPDX-License-Identifier: GPL-2.0 */
/* What a client sends before a host has its connection. */
#ifndef _DPR_HANDOVER_KEEP_H
#define _DPR_HANDOVER_KEEP_H

#include "handover_table.h"

struct dpr_config;
struct dpr_net;
struct dpr_segment;

bool dpr_handover_keep(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct dpr_handovers *all, struct dpr_handover *one,
		       struct sk_buff *skb, const struct dpr_segment *seg,
		       struct sk_buff_head *out);

bool dpr_handover_keep_answered(const struct dpr_handover *one, struct sk_buff *skb,
				const struct dpr_segment *seg);

#endif /* _DPR_HANDOVER_KEEP_H */
