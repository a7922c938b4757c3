// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/tcp.h>
#include "compat.h"
#include "splice_shift.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "splice_track.h"

static void dpr_splice_shift_by(u8 *at, u32 by)
{
	put_unaligned_be32(get_unaligned_be32(at) + by, at);
}

/**
 * dpr_splice_shift_client - have a client's segment speak of what the backend has sent
 * @skb: the packet
 * @th: its TCP header, writable, all of it in the linear part
 * @splice: its splice, shifted
 *
 * Acknowledgment, SACK blocks, and the timestamp that is echoed.
 */
void dpr_splice_shift_client(const struct sk_buff *skb, struct tcphdr *th,
			     const struct dpr_splice *splice)
{
	const __wsum sum = dpr_splice_tcp_begin(th);
	u8 *at;
	int i;

	if (th->ack)
		th->ack_seq = htonl(ntohl(th->ack_seq) - splice->shift);
	dpr_splice_tcp_each(at, th) {
		if (at[0] == TCPOPT_TIMESTAMP && at[1] == TCPOLEN_TIMESTAMP &&
		    th->ack)
			dpr_splice_shift_by(at + 6, -splice->ts_shift);
		if (at[0] != TCPOPT_SACK)
			continue;
		for (i = TCPOLEN_SACK_BASE; i + 4 <= at[1]; i += 4)
			dpr_splice_shift_by(at + i, -splice->shift);
	}
	dpr_splice_tcp_end(skb, th, sum);
}

/* A window of the backend's, in the unit that the client was told. */
static u16 dpr_splice_shift_window(const struct tcphdr *th,
				   const struct dpr_splice *splice)
{
	const u32 window = (u32)ntohs(th->window) <<
			   (splice->end[DPR_SPLICE_BACKEND].scale & DPR_SPLICE_SHIFT);

	return min_t(u32, window >> (splice->flags & DPR_SPLICE_FLAG_SCALE),
		     U16_MAX);
}

/**
 * dpr_splice_shift_backend - have a backend's segment be one of the end that the client knows
 * @skb: the packet
 * @th: its TCP header, writable, all of it in the linear part
 * @splice: its splice, shifted
 *
 * Sequence number, timestamp, and the unit of the window.
 */
void dpr_splice_shift_backend(const struct sk_buff *skb, struct tcphdr *th,
			      const struct dpr_splice *splice)
{
	const __wsum sum = dpr_splice_tcp_begin(th);
	u8 *at;

	th->seq = htonl(ntohl(th->seq) + splice->shift);
	if (!th->syn)
		th->window = htons(dpr_splice_shift_window(th, splice));
	dpr_splice_tcp_each(at, th)
		if (at[0] == TCPOPT_TIMESTAMP && at[1] == TCPOLEN_TIMESTAMP)
			dpr_splice_shift_by(at + 2, splice->ts_shift);
	dpr_splice_tcp_end(skb, th, sum);
}
