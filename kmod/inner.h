/* SPDX-License-Identifier: GPL-2.0 */
/* A packet that a peer redirected to this host, while it is examined. */
#ifndef _DPR_INNER_H
#define _DPR_INNER_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/dsfield.h>
#include "core/parse.h"
#include "dpr.h"

struct dpr_net;
struct sock;

/**
 * struct dpr_inner - a redirected packet, while it is examined
 * @olen: length of the outer header; 0: the packet came direct
 * @offset: of what follows the client's IP header, and its extension headers, from
 *	skb->data; set by dpr_inner_valid(), as what follows
 * @len: length of the client's packet, its IP header included
 * @protocol: of what is at @offset
 * @fragment: it is a fragment
 * @outer6: the outer header is one of IPv6
 * @wide: the client's is
 * @marked: the outer header has the marker bit
 * @bulk: it has not, although hosts mark what they redirect: only data for a socket
 * @routed: the outer header is for this host, and the packet has its input route
 * @offer: a SYN in it is an offer
 * @number: its number: a SYN of this number may come back
 * @direct: that is a SYN's number, and what follows it comes direct
 * @ce: congestion was experienced on the way between the hosts
 * @sk: the socket it is for, NULL if unknown
 * @refcounted: a reference on @sk is held
 * @answers: @sk can answer from another host's address
 * @listener: the listener that may take it, NULL if none was looked for
 * @local: from here on dpr_inner_clear() clears nothing; address that the outer header names
 * @first: address of the host that redirected it
 * @seg: the client's segment, if it is one
 */
struct dpr_inner {
	unsigned int olen;
	unsigned int offset;
	unsigned int len;
	u8 protocol;
	bool fragment;
	bool outer6;
	bool wide;
	bool marked;
	bool bulk;
	bool routed;
	bool offer;
	u16 number;
	bool direct;
	bool ce;
	struct sock *sk;
	bool refcounted;
	bool answers;
	struct sock *listener;
	struct dpr_addr local;
	struct dpr_addr first;
	struct dpr_segment seg;
};

/**
 * dpr_inner_clear - nothing is known of a packet yet
 * @in: all but its addresses and its segment, which have to be set
 */
static __always_inline void dpr_inner_clear(struct dpr_inner *in)
{
	memset(in, 0, offsetof(struct dpr_inner, local));
}

/**
 * dpr_inner_header - the client's IP header
 * @skb: the packet
 * @in: what is known of it: it is one of IPv4
 *
 * Return: the header, which is in the linear part once dpr_inner_valid() said so.
 */
static inline struct iphdr *dpr_inner_header(const struct sk_buff *skb,
					     const struct dpr_inner *in)
{
	return (struct iphdr *)(skb->data + in->olen);
}

/** dpr_inner_header6 - likewise, of IPv6 */
static inline struct ipv6hdr *dpr_inner_header6(const struct sk_buff *skb,
						const struct dpr_inner *in)
{
	return (struct ipv6hdr *)(skb->data + in->olen);
}

/** dpr_inner_tcp - its TCP header, in the linear part */
static inline struct tcphdr *dpr_inner_tcp(const struct sk_buff *skb,
					   const struct dpr_inner *in)
{
	return (struct tcphdr *)(skb->data + in->offset);
}

bool dpr_inner_route6(struct sk_buff *skb);
bool dpr_inner_local(struct sk_buff *skb, struct dpr_inner *in);
bool dpr_inner_valid(struct sk_buff *skb, struct dpr_inner *in);
bool dpr_inner_addresses(struct dpr_net *dn, const struct sk_buff *skb,
			 const struct dpr_inner *in);
bool dpr_inner_own(struct dpr_net *dn, const struct sk_buff *skb,
		   const struct dpr_inner *in);
bool dpr_inner_gather6(struct sk_buff *skb);
void dpr_inner_transport6(struct sk_buff *skb);
bool dpr_inner_unwrap(struct sk_buff *skb, const struct dpr_inner *in);
unsigned int dpr_inner_refuse(struct dpr_net *dn, struct sk_buff *skb,
			      struct dpr_inner *in, enum dpr_stat why);

/** dpr_inner_tos - its TOS or traffic class */
static inline u8 dpr_inner_tos(const struct sk_buff *skb,
			       const struct dpr_inner *in)
{
	return unlikely(in->wide) ? ipv6_get_dsfield(dpr_inner_header6(skb, in)) :
				    dpr_inner_header(skb, in)->tos;
}

/* Is all of the TCP header there? */
static __always_inline bool dpr_inner_whole(struct sk_buff *skb,
					    const struct dpr_inner *in)
{
	const struct tcphdr *th;

	if (!pskb_may_pull(skb, in->offset + sizeof(*th)))
		return false;
	th = dpr_inner_tcp(skb, in);
	return th->doff * 4 >= sizeof(*th) &&
	       in->olen + in->len >= in->offset + th->doff * 4;
}

/**
 * dpr_inner_connection - which connection is the client's segment of
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what dpr_inner_valid() has set: its protocol is TCP, and it is no fragment. Of
 *	its segment the key, @offset and @syn are set: all that most need
 *
 * Return: false if there is no whole TCP header.
 */
static __always_inline bool dpr_inner_connection(struct sk_buff *skb,
						 struct dpr_inner *in)
{
	if (!dpr_inner_whole(skb, in))
		return false;
	if (unlikely(in->wide))
		dpr_parse_addresses6(dpr_inner_header6(skb, in), &in->seg.key);
	else
		dpr_parse_addresses(dpr_inner_header(skb, in), &in->seg.key);
	dpr_parse_ports(dpr_inner_tcp(skb, in), in->offset, in->wide, &in->seg);
	return true;
}

/**
 * dpr_inner_numbers - read the rest of the segment
 * @skb: the packet
 * @in: what dpr_inner_connection() has set
 */
static inline void dpr_inner_numbers(const struct sk_buff *skb,
				     struct dpr_inner *in)
{
	dpr_parse_numbers(dpr_inner_tcp(skb, in),
			  in->olen + in->len - in->offset, &in->seg);
}

#endif /* _DPR_INNER_H */
