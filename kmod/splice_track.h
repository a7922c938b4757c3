/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the segments of both ends say of a splice's state.
 *
 * All segments are passed on: the ends know best what is right. But anybody can forge one,
 * so only what an end could have sent changes what is noted here (RFC 5961 is what the ends
 * do themselves). A FIN or RST that is believed only makes the splice forgotten sooner.
 */
#ifndef _DPR_SPLICE_TRACK_H
#define _DPR_SPLICE_TRACK_H

#include <net/tcp.h>
#include "core/parse.h"
#include "splice_table.h"

#define DPR_SPLICE_FIN		1	/* of fin: it has sent its FIN */
#define DPR_SPLICE_RST		2	/* of fin: a RST */
#define DPR_SPLICE_ANSWERED	0x80	/* of the backend's scale: it has sent its SYN */
#define DPR_SPLICE_SCALED	0x40	/* of scale: it knows scaled windows */
#define DPR_SPLICE_NOTED	0x20	/* of the client's scale: its SYN has been noted */
#define DPR_SPLICE_OTHER	0x10	/* of the client's scale: it has sent another SYN since */
#define DPR_SPLICE_SHIFT	0x0f	/* of scale: by so much */
/* Of bytes that are so far behind an end says no more: the largest window without a scale. */
#define DPR_SPLICE_BACK	65535

/**
 * dpr_splice_noted - has the client's SYN been noted
 * @splice: the splice
 *
 * Not before that is it whole, and on its list: a backend's segment can find it sooner, if
 * somebody makes such up.
 */
static inline bool dpr_splice_noted(const struct dpr_splice *splice)
{
	/* Pairs with dpr_splice_track_syn(). */
	return smp_load_acquire(&splice->end[DPR_SPLICE_CLIENT].scale) &
	       DPR_SPLICE_NOTED;
}

/**
 * dpr_splice_window_scale - by how much an end's windows are scaled
 * @splice: the splice
 * @from: the end
 *
 * Not at all unless both ends know scaled windows. The backend's scale says so; the client's
 * stays what it was, as another SYN of the backend may.
 */
static inline u8 dpr_splice_window_scale(const struct dpr_splice *splice,
					 enum dpr_splice_from from)
{
	return splice->end[DPR_SPLICE_BACKEND].scale & DPR_SPLICE_SCALED ?
	       splice->end[from].scale & DPR_SPLICE_SHIFT : 0;
}

/**
 * dpr_splice_answers - can a backend's segment be the answer to the client's SYN
 * @splice: the splice
 * @seg: the segment, with an acknowledgment
 *
 * A SYN goes without data if a header is to come.
 */
static inline bool dpr_splice_answers(const struct dpr_splice *splice,
				      const struct dpr_segment *seg)
{
	const u32 begun = READ_ONCE(splice->isn) + 1 - splice->proxy_len;

	return splice->proxy_len ?
	       seg->ack == begun :
	       between(seg->ack, begun, splice->seen[DPR_SPLICE_CLIENT].end);
}

void dpr_splice_track_syn(struct dpr_net *dn, struct dpr_splice *splice,
			  const struct dpr_segment *seg, const struct tcphdr *th);
void dpr_splice_track_syn_first(struct dpr_net *dn, struct dpr_splice *splice,
				const struct dpr_segment *seg,
				const struct tcphdr *th);
void dpr_splice_track_syn_again(struct dpr_net *dn, struct dpr_splice *splice,
				const struct dpr_segment *seg,
				const struct tcphdr *th);
bool dpr_splice_answers_other(struct dpr_net *dn, const struct dpr_splice *splice,
			      const struct dpr_segment *seg);
bool dpr_splice_track(struct dpr_net *dn, struct dpr_splice *splice,
		      enum dpr_splice_from from, const struct dpr_segment *seg,
		      const struct tcphdr *th);

#endif /* _DPR_SPLICE_TRACK_H */
