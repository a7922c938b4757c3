/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Opening a connection to a backend whose client has had its handshake from this host
 * (handover.h): the SYN has the client's sequence number, so that only the backend's side is
 * shifted, and the options that were agreed on.
 */
#ifndef _DPR_SPLICE_OPEN_H
#define _DPR_SPLICE_OPEN_H

#include "config.h"
#include "core/parse.h"
#include "handover_msg.h"
#include "netns.h"
#include "splice_table.h"

struct dpr_backend;
struct sk_buff;

/**
 * enum dpr_splice_opened - what a backend's SYN means
 * @DPR_SPLICE_OPEN: the connection is there
 * @DPR_SPLICE_OPEN_WRONG: nothing: it acknowledges something else
 * @DPR_SPLICE_OPEN_OTHERWISE: the backend does not agree to what its client was told
 */
enum dpr_splice_opened {
	DPR_SPLICE_OPEN,
	DPR_SPLICE_OPEN_WRONG,
	DPR_SPLICE_OPEN_OTHERWISE,
};

struct dpr_splice *dpr_splice_open(struct dpr_net *dn, const struct dpr_config *cfg,
				   const struct dpr_flow_key *key,
				   const struct dpr_handover_options *options,
				   struct dpr_backend *backend);
void dpr_splice_open_syn(struct dpr_net *dn, struct dpr_splice *splice,
			 const struct dpr_handover_options *options);
enum dpr_splice_opened
dpr_splice_open_answer(struct dpr_net *dn, struct dpr_splice *splice,
		       const struct sk_buff *skb, const struct dpr_segment *seg,
		       const struct dpr_handover_options *options, u32 echo);

#endif /* _DPR_SPLICE_OPEN_H */
