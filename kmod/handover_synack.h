/* SPDX-License-Identifier: GPL-2.0 */
/* Answering a SYN in the place of the host that will serve the connection. */
#ifndef _DPR_HANDOVER_SYNACK_H
#define _DPR_HANDOVER_SYNACK_H

#include "handover_msg.h"

struct dpr_config;
struct dpr_net;
struct dpr_segment;
struct sk_buff;

bool dpr_handover_synack_agree(struct dpr_net *dn, struct sk_buff *skb,
			       const struct dpr_segment *seg,
			       struct dpr_handover_options *options);
void dpr_handover_synack_send(struct dpr_net *dn, const struct dpr_config *cfg,
			      const struct dpr_flow_key *key,
			      const struct dpr_handover_options *options);

#endif /* _DPR_HANDOVER_SYNACK_H */
