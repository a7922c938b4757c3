/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first host of a connection that is placed by what its client sends
 * (DPR_DISPATCH_CONNECTION).
 *
 * It answers the SYN, keeps what the client sends without ever acknowledging it, so that
 * the client itself repairs every loss, and decides once there is enough. Then it hands
 * the connection over: each segment goes to the chosen host with all that a socket has to
 * know before it (handover_msg.h), until that host says that it has it. From then on the
 * connection is like any that was redirected. If the host refuses, another one is chosen;
 * if it is silent, none: it may have answered.
 */
#ifndef _DPR_HANDOVER_H
#define _DPR_HANDOVER_H

#include "handover_table.h"

struct dpr_config;
struct dpr_handover_msg;
struct dpr_net;
struct dpr_peer;
struct dpr_segment;
struct sk_buff;

/* What a SYN is to the connections that wait. */
enum dpr_handover_syn {
	DPR_HANDOVER_SYN_NEW,	/* of none of them */
	DPR_HANDOVER_SYN_OTHER,	/* another one than that known of its 4-tuple */
	DPR_HANDOVER_SYN_DONE,	/* it is to be dropped */
};

int dpr_handover_setup(struct dpr_net *dn);
bool dpr_handover_begin(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_segment *seg);
enum dpr_handover_syn dpr_handover_again(struct dpr_net *dn,
					 const struct dpr_config *cfg,
					 const struct dpr_segment *seg);
bool __dpr_handover_segment(struct dpr_net *dn, const struct dpr_config *cfg,
			    struct sk_buff *skb, const struct dpr_segment *seg,
			    bool came, unsigned int *verdict);
void dpr_handover_answered(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct dpr_peer *peer, const struct dpr_handover_msg *msg);

/**
 * dpr_handover_segment - is a segment of a connection that waits for its host
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet; pointers into it are stale afterwards
 * @seg: the segment, no SYN
 * @verdict: set to the netfilter verdict if so
 *
 * It came from the client just now, so that IPsec's policy is asked. Called under RCU in
 * softirq.
 */
static __always_inline bool
dpr_handover_segment(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_segment *seg,
		     unsigned int *verdict)
{
	return dpr_handover_on() &&
	       __dpr_handover_segment(dn, cfg, skb, seg, true, verdict);
}

/** dpr_handover_segment_kept - the same for one that a host has kept, or has sent here */
static inline bool
dpr_handover_segment_kept(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct sk_buff *skb, const struct dpr_segment *seg,
			  unsigned int *verdict)
{
	return dpr_handover_on() &&
	       __dpr_handover_segment(dn, cfg, skb, seg, false, verdict);
}

#endif /* _DPR_HANDOVER_H */
