/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does the serving host still have a flow's connection?
 *
 * This host sees one half of the connection, and anybody can forge that half. So
 * it asks the peer when the client has sent a FIN or RST, or nothing since the
 * handshake; and it believes what the peer answers (owner_msg.h).
 */
#ifndef _DPR_LIVENESS_H
#define _DPR_LIVENESS_H

#include <linux/types.h>
#include "flow.h"

struct dpr_config;
struct dpr_net;
struct dpr_peer;

bool dpr_liveness_doubtful(const struct dpr_flow *flow,
			   const struct dpr_config *cfg, u8 state);
bool dpr_liveness_query(struct dpr_net *dn, const struct dpr_config *cfg,
			struct dpr_flow *flow, u8 state, u32 *asked);
void dpr_liveness_note_reuse(struct dpr_flow *flow);
void dpr_liveness_doubt(struct dpr_net *dn, const struct dpr_config *cfg,
			struct dpr_flow *flow);
void dpr_liveness_confirm(struct dpr_flow *flow);
void dpr_liveness_end(struct dpr_net *dn, struct dpr_flow *flow, bool linger);

/**
 * dpr_liveness_concerns - is a peer's message about a flow
 * @flow: the flow, NULL if there is none
 * @peer: who sent the message
 * @isn: the initial sequence number in it, known only to who sees the connection
 *
 * Return: true if it is.
 */
static inline bool dpr_liveness_concerns(const struct dpr_flow *flow,
					 const struct dpr_peer *peer, u32 isn)
{
	return flow && flow->peer == peer && flow->isn == isn;
}

/**
 * dpr_liveness_credible - believe a peer that says that it has no socket?
 * @flow: the flow
 *
 * If the client may have begun another connection, only as the answer to a
 * question: then the client was silent.
 *
 * Return: true if it is to be believed.
 */
static inline bool dpr_liveness_credible(const struct dpr_flow *flow)
{
	u8 queries = READ_ONCE(flow->queries);

	return !(queries & DPR_FLOW_REUSED) ||
	       (queries & DPR_FLOW_QUERIES &&
		(s32)(READ_ONCE(flow->last) - READ_ONCE(flow->asked)) <= 0);
}

#endif /* _DPR_LIVENESS_H */
