/* SPDX-License-Identifier: GPL-2.0 */
/* Forwarding in IPv4: IP-in-IP (RFC 2003), and IPv6 in it (RFC 4213). */
#ifndef _DPR_FWD_IPIP_H
#define _DPR_FWD_IPIP_H

#include <linux/ip.h>
#include <net/checksum.h>
#include "route.h"

struct dpr_addr;
struct dpr_config;
struct dpr_net;
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

/**
 * dpr_fwd_ipip_header - write a packet's outer header
 * @outer: where
 * @route: the way to the peer, with what all packets there have in common
 * @tos: the inner packet's; the outer header starts with its ECN (RFC 6040, normal mode)
 * @len: bytes, the outer header included
 * @number: as for dpr_fwd_ipip_output()
 */
static __always_inline void dpr_fwd_ipip_header(struct iphdr *outer,
						const struct dpr_route *route,
						u8 tos, unsigned int len,
						u32 number)
{
	u32 check;

	*outer = route->ip;
	outer->tos = tos;
	outer->tot_len = htons(len);
	check = route->check + (__force u16)htons(tos) +
		(__force u16)outer->tot_len;
	if (number) {
		outer->id = htons((u16)number);
		check += (__force u16)outer->id;
		if (unlikely(number & DPR_FWD_OFFER)) {
			outer->frag_off &= ~htons(IP_DF);
			check += (__force u16)~htons(IP_DF);
		}
		if (number & DPR_FWD_BULK) {
			check += (__force u16)~(outer->frag_off &
						htons(DPR_FWD_IPIP_MARK));
			outer->frag_off &= ~htons(DPR_FWD_IPIP_MARK);
		}
	}
	outer->check = csum_fold((__force __wsum)check);
}

void dpr_fwd_ipip_prepare(struct dpr_route *route,
			  const struct dpr_config *cfg,
			  const struct dpr_addr *peer, u8 protocol);
int dpr_fwd_ipip_xmit_on(struct net *net, struct sk_buff *skb);
void dpr_fwd_ipip_output(struct dpr_net *dn, struct sk_buff *skb,
			 const struct dpr_route *route, u32 number);

#endif /* _DPR_FWD_IPIP_H */
