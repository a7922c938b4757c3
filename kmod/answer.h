/* SPDX-License-Identifier: GPL-2.0 */
/* Messages from peers about who has a connection's socket (owner_msg.h). */
#ifndef _DPR_ANSWER_H
#define _DPR_ANSWER_H

#include "dpr.h"

struct dpr_config;
struct dpr_inner;
struct dpr_net;
struct sk_buff;

enum dpr_stat dpr_answer_receive(struct dpr_net *dn,
				 const struct dpr_config *cfg,
				 struct sk_buff *skb, const struct dpr_inner *in,
				 bool group);

#endif /* _DPR_ANSWER_H */
