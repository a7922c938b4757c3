/* SPDX-License-Identifier: GPL-2.0 */
/* What a backend answers that was asked to take a connection that waits. */
#ifndef _DPR_HANDOVER_OPENED_H
#define _DPR_HANDOVER_OPENED_H

#include "core/parse.h"

struct dpr_config;
struct dpr_net;
struct dpr_splice;
struct sk_buff;

unsigned int dpr_handover_opened(struct dpr_net *dn, const struct dpr_config *cfg,
				 struct sk_buff *skb, const struct dpr_segment *seg,
				 struct dpr_splice *splice);

#endif /* _DPR_HANDOVER_OPENED_H */
