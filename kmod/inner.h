/* SPDX-License-Identifier: GPL-2.0 */
/* A packet that a peer redirected to this host, while it is examined. */
#ifndef _DPR_INNER_H
#define _DPR_INNER_H

#include <linux/ip.h>
#include <linux/skbuff.h>
#include "dpr.h"

struct dpr_net;
struct sock;

/**
 * struct dpr_inner - a redirected packet, while it is examined
 * @olen: length of the outer header
 * @marked: the outer header has the marker bit
 * @routed: the outer header is for this host, and the packet has its input route
 * @offer: it has no DF: a SYN in it is an offer
 * @number: the outer header's identification: a SYN of this number may come back
 * @ce: congestion was experienced on the way between the hosts
 * @sk: the socket it is for, NULL if unknown
 * @refcounted: a reference on @sk is held
 * @answers: @sk can answer from another host's address
 * @listener: the listener that may take it, NULL if none was looked for
 * @local: address that the outer header names
 * @first: address of the host that redirected it
 */
struct dpr_inner {
	unsigned int olen;
	bool marked;
	bool routed;
	bool offer;
	u16 number;
	bool ce;
	struct sock *sk;
	bool refcounted;
	bool answers;
	struct sock *listener;
	__be32 local;
	__be32 first;
};

/**
 * dpr_inner_header - the client's IP header
 * @skb: the packet
 * @in: what is known of it
 *
 * Return: the header, which is in the linear part once dpr_inner_valid() said so.
 */
static inline struct iphdr *dpr_inner_header(const struct sk_buff *skb,
					     const struct dpr_inner *in)
{
	return (struct iphdr *)(skb->data + in->olen);
}

bool dpr_inner_local(struct sk_buff *skb, struct dpr_inner *in);
bool dpr_inner_valid(struct sk_buff *skb, const struct dpr_inner *in);
bool dpr_inner_addresses(struct dpr_net *dn, const struct sk_buff *skb,
			 const struct dpr_inner *in);
bool dpr_inner_own(struct dpr_net *dn, const struct sk_buff *skb,
		   const struct dpr_inner *in);
bool dpr_inner_unwrap(struct sk_buff *skb, const struct dpr_inner *in);
unsigned int dpr_inner_refuse(struct dpr_net *dn, struct sk_buff *skb,
			      struct dpr_inner *in, enum dpr_stat why);

#endif /* _DPR_INNER_H */
