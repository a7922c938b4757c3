// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/tcp.h>
#include "compat.h"
#include "core/parse.h"
#include "netns.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "splice_track.h"

/* The shift of the window that a SYN offers, with DPR_SPLICE_SCALED; 0 if it offers none. */
static u8 dpr_splice_scale(const struct tcphdr *th)
{
	const u8 *at;

	dpr_splice_tcp_each(at, th)
		if (*at == TCPOPT_WINDOW && at[1] == TCPOLEN_WINDOW)
			return DPR_SPLICE_SCALED | min_t(u8, at[2], TCP_MAX_WSCALE);
	return 0;
}

/* Under the lock of the lists. */
static void dpr_splice_note_syn(struct dpr_splice *splice,
				const struct dpr_segment *seg,
				const struct tcphdr *th)
{
	memset(splice->seen, 0, sizeof(splice->seen));
	splice->end[DPR_SPLICE_CLIENT].fin = 0;
	splice->end[DPR_SPLICE_BACKEND].fin = 0;
	WRITE_ONCE(splice->isn, seg->seq);
	WRITE_ONCE(splice->proxy, DPR_SPLICE_PROXY_DUE);
	/* With a header to come the SYN has no data. */
	splice->seen[DPR_SPLICE_CLIENT].end = splice->proxy_len ? seg->seq + 1 :
								  seg->end;
	/* Not yet from where; see dpr_splice_track_synack(). */
	splice->seen[DPR_SPLICE_CLIENT].edge = ntohs(th->window);
	splice->end[DPR_SPLICE_BACKEND].scale = 0;
	/* Pairs with dpr_splice_noted(). */
	smp_store_release(&splice->end[DPR_SPLICE_CLIENT].scale,
			  dpr_splice_scale(th) | DPR_SPLICE_NOTED);
}

/**
 * dpr_splice_track_syn - note a client's SYN that begins a connection
 * @dn: the namespace
 * @splice: the splice, new or just moved to DPR_SPLICE_SYN
 * @seg: the SYN
 * @th: its TCP header, all of it
 *
 * Called under RCU with bottom halves off.
 */
void dpr_splice_track_syn(struct dpr_net *dn, struct dpr_splice *splice,
			  const struct dpr_segment *seg, const struct tcphdr *th)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);

	spin_lock(&all->lock);
	dpr_splice_note_syn(splice, seg, th);
	spin_unlock(&all->lock);
}

/**
 * dpr_splice_track_syn_first - the same for one that was inserted, unless a copy was noted
 * @dn: the namespace
 * @splice: the splice
 * @seg: the SYN
 * @th: its TCP header, all of it
 *
 * Another CPU may have placed a copy, and heard the backend's answer since. Called under RCU
 * with bottom halves off.
 */
void dpr_splice_track_syn_first(struct dpr_net *dn, struct dpr_splice *splice,
				const struct dpr_segment *seg,
				const struct tcphdr *th)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);

	if (dpr_splice_noted(splice))
		return;
	DPR_RACE_WINDOW();
	spin_lock(&all->lock);
	if (!dpr_splice_noted(splice))
		dpr_splice_note_syn(splice, seg, th);
	spin_unlock(&all->lock);
}

/**
 * dpr_splice_track_syn_again - note a SYN of another number, of a half-open connection
 * @dn: the namespace
 * @splice: the splice
 * @seg: the SYN
 * @th: its TCP header, all of it
 *
 * Once the backend has answered the last one, nothing changes before it answers this, too
 * (dpr_splice_answers_other()): anybody can have made it up. What is between the two numbers
 * would be the client's, instead of a header. Called under RCU with bottom halves off.
 */
void dpr_splice_track_syn_again(struct dpr_net *dn, struct dpr_splice *splice,
				const struct dpr_segment *seg,
				const struct tcphdr *th)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);

	spin_lock(&all->lock);
	if (READ_ONCE(splice->state) == DPR_SPLICE_SYN) {
		if (splice->end[DPR_SPLICE_BACKEND].scale & DPR_SPLICE_ANSWERED) {
			splice->other = seg->seq;
			splice->end[DPR_SPLICE_CLIENT].scale |= DPR_SPLICE_OTHER;
		} else {
			dpr_splice_note_syn(splice, seg, th);
		}
	}
	spin_unlock(&all->lock);
}

/**
 * dpr_splice_answers_other - does a backend answer a SYN that is not the one that was noted
 * @dn: the namespace
 * @splice: the splice
 * @seg: a segment of the backend's, with SYN
 *
 * It knows nothing of the one that it answered before: that was by a SYN cookie, or it has
 * started anew. Called under RCU with bottom halves off.
 *
 * Return: true if so, and the client has not acknowledged another answer.
 */
