/* SPDX-License-Identifier: GPL-2.0 */
/* Sending a connection's segments to the host that is to take it. */
#ifndef _DPR_HANDOVER_SEND_H
#define _DPR_HANDOVER_SEND_H

#include "handover_table.h"

struct dpr_config;
struct dpr_net;
struct dpr_peer;

struct sk_buff *dpr_handover_wrap(const struct dpr_config *cfg,
				  struct dpr_handover *one,
				  const struct sk_buff *packet);
void dpr_handover_wrap_all(const struct dpr_config *cfg, struct dpr_handover *one,
			   struct sk_buff_head *out);
void dpr_handover_wrap_first(const struct dpr_config *cfg, struct dpr_handover *one,
			     struct sk_buff_head *out);
void dpr_handover_send(struct dpr_net *dn, const struct dpr_config *cfg,
		       struct dpr_peer *peer, struct sk_buff_head *out);

#endif /* _DPR_HANDOVER_SEND_H */
