/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Redirected SYNs that this host sends back (offer.h).
 */
#ifndef _DPR_REFUSE_H
#define _DPR_REFUSE_H

#include "dpr.h"

struct dpr_config;
struct dpr_inner;
struct dpr_net;
struct sk_buff;

enum dpr_stat dpr_refuse_why(struct dpr_net *dn, const struct dpr_config *cfg,
			     const struct sk_buff *skb,
			     const struct dpr_inner *in);
unsigned int dpr_refuse(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_inner *in,
			enum dpr_stat why);

#endif /* _DPR_REFUSE_H */
