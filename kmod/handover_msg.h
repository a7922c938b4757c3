/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What hosts say to each other to hand a connection over: how it looks on the wire.
 *
 * A message is an inner packet of DPR_OWNER_MSG_PROTOCOL in the tunnel, as those of
 * owner_msg.h, with another magic. A handover has the client's packet behind it, and so has
 * a connection that is given back; answers have the connection's 4-tuple. All of it but the
 * client's packet is authenticated, and so are the two hosts and the 4-tuple: a handover
 * makes a connection without any of the numbers that a handshake would prove.
 */
#ifndef _DPR_HANDOVER_MSG_H
#define _DPR_HANDOVER_MSG_H

#include "core/parse.h"
#include "dpr.h"

struct dpr_config;
struct dpr_inner;
struct sk_buff;

/* Seconds that a message counts, and that the hosts' clocks may differ. */
#define DPR_HANDOVER_MSG_AGE	10

enum dpr_handover_msg_kind {
	DPR_HANDOVER_MSG_TAKE = 1,	/* this connection is yours; then a segment of it */
	DPR_HANDOVER_MSG_TAKEN = 2,	/* I have it */
	DPR_HANDOVER_MSG_REFUSED = 3,	/* I have not, and shall not */
	DPR_HANDOVER_MSG_BACK = 4,	/* I have it no more, from this segment on */
};

/**
 * struct dpr_handover_options - what two ends have agreed on, and where they are
 * @client_isn: the client's initial sequence number
 * @isn: that of this end
 * @ts_recent: the client's timestamp, if @timestamps
 * @ts_now: this end's, when the message is made
 * @mss: what the client takes
 * @client_scale: of its windows, if @scales
 * @scale: of this end's
 * @scales: windows are scaled
 * @timestamps: both ends send timestamps
 * @sack: both know selective acknowledgments
 * @ecn: both know explicit congestion notification
 */
struct dpr_handover_options {
	u32 client_isn;
	u32 isn;
	u32 ts_recent;
	u32 ts_now;
	u16 mss;
	u8 client_scale;
	u8 scale;
	bool scales;
	bool timestamps;
	bool sack;
	bool ecn;
};

/**
 * struct dpr_handover_msg - a message, decoded
 * @kind: enum dpr_handover_msg_kind
 * @attempt: which handover of the connection it is, or answers
 * @must: the host is to take it even if it drains: nobody else does
 * @failed: refused only because this one connection could not be made: others are taken
 * @key: the connection
 * @options: they; of an answer only the initial sequence numbers
 */
struct dpr_handover_msg {
	u8 kind;
	u8 attempt;
	bool must;
	bool failed;
	struct dpr_flow_key key;
	struct dpr_handover_options options;
};

struct sk_buff *dpr_handover_msg_encode(const struct dpr_config *cfg,
					const struct dpr_handover_msg *msg,
					const struct sk_buff *packet,
					const struct dpr_addr *to);
bool dpr_handover_msg_is(struct sk_buff *skb, const struct dpr_inner *in);
enum dpr_stat dpr_handover_msg_decode(const struct dpr_config *cfg,
				      struct sk_buff *skb, struct dpr_inner *in,
				      struct dpr_handover_msg *msg);
unsigned int dpr_handover_msg_overhead(bool wide);

#endif /* _DPR_HANDOVER_MSG_H */
