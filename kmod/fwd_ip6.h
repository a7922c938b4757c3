/* SPDX-License-Identifier: GPL-2.0 */
/* Forwarding in IPv6 (RFC 2473), of packets of either family. */
#ifndef _DPR_FWD_IP6_H
#define _DPR_FWD_IP6_H

#include <linux/ipv6.h>

struct dpr_addr;
struct dpr_config;
struct dpr_net;
struct dpr_route;
struct sk_buff;

/* Bytes that it adds to a packet. */
#define DPR_FWD_IP6_OVERHEAD	sizeof(struct ipv6hdr)

void dpr_fwd_ip6_prepare(struct dpr_route *route, const struct dpr_config *cfg,
			 const struct dpr_addr *peer, u8 protocol);
void dpr_fwd_ip6_output(struct dpr_net *dn, struct sk_buff *skb,
			const struct dpr_route *route, u32 number);

#endif /* _DPR_FWD_IP6_H */
