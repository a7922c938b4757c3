// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include "ask.h"
#include "config.h"
#include "dpr.h"
#include "flow.h"
#include "liveness.h"
#include "netns.h"
#include "owner_msg.h"
#include "stats.h"

/* Questions about one flow: how many, and the least time between two. */
#define DPR_LIVENESS_QUERIES	4
#define DPR_LIVENESS_AGAIN	HZ
/*
 * A connection that its peer has confirmed, or whose peer was silent, is asked about again
 * after so many times as long as one is silent before the first question, but not while the
 * questions are put: what the peer says when the socket is gone may be lost, and the client
 * may be gone, too.
 */
#define DPR_LIVENESS_LATER	5

/* Is it long ago that the peer was asked about a connection that nothing has ended? */
static bool dpr_liveness_old(const struct dpr_flow *flow,
			     const struct dpr_config *cfg)
{
	return (u32)jiffies - READ_ONCE(flow->asked) >
	       max_t(u32, DPR_LIVENESS_LATER * cfg->timeout_jiffies[DPR_FLOW_SYN],
		     DPR_LIVENESS_QUERIES * DPR_LIVENESS_AGAIN);
}

/**
 * dpr_liveness_doubtful - is it time to ask the peer about a flow
 * @flow: the flow
 * @cfg: the configuration
 * @state: its state
 *
 * That is so when the client has sent a FIN or RST, or nothing since the handshake,
 * which may be forged; and from time to time while it is silent.
 *
 * Return: true if it is time for dpr_liveness_query().
 */
bool dpr_liveness_doubtful(const struct dpr_flow *flow,
			   const struct dpr_config *cfg, u8 state)
{
	switch (state) {
	case DPR_FLOW_ESTABLISHED:
		return dpr_flow_idle(flow) > cfg->timeout_jiffies[DPR_FLOW_SYN] &&
		       (!(READ_ONCE(flow->queries) & DPR_FLOW_CONFIRMED) ||
			dpr_liveness_old(flow, cfg));
	case DPR_FLOW_FIN:
	case DPR_FLOW_RST:
		return dpr_flow_idle(flow) > cfg->timeout_jiffies[state] &&
		       (READ_ONCE(flow->queries) & DPR_FLOW_QUERIES ||
			(u32)jiffies - READ_ONCE(flow->asked) >
			cfg->timeout_jiffies[state]);
	default:
		return false;
	}
}

/* How many questions have been put since the client last sent something. */
static u8 dpr_liveness_queries(const struct dpr_flow *flow)
{
	const u8 queries = READ_ONCE(flow->queries) & DPR_FLOW_QUERIES;

	return (s32)(READ_ONCE(flow->last) - READ_ONCE(flow->asked)) > 0 ?
		       0 : queries;
}

/* Sets what is known of the questions. A SYN that another CPU notes meanwhile stays noted. */
static void dpr_liveness_set(struct dpr_flow *flow, u8 queries)
{
	u8 was = READ_ONCE(flow->queries);

	while (!try_cmpxchg(&flow->queries, &was,
			    queries | (was & DPR_FLOW_REUSED)))
		;
}

/* Puts a question, the next one after @queries. */
static void dpr_liveness_ask(struct dpr_net *dn, const struct dpr_config *cfg,
			     struct dpr_flow *flow, u8 queries,
			     enum dpr_owner_msg_kind kind)
{
	const struct dpr_flow_key key = dpr_flow_key(flow);

	WRITE_ONCE(flow->asked, jiffies);
	dpr_liveness_set(flow, min(queries + 1, DPR_FLOW_QUERIES));
	if (dpr_ask_send(dn, cfg, dn->net->loopback_dev, flow->peer, kind,
			 flow->isn, &key))
		dpr_stats_inc(dn, DPR_STAT_FLOWS_ASKED);
}

/**
 * dpr_liveness_query - ask the peer about a flow
 * @dn: the namespace
 * @cfg: the configuration
 * @flow: the flow
 * @state: its state
 * @asked: one is added if the peer was asked
 *
 * Repeats the question if the peer is silent. A host of an older version knows
 * only every second one, and answers only if it has the socket. Called under RCU
 * with bottom halves off, by one caller at a time.
 *
 * Return: true if the peer's silence means that it has no socket.
 */
bool dpr_liveness_query(struct dpr_net *dn, const struct dpr_config *cfg,
			struct dpr_flow *flow, u8 state, u32 *asked)
{
	u8 queries = dpr_liveness_queries(flow);

	if (state == DPR_FLOW_ESTABLISHED && dpr_liveness_old(flow, cfg))
		queries = 0;
	if (queries && (u32)jiffies - READ_ONCE(flow->asked) < DPR_LIVENESS_AGAIN)
		return false;
	if (queries >= DPR_LIVENESS_QUERIES)
		/* Silence does not end what the client has not ended. */
		return state != DPR_FLOW_ESTABLISHED;
	dpr_liveness_ask(dn, cfg, flow, queries,
			 queries & 1 ? DPR_OWNER_MSG_WHO : DPR_OWNER_MSG_STILL);
	(*asked)++;
	return false;
}

/**
 * dpr_liveness_doubt - ask the peer about a flow because it may have no socket
 * @dn: the namespace
 * @cfg: the configuration
 * @flow: the flow
 *
 * No more often than other questions about a flow are put. Called under RCU in softirq.
 */
void dpr_liveness_doubt(struct dpr_net *dn, const struct dpr_config *cfg,
			struct dpr_flow *flow)
{
	if ((u32)jiffies - READ_ONCE(flow->asked) < DPR_LIVENESS_AGAIN)
		return;
	dpr_liveness_ask(dn, cfg, flow, dpr_liveness_queries(flow),
			 DPR_OWNER_MSG_STILL);
}

/**
 * dpr_liveness_note_reuse - note that a SYN of another connection passes
 * @flow: the flow of the same 4-tuple
 *
 * If it begins a new connection, the peer's message that the old one is gone may
 * be on its way already, and bulk data cannot be told from a handshake (flow.h).
 */
void dpr_liveness_note_reuse(struct dpr_flow *flow)
{
	u8 queries = READ_ONCE(flow->queries);

	if (!(queries & DPR_FLOW_REUSED))
		WRITE_ONCE(flow->queries, queries | DPR_FLOW_REUSED);
}

/**
 * dpr_liveness_confirm - note that the peer says that it serves the connection
 * @flow: the flow
 *
 * Ends the questions, unless the client has sent a FIN or RST: then the peer is
 * asked again after that state's timeout. Called under RCU.
 */
void dpr_liveness_confirm(struct dpr_flow *flow)
{
	dpr_liveness_set(flow, DPR_FLOW_CONFIRMED);
}

/**
 * dpr_liveness_end - end a flow whose peer has no socket any more
 * @dn: the namespace
 * @flow: the flow
 * @linger: there is one in TIME_WAIT, which answers retransmitted segments
 *
 * Called under RCU with bottom halves off.
 */
void dpr_liveness_end(struct dpr_net *dn, struct dpr_flow *flow, bool linger)
{
	if (linger)
		dpr_flow_close(dn, flow);
	else if (dpr_flow_kill(dn, flow))
		dpr_stats_inc(dn, DPR_STAT_FLOWS_ENDED);
}
