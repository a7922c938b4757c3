/* SPDX-License-Identifier: GPL-2.0 */
/* Segments to a backend that its client has not sent, or not so. */
#ifndef _DPR_SPLICE_MAKE_H
#define _DPR_SPLICE_MAKE_H

#include <linux/tcp.h>
#include <net/tcp.h>
#include "splice_table.h"

struct dst_entry;
struct sk_buff;

/**
 * struct dpr_splice_make - such a segment
 * @like: the client's packet that it goes before, or in place of; NULL if there is none
 * @th: its header, but for ports and checksum
 * @options: as many as the header's length says
 */
struct dpr_splice_make {
	const struct sk_buff *like;
	struct tcphdr th;
	u8 options[MAX_TCP_OPTION_SPACE];
};

struct sk_buff *dpr_splice_make(struct dpr_net *dn, const struct dpr_splice *splice,
				struct dst_entry *dst,
				const struct dpr_splice_make *what,
				unsigned int len);
void dpr_splice_make_send(struct dpr_net *dn, const struct dpr_splice *splice,
			  struct dst_entry *dst, struct sk_buff *skb);

#endif /* _DPR_SPLICE_MAKE_H */
