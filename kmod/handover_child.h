/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making the socket of a connection whose handshake another host, or this module, has
 * done: in the accept queue of a server that notices nothing.
 *
 * The stack does it as it does after a SYN cookie: that, too, begins with the first
 * segment after the handshake, and nothing before it. There is no timer, and nothing of
 * this module that would be called later.
 */
#ifndef _DPR_HANDOVER_CHILD_H
#define _DPR_HANDOVER_CHILD_H

#include "handover_msg.h"

struct dpr_net;
struct sk_buff;
struct sock;

bool dpr_handover_child_possible(struct dpr_net *dn, const struct sock *lsk);
bool dpr_handover_child_deliver(struct dpr_net *dn, struct sock *lsk,
				struct sk_buff *skb,
				const struct dpr_flow_key *key,
				const struct dpr_handover_options *options);

#endif /* _DPR_HANDOVER_CHILD_H */
