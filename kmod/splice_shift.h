/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections whose handshake this host did before there was a backend: the backend's
 * numbers, timestamps and windows are other ones than the client was told.
 */
#ifndef _DPR_SPLICE_SHIFT_H
#define _DPR_SPLICE_SHIFT_H

#include <linux/types.h>
#include "splice_table.h"

struct sk_buff;
struct tcphdr;

void dpr_splice_shift_client(const struct sk_buff *skb, struct tcphdr *th,
			     const struct dpr_splice *splice);
void dpr_splice_shift_backend(const struct sk_buff *skb, struct tcphdr *th,
			      const struct dpr_splice *splice);

#endif /* _DPR_SPLICE_SHIFT_H */