bool dpr_splice_answers_other(struct dpr_net *dn, const struct dpr_splice *splice,
			      const struct dpr_segment *seg)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);
	bool other;

	spin_lock(&all->lock);
	other = READ_ONCE(splice->state) == DPR_SPLICE_SYN &&
		splice->end[DPR_SPLICE_CLIENT].scale & DPR_SPLICE_OTHER &&
		seg->has_ack && seg->ack == splice->other + 1 - splice->proxy_len;
	spin_unlock(&all->lock);
	return other;
}

/* Under the lock of the lists. */
static void dpr_splice_note_synack(struct dpr_splice *splice,
				   const struct dpr_segment *seg,
				   const struct tcphdr *th)
{
	struct dpr_splice_seen *client = &splice->seen[DPR_SPLICE_CLIENT];
	struct dpr_splice_seen *backend = &splice->seen[DPR_SPLICE_BACKEND];
	const u8 answered = splice->end[DPR_SPLICE_BACKEND].scale & DPR_SPLICE_ANSWERED;
	/* Before the first answer it is not known from where. */
	const u32 window = client->edge - (answered ? client->ack : 0);
	u8 scale = dpr_splice_scale(th);

	if (!(splice->end[DPR_SPLICE_CLIENT].scale & DPR_SPLICE_SCALED) ||
	    !(scale & DPR_SPLICE_SCALED))
		scale = 0;
	backend->end = seg->end;
	backend->ack = seg->ack;
	backend->edge = seg->ack + ntohs(th->window);
	/* The header goes out whatever the window: without it nothing would go on. */
	if (before(backend->edge, splice->isn + 1))
		backend->edge = splice->isn + 1;
	client->ack = seg->end;
	client->edge = seg->end + window;
	splice->end[DPR_SPLICE_BACKEND].scale = scale | DPR_SPLICE_ANSWERED;
}

/*
 * The backend's SYN: only now the sequence numbers of both are known. The last one counts:
 * a backend that sends SYN cookies, or starts anew, answers by another number.
 */
static void dpr_splice_track_synack(struct dpr_net *dn, struct dpr_splice *splice,
				    const struct dpr_segment *seg,
				    const struct tcphdr *th)
{
	struct dpr_splices *all = rcu_dereference(dn->splices);

	spin_lock(&all->lock);
	if (READ_ONCE(splice->state) == DPR_SPLICE_SYN &&
	    dpr_splice_answers(splice, seg))
		dpr_splice_note_synack(splice, seg, th);
	spin_unlock(&all->lock);
}

/* Is it exactly the RST that the other end accepts, or would once it has all that was sent? */
static bool dpr_splice_resets(const struct dpr_splice *splice, u8 state,
			      enum dpr_splice_from from,
			      const struct dpr_segment *seg)
{
	if (state == DPR_SPLICE_SYN && from == DPR_SPLICE_BACKEND)
		return seg->has_ack && dpr_splice_answers(splice, seg);
	if (state == DPR_SPLICE_SYN)
		return between(seg->seq, splice->isn,
			       splice->seen[DPR_SPLICE_CLIENT].end);
	return seg->seq == READ_ONCE(splice->seen[!from].ack) ||
	       seg->seq == READ_ONCE(splice->seen[from].end);
}

static bool dpr_splice_track_rst(struct dpr_net *dn, struct dpr_splice *splice,
				 u8 state, enum dpr_splice_from from,
				 const struct dpr_segment *seg)
{
	if (!dpr_splice_resets(splice, state, from, seg))
		return false;
	if (state > DPR_SPLICE_ESTABLISHED)
		return true;
	/*
	 * Nothing has begun that the client could come back to. As one that was reset it would
	 * keep its port for timeouts.rst, and both segments can be forged.
	 */
	if (state == DPR_SPLICE_SYN && from == DPR_SPLICE_CLIENT && !splice->flags) {
		dpr_splice_table_kill(dn, splice);
		return true;
	}
	splice->end[from].fin |= DPR_SPLICE_RST;
	dpr_splice_table_move(dn, splice, state, DPR_SPLICE_RESET);
	return true;
}

/* What a backend acknowledges of the header, and behind it. */
static void dpr_splice_track_proxy(struct dpr_splice *splice, u32 ack)
{
	const u8 proxy = READ_ONCE(splice->proxy);
	const u32 first = splice->isn + 1;

	if (proxy == DPR_SPLICE_PROXY_SENT && !before(ack, first))
		cmpxchg(&splice->proxy, proxy, DPR_SPLICE_PROXY_ACKED);
	else if (proxy == DPR_SPLICE_PROXY_ACKED &&
		 after(ack, first + DPR_SPLICE_BACK))
		cmpxchg(&splice->proxy, proxy, DPR_SPLICE_PROXY_PAST);
}

/*
 * Notes where an end is by now. With a header, what acknowledges more than the backend has sent
 * is dropped, so that another CPU must not set it back (dpr_splice_proxy_foreign()).
 */
