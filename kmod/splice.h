/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Splices: connections that this host translates and passes on to a backend, a server that
 * runs nothing of ours, and whose answers it translates back.
 */
#ifndef _DPR_SPLICE_H
#define _DPR_SPLICE_H

#include "config.h"
#include "core/parse.h"
#include "netns.h"
#include "splice_table.h"

struct sk_buff;

bool dpr_splice_segment(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_segment *seg,
			unsigned int *verdict);
bool dpr_splice_begin(struct dpr_net *dn, const struct dpr_config *cfg,
		      struct sk_buff *skb, const struct dpr_segment *seg,
		      u64 below, unsigned int *verdict);
unsigned int dpr_splice_answer(struct dpr_net *dn, struct sk_buff *skb);
unsigned int dpr_splice_answer6(struct dpr_net *dn, struct sk_buff *skb);
unsigned int dpr_splice_answer6_at(struct dpr_net *dn, struct sk_buff *skb,
				   unsigned int offset);

/**
 * dpr_splice_port - may a packet to this port be an answer of a backend
 * @dn: the namespace
 * @port: host byte order
 *
 * Called under RCU, if dpr_splice_on().
 */
static inline bool dpr_splice_port(const struct dpr_net *dn, u16 port)
{
	const struct dpr_config *cfg;

	if (!rcu_access_pointer(dn->splices))
		return false;
	cfg = rcu_dereference(dn->config);
	return port >= cfg->splice_first && port <= cfg->splice_last;
}

#endif /* _DPR_SPLICE_H */
