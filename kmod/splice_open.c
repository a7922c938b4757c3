// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/tcp.h>
#include "backend.h"
#include "compat.h"
#include "dpr.h"
#include "splice_make.h"
#include "splice_open.h"
#include "splice_out.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "splice_track.h"
#include "stats.h"

/* The options of the SYN; returns the length of its header. */
static unsigned int dpr_splice_open_options(struct dpr_splice_make *what,
					    const struct dpr_handover_options *options)
{
	__be32 *at = (__be32 *)what->options;

	*at++ = htonl(TCPOPT_MSS << 24 | TCPOLEN_MSS << 16 | options->mss);
	if (options->sack)
		*at++ = htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
			      TCPOPT_SACK_PERM << 8 | TCPOLEN_SACK_PERM);
	if (options->timestamps) {
		*at++ = htonl(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
			      TCPOPT_TIMESTAMP << 8 | TCPOLEN_TIMESTAMP);
		*at++ = htonl(options->ts_recent);
		*at++ = 0;
	}
	if (options->scales)
		*at++ = htonl(TCPOPT_NOP << 24 | TCPOPT_WINDOW << 16 |
			      TCPOLEN_WINDOW << 8 | options->client_scale);
	return sizeof(what->th) + ((u8 *)at - what->options);
}

/* The SYN, as the client would have sent it. */
static void dpr_splice_open_fill(struct dpr_splice_make *what,
				 const struct dpr_splice *splice,
				 const struct dpr_handover_options *options)
{
	*what = (struct dpr_splice_make){
		.th = {
			.seq = htonl(options->client_isn - splice->proxy_len),
			.syn = 1,
			.ece = options->ecn,
			.cwr = options->ecn,
			/* What the client has now it says with its data. */
			.window = htons(U16_MAX),
		},
	};
	what->th.doff = dpr_splice_open_options(what, options) / 4;
}

/**
 * dpr_splice_open - make a splice that is to be opened
 * @dn: the namespace
 * @cfg: the service's configuration
 * @key: the connection; an earlier one of the same ports is forgotten
 * @options: what was agreed on with the client
 * @backend: the backend
 *
 * Counts why it cannot be. Called under RCU with bottom halves off.
 *
 * Return: the splice, for dpr_splice_open_syn(); NULL if there is none.
 */
struct dpr_splice *dpr_splice_open(struct dpr_net *dn, const struct dpr_config *cfg,
				   const struct dpr_flow_key *key,
				   const struct dpr_handover_options *options,
				   struct dpr_backend *backend)
{
	const struct dpr_segment seg = {
		.key = *key,
		.seq = options->client_isn,
		.end = options->client_isn + 1,
		.syn = true,
	};
	struct dpr_splice_end *old = dpr_splice_table_find(dn, key);
	const struct dpr_backend_way *way = dpr_backend_way(dn, backend);
	struct dpr_splice_make what;
	struct dpr_splice *splice;

	if (!way) {
		dpr_stats_inc(dn, DPR_STAT_SPLICE_NO_ROUTE);
		return NULL;
	}
	if (old)
		dpr_splice_table_kill(dn, dpr_splice_of(old));
	splice = dpr_splice_table_insert(dn, cfg, &seg, backend, way,
					 DPR_SPLICE_FLAG_PLACED |
					 DPR_SPLICE_FLAG_OPENING);
	/* Nobody else places this connection; but its ports may have been used for a SYN. */
	if (!splice || dpr_splice_noted(splice))
		return NULL;
	dpr_splice_open_fill(&what, splice, options);
	dpr_splice_track_syn(dn, splice, &seg, &what.th);
	return splice;
}

/**
 * dpr_splice_open_syn - send the SYN to the backend, again or for the first time
 * @dn: the namespace
 * @splice: the splice
 * @options: what was agreed on with the client
 *
 * If it cannot be sent there is another chance when it is sent again. Called under RCU with
 * bottom halves off.
 */
void dpr_splice_open_syn(struct dpr_net *dn, struct dpr_splice *splice,
			 const struct dpr_handover_options *options)
{
	struct dst_entry *dst = dpr_splice_route(dn, splice, DPR_SPLICE_CLIENT);
	struct dpr_splice_make what;
	struct sk_buff *skb;

	if (!dst)
		return;
	dpr_splice_open_fill(&what, splice, options);
	skb = dpr_splice_make(dn, splice, dst, &what, 0);
	if (skb)
		dpr_splice_make_send(dn, splice, dst, skb);
}

/* The timestamp of a backend's SYN; false if it has none. */
static bool dpr_splice_open_timestamp(const struct tcphdr *th, u32 *timestamp)
{
	const u8 *at;

	dpr_splice_tcp_each(at, th) {
		if (at[0] != TCPOPT_TIMESTAMP || at[1] != TCPOLEN_TIMESTAMP)
			continue;
		*timestamp = get_unaligned_be32(at + 2);
		return true;
	}
	return false;
}

/**
 * dpr_splice_open_answer - take a backend's SYN
 * @dn: the namespace
 * @splice: the splice, which nobody else opens now
 * @skb: its packet
 * @seg: the same, parsed; all of its TCP header is in the linear part
 * @options: what was agreed on with the client
 * @echo: this host's timestamp that the client has echoed, if there are any
 *
 * The client echoes that until it gets something of the backend's. So it stands for the
 * backend's first one, and the client's clock of this end does not go back. Called under RCU
 * in softirq.
 */
enum dpr_splice_opened
dpr_splice_open_answer(struct dpr_net *dn, struct dpr_splice *splice,
		       const struct sk_buff *skb, const struct dpr_segment *seg,
		       const struct dpr_handover_options *options, u32 echo)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;
	const u8 *scale = &splice->end[DPR_SPLICE_BACKEND].scale;
	struct dpr_segment shifted = *seg;
	u32 timestamp = echo;

	splice->shift = options->isn - seg->seq;
	shifted.seq += splice->shift;
	shifted.end += splice->shift;
	dpr_splice_track(dn, splice, DPR_SPLICE_BACKEND, &shifted, th);
	if (!(*scale & DPR_SPLICE_ANSWERED))
		return DPR_SPLICE_OPEN_WRONG;
	if ((options->scales && !(*scale & DPR_SPLICE_SCALED)) ||
	    (options->timestamps && !dpr_splice_open_timestamp(th, &timestamp)) ||
	    (options->ecn && !th->ece))
		return DPR_SPLICE_OPEN_OTHERWISE;
	splice->ts_shift = echo - timestamp;
	if (!dpr_splice_table_move(dn, splice, DPR_SPLICE_SYN,
				   DPR_SPLICE_ESTABLISHED))
		return DPR_SPLICE_OPEN_OTHERWISE;
	WRITE_ONCE(splice->last, (u32)jiffies);
	/* Whoever sees that it is open sees how it is shifted. */
	smp_store_release(&splice->flags, DPR_SPLICE_FLAG_PLACED |
					  (options->scales ? options->scale : 0));
	return DPR_SPLICE_OPEN;
}
