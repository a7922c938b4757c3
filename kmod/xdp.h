/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast path: packets of redirected connections that need nothing but to be sent on go
 * from the device's driver to the device's driver, past the rest of the stack.
 *
 * A program of XDP, which user space attaches to a device (userland/fastpath/xdp), calls
 * dpr_xdp() for each packet. It takes only what the netfilter path would send on as it is
 * by the same flow, route and header, and does not touch anything else: that goes up the
 * stack and comes to the hooks. So what leaves is the same, byte by byte, and there is no
 * second implementation of anything but the way between.
 *
 * What is between is passed by: packet sockets, traffic control, firewalls. The program does
 * not take a packet of a device where anything of that would have seen it, unless it is told
 * to (DPR_XDP_FORCED).
 */
#ifndef _DPR_XDP_H
#define _DPR_XDP_H

#include <linux/bits.h>

struct xdp_md;

/*
 * Of flags: pass by the hooks of others, but for those of another device on the way out. The
 * same in userland/fastpath/xdp.
 */
#define DPR_XDP_FORCED	BIT(0)

int dpr_xdp(struct xdp_md *ctx, int flags);

#endif /* _DPR_XDP_H */
