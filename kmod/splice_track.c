// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/tcp.h>
#include "core/parse.h"
#include "netns.h"
#include "splice_table.h"
#include "splice_track.h"

/* What may come again: the largest window without a scale. */
#define DPR_SPLICE_BACK	65535

/* The shift of the window that a SYN offers, with DPR_SPLICE_SCALED; 0 if it offers none. */
static u8 dpr_splice_scale(const struct tcphdr *th)
{
	const u8 *at = (const u8 *)(th + 1);
	const u8 *end = (const u8 *)th + th->doff * 4;

	while (at < end && *at != TCPOPT_EOL) {
		if (*at == TCPOPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			break;
		if (*at == TCPOPT_WINDOW && at[1] == TCPOLEN_WINDOW)
			return DPR_SPLICE_SCALED | min_t(u8, at[2], TCP_MAX_WSCALE);
		at += at[1];
	}
	return 0;
}

/**
 * dpr_splice_track_syn - note a client's SYN that begins a connection
 * @splice: the splice, new or in DPR_SPLICE_SYN
 * @seg: the SYN
 * @th: its TCP header, all of it
 */
void dpr_splice_track_syn(struct dpr_splice *splice,
			  const struct dpr_segment *seg, const struct tcphdr *th)
{
	memset(splice->seen, 0, sizeof(splice->seen));
	memset(splice->fin, 0, sizeof(splice->fin));
	splice->isn = seg->seq;
	splice->seen[DPR_SPLICE_CLIENT].end = seg->end;
	/* Not yet from where; see dpr_splice_track_synack(). */
	splice->seen[DPR_SPLICE_CLIENT].edge = ntohs(th->window);
	splice->scale[DPR_SPLICE_CLIENT] = dpr_splice_scale(th);
	splice->scale[DPR_SPLICE_BACKEND] = 0;
}

/* The backend's SYN: only now the sequence numbers of both are known. */
static void dpr_splice_track_synack(struct dpr_splice *splice,
				    const struct dpr_segment *seg,
				    const struct tcphdr *th)
{
	struct dpr_splice_seen *client = &splice->seen[DPR_SPLICE_CLIENT];
	struct dpr_splice_seen *backend = &splice->seen[DPR_SPLICE_BACKEND];
	u8 scale = dpr_splice_scale(th);

	if (READ_ONCE(splice->state) != DPR_SPLICE_SYN ||
	    splice->scale[DPR_SPLICE_BACKEND] & DPR_SPLICE_ANSWERED ||
	    !between(seg->ack, splice->isn + 1, client->end))
		return;
	backend->end = seg->end;
	backend->ack = seg->ack;
	backend->edge = seg->ack + ntohs(th->window);
	client->ack = seg->end;
	client->edge += seg->end;
	if (!(scale & DPR_SPLICE_SCALED) ||
	    !(splice->scale[DPR_SPLICE_CLIENT] & DPR_SPLICE_SCALED)) {
		splice->scale[DPR_SPLICE_CLIENT] = 0;
		scale = 0;
	}
	splice->scale[DPR_SPLICE_BACKEND] = scale | DPR_SPLICE_ANSWERED;
}

/* Is it exactly the RST that the other end accepts, or would once it has all that was sent? */
static bool dpr_splice_resets(const struct dpr_splice *splice, u8 state,
			      enum dpr_splice_from from,
			      const struct dpr_segment *seg)
{
	if (state == DPR_SPLICE_SYN && from == DPR_SPLICE_BACKEND)
		return seg->has_ack &&
		       between(seg->ack, splice->isn + 1,
			       splice->seen[DPR_SPLICE_CLIENT].end);
	if (state == DPR_SPLICE_SYN)
		return between(seg->seq, splice->isn,
			       splice->seen[DPR_SPLICE_CLIENT].end);
	return seg->seq == READ_ONCE(splice->seen[!from].ack) ||
	       seg->seq == READ_ONCE(splice->seen[from].end);
}

static void dpr_splice_track_rst(struct dpr_net *dn, struct dpr_splice *splice,
				 u8 state, enum dpr_splice_from from,
				 const struct dpr_segment *seg)
{
	if (state > DPR_SPLICE_ESTABLISHED ||
	    !dpr_splice_resets(splice, state, from, seg))
		return;
	splice->fin[from] |= DPR_SPLICE_RST;
	dpr_splice_table_move(dn, splice, state, DPR_SPLICE_RESET);
}

/* Notes what an end has sent, and what it acknowledges; false if it cannot have sent it. */
static bool dpr_splice_note(struct dpr_splice *splice,
			    enum dpr_splice_from from,
			    const struct dpr_segment *seg,
			    const struct tcphdr *th)
{
	struct dpr_splice_seen *own = &splice->seen[from];
	struct dpr_splice_seen *other = &splice->seen[!from];
	u32 edge;

	if (after(seg->seq, READ_ONCE(other->edge)) ||
	    before(seg->end, READ_ONCE(other->ack) - DPR_SPLICE_BACK))
		return false;
	if (seg->has_ack) {
		/* It acknowledges what the other has not sent, or is from long ago. */
		if (after(seg->ack, READ_ONCE(other->end)) ||
		    before(seg->ack, READ_ONCE(own->ack) - DPR_SPLICE_BACK))
			return false;
		if (after(seg->ack, READ_ONCE(own->ack)))
			WRITE_ONCE(own->ack, seg->ack);
		edge = seg->ack + ((u32)ntohs(th->window) <<
				   (splice->scale[from] & DPR_SPLICE_SHIFT));
		if (after(edge, READ_ONCE(own->edge)))
			WRITE_ONCE(own->edge, edge);
	}
	if (after(seg->end, READ_ONCE(own->end)))
		WRITE_ONCE(own->end, seg->end);
	return true;
}

/* The state after a segment that an end can have sent. */
static u8 dpr_splice_next(struct dpr_splice *splice, u8 state,
			  enum dpr_splice_from from, const struct dpr_segment *seg)
{
	if (seg->fin && !(splice->fin[from] & DPR_SPLICE_FIN))
		splice->fin[from] |= DPR_SPLICE_FIN;
	if (unlikely(state == DPR_SPLICE_SYN)) {
		if (from != DPR_SPLICE_CLIENT || !seg->has_ack ||
		    before(seg->ack, splice->seen[DPR_SPLICE_CLIENT].ack))
			return state;
		return DPR_SPLICE_ESTABLISHED;
	}
	/* Who has sent a RST sends nothing else: it was forged. */
	if (unlikely(state == DPR_SPLICE_RESET)) {
		if (!(splice->fin[from] & DPR_SPLICE_RST))
			return state;
		splice->fin[from] &= ~DPR_SPLICE_RST;
		return DPR_SPLICE_ESTABLISHED;
	}
	if (unlikely(splice->fin[DPR_SPLICE_CLIENT] &
		     splice->fin[DPR_SPLICE_BACKEND] & DPR_SPLICE_FIN))
		return DPR_SPLICE_CLOSED;
	return state;
}

/**
 * dpr_splice_track - note a segment that passes
 * @dn: the namespace
 * @splice: the splice
 * @from: who has sent it
 * @seg: the segment, as it came
 * @th: its TCP header, all of it if it has SYN
 *
 * Called under RCU in softirq. Writes only what changes.
 */
void dpr_splice_track(struct dpr_net *dn, struct dpr_splice *splice,
		      enum dpr_splice_from from, const struct dpr_segment *seg,
		      const struct tcphdr *th)
{
	const u8 state = READ_ONCE(splice->state);
	const u32 now = jiffies;
	u8 next;

	if (unlikely(state > DPR_SPLICE_RESET))
		return;
	if (unlikely(seg->rst)) {
		dpr_splice_track_rst(dn, splice, state, from, seg);
		return;
	}
	if (unlikely(th->syn)) {
		if (from == DPR_SPLICE_BACKEND && th->ack)
			dpr_splice_track_synack(splice, seg, th);
		return;
	}
	if (unlikely(state == DPR_SPLICE_SYN) &&
	    !(splice->scale[DPR_SPLICE_BACKEND] & DPR_SPLICE_ANSWERED))
		return;
	if (!dpr_splice_note(splice, from, seg, th))
		return;
	next = dpr_splice_next(splice, state, from, seg);
	/* A handshake has its time from the beginning, so that the oldest stands first. */
	if ((state != DPR_SPLICE_SYN || next != state) &&
	    READ_ONCE(splice->last) != now)
		WRITE_ONCE(splice->last, now);
	if (unlikely(next != state))
		dpr_splice_table_move(dn, splice, state, next);
}
