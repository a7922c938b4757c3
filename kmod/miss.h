/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Misses: segments that followed the stateless policy's hash, or a flow of another
 * connection, to a host that has no socket of theirs. Hosts do not always agree on the set
 * that is hashed over: one has just started, or has not heard of another for a while. The
 * host that was missed tells the one that sent the segment, which asks the others.
 */
#ifndef _DPR_MISS_H
#define _DPR_MISS_H

#include <linux/types.h>

struct dpr_config;
struct dpr_inner;
struct dpr_net;
struct dpr_owner_msg;
struct dpr_peer;
struct sk_buff;

void dpr_miss_setup(struct dpr_net *dn);
struct dpr_peer *dpr_miss_first(struct dpr_net *dn, const struct dpr_config *cfg,
				const struct sk_buff *skb,
				const struct dpr_inner *in);
bool dpr_miss_tell(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct sk_buff *skb, const struct dpr_inner *in);
void dpr_miss_tell_bulk(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_inner *in);
bool dpr_miss_told(struct dpr_net *dn, const struct dpr_config *cfg,
		   struct sk_buff *skb, struct dpr_peer *peer,
		   const struct dpr_owner_msg *msg);

#endif /* _DPR_MISS_H */
