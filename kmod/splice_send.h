/* SPDX-License-Identifier: GPL-2.0 */
/* How packets of a splice get from one end to the other. */
#ifndef _DPR_SPLICE_SEND_H
#define _DPR_SPLICE_SEND_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include "core/parse.h"
#include "splice_table.h"

unsigned int dpr_splice_send(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     struct dpr_splice *splice,
			     enum dpr_splice_from from);
unsigned int dpr_splice_send_kept(struct dpr_net *dn, struct sk_buff *skb,
				  const struct dpr_segment *seg,
				  struct dpr_splice *splice);

/**
 * dpr_splice_plain - can a segment be translated
 * @skb: its packet
 * @seg: the segment
 *
 * Return: false if its TCP header is wrong, or there is something before it that routers
 * act on.
 */
static inline bool dpr_splice_plain(const struct sk_buff *skb,
				    const struct dpr_segment *seg)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;

	return dpr_parse_bare(seg) && th->doff * 4 >= sizeof(*th) &&
	       skb->len >= seg->offset + th->doff * 4;
}

#endif /* _DPR_SPLICE_SEND_H */