static void dpr_splice_note_end(const struct dpr_splice *splice, u32 *at, u32 end)
{
	u32 was = READ_ONCE(*at), old;

	if (!splice->proxy_len) {
		WRITE_ONCE(*at, end);
		return;
	}
	while (after(end, was)) {
		old = cmpxchg(at, was, end);
		if (old == was)
			return;
		was = old;
	}
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

	/* An end does not look at it either: it could be sent blindly. */
	if (!seg->has_ack)
		return false;
	if (after(seg->seq, READ_ONCE(other->edge)) ||
	    before(seg->end, READ_ONCE(other->ack) - DPR_SPLICE_BACK))
		return false;
	/* It acknowledges what the other has not sent, or is from long ago. */
	if (after(seg->ack, READ_ONCE(other->end)) ||
	    before(seg->ack, READ_ONCE(own->ack) - DPR_SPLICE_BACK))
		return false;
	if (after(seg->ack, READ_ONCE(own->ack)))
		WRITE_ONCE(own->ack, seg->ack);
	edge = seg->ack + ((u32)ntohs(th->window) <<
			   dpr_splice_window_scale(splice, from));
	if (after(edge, READ_ONCE(own->edge)))
		WRITE_ONCE(own->edge, edge);
	if (after(seg->end, READ_ONCE(own->end)))
		dpr_splice_note_end(splice, &own->end, seg->end);
	return true;
}

/* The state after a segment that an end can have sent. */
static u8 dpr_splice_next(struct dpr_splice *splice, u8 state,
			  enum dpr_splice_from from, const struct dpr_segment *seg)
{
	if (seg->fin && !(splice->end[from].fin & DPR_SPLICE_FIN))
		splice->end[from].fin |= DPR_SPLICE_FIN;
	if (unlikely(state == DPR_SPLICE_SYN))
		return from == DPR_SPLICE_CLIENT ? DPR_SPLICE_ESTABLISHED : state;
	/* Who has sent a RST sends nothing else: it was forged. */
	if (unlikely(state == DPR_SPLICE_RESET)) {
		if (!(splice->end[from].fin & DPR_SPLICE_RST))
			return state;
		splice->end[from].fin &= ~DPR_SPLICE_RST;
		return DPR_SPLICE_ESTABLISHED;
	}
	if (unlikely(splice->end[DPR_SPLICE_CLIENT].fin &
		     splice->end[DPR_SPLICE_BACKEND].fin & DPR_SPLICE_FIN))
		return DPR_SPLICE_CLOSED;
	return state;
}

/* Has the backend answered; and does what the client sends acknowledge that? */
static bool dpr_splice_answered(const struct dpr_splice *splice,
				enum dpr_splice_from from,
				const struct dpr_segment *seg)
{
	return splice->end[DPR_SPLICE_BACKEND].scale & DPR_SPLICE_ANSWERED &&
	       (from != DPR_SPLICE_CLIENT ||
		!before(seg->ack, READ_ONCE(splice->seen[DPR_SPLICE_CLIENT].ack)));
}

/**
 * dpr_splice_track - note a segment that passes
 * @dn: the namespace
 * @splice: the splice
 * @from: who has sent it
 * @seg: the segment, as it came
 * @th: its TCP header, all of it if it has SYN
 *
 * Called under RCU in softirq. Writes only what changes. A RST during the handshake removes
 * the splice, which stays readable until the RCU section ends.
 *
 * Return: true if the end can have sent it, and it is no SYN.
 */
bool dpr_splice_track(struct dpr_net *dn, struct dpr_splice *splice,
		      enum dpr_splice_from from, const struct dpr_segment *seg,
		      const struct tcphdr *th)
{
	const u8 state = READ_ONCE(splice->state);
	const u32 now = jiffies;
	u8 next;

	if (unlikely(state > DPR_SPLICE_RESET))
		return false;
	if (unlikely(seg->rst))
		return dpr_splice_track_rst(dn, splice, state, from, seg);
	if (unlikely(th->syn)) {
		if (from == DPR_SPLICE_BACKEND && th->ack)
			dpr_splice_track_synack(dn, splice, seg, th);
		return false;
	}
	if (unlikely(state == DPR_SPLICE_SYN) &&
	    !dpr_splice_answered(splice, from, seg))
		return false;
	if (!dpr_splice_note(splice, from, seg, th))
		return false;
	if (splice->proxy_len && from == DPR_SPLICE_BACKEND)
		dpr_splice_track_proxy(splice, seg->ack);
	next = dpr_splice_next(splice, state, from, seg);
	/* A handshake has its time from the beginning, so that the oldest stands first. */
	if ((state != DPR_SPLICE_SYN || next != state) &&
	    READ_ONCE(splice->last) != now)
		WRITE_ONCE(splice->last, now);
	if (unlikely(next != state))
		dpr_splice_table_move(dn, splice, state, next);
	return true;
}
