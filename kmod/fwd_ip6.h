/* SPDX-License-Identifier: GPL-2.0 */
/* Forwarding in IPv6 (RFC 2473), of packets of either family. */
#ifndef _DPR_FWD_IP6_H
#define _DPR_FWD_IP6_H

#include <linux/ipv6.h>
#include <net/ipv6.h>
#include "route.h"

struct dpr_addr;
struct dpr_config;
struct dpr_net;
struct sk_buff;

/* Bytes that it adds to a packet. */
#define DPR_FWD_IP6_OVERHEAD	sizeof(struct ipv6hdr)

/**
 * dpr_fwd_ip6_header - write a packet's outer header
 * @outer: where
 * @route: the way to the peer, with what all packets there have in common
 * @tos: the inner packet's; the outer header starts with its ECN (RFC 6040, normal mode)
 * @label: the flow label
 * @len: bytes, without the outer header
 */
static inline void dpr_fwd_ip6_header(struct ipv6hdr *outer,
				      const struct dpr_route *route, u8 tos,
				      __be32 label, unsigned int len)
{
	*outer = route->ip6;
	ip6_flow_hdr(outer, tos, label);
	outer->payload_len = htons(len);
}

void dpr_fwd_ip6_prepare(struct dpr_route *route, const struct dpr_config *cfg,
			 const struct dpr_addr *peer, u8 protocol);
void dpr_fwd_ip6_output(struct dpr_net *dn, struct sk_buff *skb,
			const struct dpr_route *route, u32 number);

#endif /* _DPR_FWD_IP6_H */
