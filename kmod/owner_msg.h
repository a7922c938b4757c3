/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The messages between hosts about who has a connection's socket: how they look
 * on the wire. They go through the tunnel, as packets that hosts redirect do.
 */
#ifndef _DPR_OWNER_MSG_H
#define _DPR_OWNER_MSG_H

#include "core/parse.h"

struct sk_buff;

/*
 * Protocol number of the inner packet that carries a message between hosts:
 * one that RFC 3692 sets aside for such use.
 */
#define DPR_OWNER_MSG_PROTOCOL	253

/*
 * Questions that one message may put. In its tunnel it fits 576 bytes, or 1,280 if they are
 * about connections of IPv6, whose packets must fit that, too.
 */
#define DPR_OWNER_MSG_MOST	28

/*
 * A host of version 0.1 knows the first two, one of 0.2 the first five; they drop
 * the others. One of 0.1 answers a question by a claim or not at all.
 */
enum dpr_owner_msg_kind {
	DPR_OWNER_MSG_WHO = 1,		/* who has this connection's socket? */
	DPR_OWNER_MSG_CLAIM = 2,	/* I have */
	DPR_OWNER_MSG_STILL = 3,	/* do you still have it? */
	DPR_OWNER_MSG_GONE = 4,	/* I have not, or no longer */
	DPR_OWNER_MSG_TIME_WAIT = 5,	/* it is in TIME_WAIT */
	DPR_OWNER_MSG_PROBE = 6,	/* do you get this? no connection */
	DPR_OWNER_MSG_ECHO = 7,	/* I do */
	DPR_OWNER_MSG_SOURCE_PROBE = 8,	/* answer from your address and from mine */
	DPR_OWNER_MSG_SOURCE_ECHO = 9,	/* this is one of the answers (source.h) */
	DPR_OWNER_MSG_MANY = 10,	/* who has each of these connections' sockets? */
	DPR_OWNER_MSG_MISSED = 11,	/* a segment of it came here; I have no socket */
};

/**
 * struct dpr_owner_msg - a message, decoded
 * @kind: enum dpr_owner_msg_kind, or what a later version has sent
 * @nonce: drawn with DPR_OWNER_MSG_WHO, repeated by the claim; of a connection
 *	that has a flow it is the client's initial sequence number
 * @key: the connection; of DPR_OWNER_MSG_SOURCE_ECHO the addresses of the host that asked
 *	and of the one that answers
 */
struct dpr_owner_msg {
	u8 kind;
	u32 nonce;
	struct dpr_flow_key key;
};

/**
 * struct dpr_owner_question - who has a connection's socket?
 * @nonce: repeated by the claim
 * @key: the connection
 */
struct dpr_owner_question {
	u32 nonce;
	struct dpr_flow_key key;
};

/**
 * struct dpr_owner_many - a message of several questions, its frame decoded
 * @offset: of the first question from skb->data
 * @n: how many there are
 * @wide: about connections of IPv6
 */
struct dpr_owner_many {
	unsigned int offset;
	u32 n;
	bool wide;
};

struct sk_buff *dpr_owner_msg_alloc(unsigned int len, const struct dpr_addr *from,
				    const struct dpr_addr *to);
struct sk_buff *dpr_owner_msg_encode(const struct dpr_owner_msg *msg,
				     const struct dpr_addr *from,
				     const struct dpr_addr *to);
bool dpr_owner_msg_decode(const struct sk_buff *skb, unsigned int offset,
			  unsigned int len, struct dpr_owner_msg *msg);
struct sk_buff *
dpr_owner_msg_encode_many(const struct dpr_owner_question *question, u32 n,
			  const struct dpr_addr *from, const struct dpr_addr *to);
struct sk_buff *dpr_owner_msg_copy(const struct sk_buff *skb,
				   const struct dpr_addr *to);
bool dpr_owner_msg_decode_many(const struct sk_buff *skb, unsigned int offset,
			       unsigned int len, struct dpr_owner_many *many);
bool dpr_owner_msg_question(const struct sk_buff *skb,
			    const struct dpr_owner_many *many, u32 i,
			    struct dpr_owner_msg *msg);

#endif /* _DPR_OWNER_MSG_H */
