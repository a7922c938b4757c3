/* SPDX-License-Identifier: GPL-2.0 */
/* The ways out of this host to both ends of a splice. */
#ifndef _DPR_SPLICE_OUT_H
#define _DPR_SPLICE_OUT_H

#include <linux/types.h>
#include "dpr.h"
#include "splice_table.h"

struct dpr_net;
struct dst_entry;
struct sk_buff;

struct dst_entry *dpr_splice_route(struct dpr_net *dn, struct dpr_splice *splice,
				   enum dpr_splice_from from);
bool dpr_splice_output(struct dpr_net *dn, struct sk_buff *skb,
		       struct dst_entry *dst, bool fits);
unsigned int dpr_splice_drop(struct dpr_net *dn, enum dpr_stat why);

#endif /* _DPR_SPLICE_OUT_H */
