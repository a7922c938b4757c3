/* SPDX-License-Identifier: GPL-2.0 */
/* Changes to the TCP headers of a splice's packets. */
#ifndef _DPR_SPLICE_TCP_H
#define _DPR_SPLICE_TCP_H

#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/tcp.h>

/**
 * dpr_splice_tcp_ports - what other ports add to the checksum
 * @th: the header, with those that it has now
 * @source: the source port that it gets
 * @dest: the destination port that it gets
 */
static inline __wsum dpr_splice_tcp_ports(const struct tcphdr *th, __be16 source,
					  __be16 dest)
{
	const u32 old = (u32)(__force u16)th->source + (__force u16)th->dest;
	const u32 new = (u32)(__force u16)source + (__force u16)dest;

	return csum_sub((__force __wsum)new, (__force __wsum)old);
}

/**
 * dpr_splice_tcp_option - the next option
 * @at: where it is, or padding before it
 * @end: the end of the header
 *
 * Return: the option, all of which is before @end; NULL if there is none, or no right one.
 */
static inline u8 *dpr_splice_tcp_option(const u8 *at, const u8 *end)
{
	while (at < end && *at == TCPOPT_NOP)
		at++;
	if (end - at < 2 || *at == TCPOPT_EOL || at[1] < 2 || at[1] > end - at)
		return NULL;
	return (u8 *)at;
}

/* All options of a header that is in the linear part. */
#define dpr_splice_tcp_each(at, th)						\
	for ((at) = dpr_splice_tcp_option((const u8 *)((th) + 1),		\
					  (const u8 *)(th) + (th)->doff * 4);	\
	     (at);								\
	     (at) = dpr_splice_tcp_option((at) + (at)[1],			\
					  (const u8 *)(th) + (th)->doff * 4))

/**
 * dpr_splice_tcp_begin - before changes to a header
 * @th: the header, writable, all of it in the linear part
 *
 * Return: its sum, for dpr_splice_tcp_end().
 */
static inline __wsum dpr_splice_tcp_begin(const struct tcphdr *th)
{
	return csum_partial(th, th->doff * 4, 0);
}

/**
 * dpr_splice_tcp_end - mend the checksum after changes to a header
 * @skb: the packet
 * @th: its header, as long as before
 * @sum: its sum before
 *
 * If the checksum is yet to be made there is only a sum over the pseudo header, which stays.
 */
static inline void dpr_splice_tcp_end(const struct sk_buff *skb, struct tcphdr *th,
				      __wsum sum)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		csum_replace_by_diff(&th->check,
				     csum_sub(csum_partial(th, th->doff * 4, 0),
					      sum));
}

#endif /* _DPR_SPLICE_TCP_H */
