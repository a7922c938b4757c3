/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Handing a client's packet to the stack that came in a tunnel of the other family: the
 * hook that saw the tunnel's packet cannot let it pass as what it is now.
 */
#ifndef _DPR_DELIVER_H
#define _DPR_DELIVER_H

#include <linux/bits.h>

struct dpr_net;
struct sk_buff;

/*
 * In the flags of the packet's control block (IPCB, IP6CB): this module has had it. The
 * kernel uses the lower ones, and clears all when a packet arrives.
 */
#define DPR_DELIVER_FLAG	BIT(15)

bool dpr_deliver_prepare(struct dpr_net *dn, struct sk_buff *skb);
void dpr_deliver_routed(struct dpr_net *dn, struct sk_buff *skb);
unsigned int dpr_deliver(struct dpr_net *dn, struct sk_buff *skb);

#endif /* _DPR_DELIVER_H */
