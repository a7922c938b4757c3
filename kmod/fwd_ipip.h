/* SPDX-License-Identifier: GPL-2.0 */
/* Forwarding by IP-in-IP (RFC 2003). */
#ifndef _DPR_FWD_IPIP_H
#define _DPR_FWD_IPIP_H

#include <linux/ip.h>

struct dpr_config;
struct dpr_net;
struct dpr_route;
struct sk_buff;

/* The reserved bit of the fragment field: the marker. */
#define DPR_FWD_IPIP_MARK	0x8000
/* Bytes that it adds to a packet. */
#define DPR_FWD_IPIP_OVERHEAD	sizeof(struct iphdr)

/* With the number of a packet: its outer header has no DF. */
#define DPR_FWD_OFFER		BIT(16)

void dpr_fwd_ipip_prepare(struct dpr_route *route,
			  const struct dpr_config *cfg, __be32 peer);
void dpr_fwd_ipip_output(struct dpr_net *dn, struct sk_buff *skb,
			 const struct dpr_route *route, u32 number);

#endif /* _DPR_FWD_IPIP_H */
