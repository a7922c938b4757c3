/* SPDX-License-Identifier: GPL-2.0 */
/* Forwarding in IPv4: IP-in-IP (RFC 2003), and IPv6 in it (RFC 4213). */
#ifndef _DPR_FWD_IPIP_H
#define _DPR_FWD_IPIP_H

#include <linux/ip.h>

struct dpr_addr;
struct dpr_config;
struct dpr_net;
struct dpr_route;
struct net;
struct sk_buff;

/* The reserved bit of the fragment field: the marker. */
#define DPR_FWD_IPIP_MARK	0x8000
/* Bytes that it adds to a packet. */
#define DPR_FWD_IPIP_OVERHEAD	sizeof(struct iphdr)

/* With the number of a packet: its outer header has no DF. */
#define DPR_FWD_OFFER		BIT(16)

/* Beside a number, which may be 0: the outer header has one. */
#define DPR_FWD_NUMBERED	BIT(17)

/* The packet is bulk data: it goes without the mark, so that the receiver may merge it. */
#define DPR_FWD_BULK		BIT(18)

void dpr_fwd_ipip_prepare(struct dpr_route *route,
			  const struct dpr_config *cfg,
			  const struct dpr_addr *peer, u8 protocol);
int dpr_fwd_ipip_xmit_on(struct net *net, struct sk_buff *skb);
void dpr_fwd_ipip_output(struct dpr_net *dn, struct sk_buff *skb,
			 const struct dpr_route *route, u32 number);

#endif /* _DPR_FWD_IPIP_H */
