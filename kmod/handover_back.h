/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections that come back to their first host, for another host to be chosen: they are
 * to be served elsewhere from a request on (DPR_DISPATCH_REQUEST). They are like those whose
 * handshake has just ended, but for their numbers.
 */
#ifndef _DPR_HANDOVER_BACK_H
#define _DPR_HANDOVER_BACK_H

#include "handover_table.h"

struct dpr_config;
struct dpr_inner;
struct dpr_net;
struct dpr_peer;
struct sk_buff;

bool dpr_handover_back_own(struct dpr_net *dn, const struct dpr_flow_key *key,
			   const struct dpr_handover_options *options, u32 ts_off);
void dpr_handover_back_undo(struct dpr_net *dn, const struct dpr_flow_key *key);
unsigned int dpr_handover_back(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct sk_buff *skb, struct dpr_inner *in,
			       const struct dpr_handover_msg *msg,
			       struct dpr_peer *peer);

#endif /* _DPR_HANDOVER_BACK_H */
