/* SPDX-License-Identifier: GPL-2.0 */
/* Is another host to serve a connection from its next request on? */
#ifndef _DPR_MIGRATE_WHERE_H
#define _DPR_MIGRATE_WHERE_H

#include <linux/types.h>

struct dpr_net;
struct dpr_peer;
struct dpr_segment;
struct sk_buff;
struct sock;

bool dpr_migrate_where(struct dpr_net *dn, const struct sk_buff *skb,
		       const struct dpr_segment *seg, u32 end,
		       const struct dpr_peer *first, const struct sock *sk);

#endif /* _DPR_MIGRATE_WHERE_H */
