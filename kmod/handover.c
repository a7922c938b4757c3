// SPDX-License-Identifier: GPL-2.0
#include <linux/log2.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/workqueue.h>
#include <net/tcp.h>
#include "backend.h"
#include "compat.h"
#include "config.h"
#include "dpr.h"
#include "flow.h"
#include "handover.h"
#include "handover_child.h"
#include "handover_here.h"
#include "handover_keep.h"
#include "handover_msg.h"
#include "handover_place.h"
#include "handover_send.h"
#include "handover_splice.h"
#include "handover_synack.h"
#include "handover_table.h"
#include "inner.h"
#include "load_table.h"
#include "netns.h"
#include "peer.h"
#include "protected.h"
#include "service.h"
#include "socket.h"
#include "splice_table.h"
#include "stats.h"

/* Answers to a SYN that the client does not acknowledge: 1, 2, 4, 8 s apart. */
#define DPR_HANDOVER_TRIES	4
/* So many connections in a row that a peer cannot make are not the doing of one client. */
#define DPR_HANDOVER_FAILING	16
/* Connections that are looked at together. */
#define DPR_HANDOVER_BATCH	16

static u32 dpr_handover_clock(void)
{
	return (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC);
}

/* Sends the answer to the SYN. @one is a copy, or cannot go. */
static void dpr_handover_answer(struct dpr_net *dn, const struct dpr_config *cfg,
				const struct dpr_handover *one)
{
	struct dpr_handover_options options = one->options;

	options.ts_now = dpr_handover_clock() + one->ts_off;
	dpr_handover_synack_send(dn, cfg, &one->key, &options);
}

/*
 * Can this host be the first of such a connection? Not if its link is in a VRF, whose routes
 * the answer to the SYN does not take. There must be others to place it at. The last resort is
 * its own server, which must be able to take it; but if it has none, others do.
 */
static bool dpr_handover_able(struct dpr_net *dn, const struct dpr_config *cfg,
			      struct sk_buff *skb, const struct dpr_segment *seg)
{
	const struct dpr_table *table = rcu_dereference(dn->table);
	const struct sock *lsk;

	if (cfg->policy == DPR_POLICY_OFF || netif_is_l3_slave(skb->dev) ||
	    netif_is_l3_master(skb->dev) ||
	    ((!cfg->keys || !table || !table->order.n) &&
	     !(dpr_splice_on() && dpr_parse_bare(seg) &&
	       dpr_backend_any(dn, &seg->key))))
		return false;
	lsk = dpr_socket_listener(dn->net, NULL, 0, &seg->key, &seg->key.address,
				  dpr_compat_dif(skb), dpr_compat_sdif(skb));
	return !lsk || dpr_handover_child_possible(dn, lsk);
}

/* A clock and a secret, as RFC 6528 has it. */
static u32 dpr_handover_isn(const struct dpr_handovers *all,
			    const struct dpr_flow_key *key)
{
	return (u32)dpr_handover_table_hash(all, key, 1) +
	       (u32)(ktime_get_ns() >> 6);
}

/* What an answer to a SYN agrees on is what counts. */
static void dpr_handover_agree(const struct dpr_handovers *all, struct dpr_handover *one,
			       const struct dpr_segment *seg,
			       const struct dpr_handover_options *options, int iif)
{
	one->options = *options;
	one->options.isn = dpr_handover_isn(all, &seg->key);
	one->iif = iif;
	one->odd = !dpr_parse_bare(seg);
	one->tries = 0;
	one->due = jiffies + HZ;
}

/*
 * Is nothing known of a connection but SYNs? Then another one of them may be the client's. What
 * an earlier one agreed on is remembered: mostly that was the client's, who may just be sending
 * its acknowledgment. So it has the time for that, however many follow it.
 */
static bool dpr_handover_renew(struct dpr_handover *one)
{
	if (one->busy || one->state != DPR_HANDOVER_SYN)
		return false;
	if (one->was.mss && (u32)jiffies - one->born < DPR_HANDOVER_GRACE)
		return true;
	one->was = one->options;
	one->was_iif = one->iif;
	one->was_odd = one->odd;
	return true;
}

/* Makes a connection; false if there is no room. @copy is set for the answer. */
static bool dpr_handover_add(struct dpr_handovers *all, const struct dpr_segment *seg,
			     const struct dpr_handover_options *options, int iif,
			     struct dpr_handover *copy)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &seg->key);
	struct dpr_handover *one;

	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, &seg->key);
	if (!one) {
		one = dpr_handover_table_alloc(all, &seg->key);
		if (one) {
			one->ts_off = (u32)dpr_handover_table_hash(all, &seg->key, 2);
			one->state = DPR_HANDOVER_SYN;
			dpr_handover_agree(all, one, seg, options, iif);
			dpr_handover_table_insert(all, one);
		}
	} else if (one->options.client_isn != seg->seq && dpr_handover_renew(one)) {
		dpr_handover_agree(all, one, seg, options, iif);
	}
	if (one)
		*copy = *one;
	spin_unlock(&shard->lock);
	return one;
}

/* No SYN is answered any more: what is known of a 4-tuple must not keep what follows one. */
static void dpr_handover_forget(struct dpr_handovers *all, const struct dpr_flow_key *key)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, key);
	struct dpr_handover *one;

	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, key);
	if (one && !one->busy && one->state == DPR_HANDOVER_SYN)
		dpr_handover_table_unlink(all, one);
	else
		one = NULL;
	spin_unlock(&shard->lock);
	if (one)
		dpr_handover_table_free(all, one);
}

/**
 * dpr_handover_begin - answer a SYN in the place of the host that will serve
 * @dn: the namespace
 * @cfg: the service's configuration
 * @skb: the SYN; pointers into it are stale afterwards
 * @seg: the same, parsed; its connection has neither a flow nor a socket here
 *
 * If its service is not of such a dispatch, or not any more, an earlier SYN is forgotten. Called
 * under RCU in softirq.
 *
 * Return: false if it is to be decided now by whom the connection is served.
 */
bool dpr_handover_begin(struct dpr_net *dn, const struct dpr_config *cfg,
			struct sk_buff *skb, const struct dpr_segment *seg)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_options options;
	struct dpr_handover copy;

	if (cfg->dispatch == DPR_DISPATCH_SYN || !all ||
	    !dpr_handover_able(dn, cfg, skb, seg)) {
		if (cfg->dispatch != DPR_DISPATCH_SYN)
			dpr_stats_inc(dn, DPR_STAT_HANDOVER_OFF);
		if (all && atomic_read(&all->count))
			dpr_handover_forget(all, &seg->key);
		return false;
	}
	if (!dpr_protected(skb, seg->key.wide) ||
	    !dpr_handover_synack_agree(dn, skb, seg, &options)) {
		dpr_stats_inc(dn, DPR_STAT_HANDOVER_OFF);
		return false;
	}
	if (!dpr_handover_add(all, seg, &options, skb->skb_iif, &copy)) {
		/* The stack may get it. */
		if (seg->key.wide)
			dpr_inner_transport6(skb);
		dpr_stats_inc(dn, DPR_STAT_HANDOVER_FULL);
		return false;
	}
	dpr_stats_inc(dn, DPR_STAT_HANDOVER_SYN);
	dpr_handover_answer(dn, cfg, &copy);
	return true;
}

/**
 * dpr_handover_again - answer a SYN of a connection that waits for its host
 * @dn: the namespace
 * @cfg: the configuration
 * @seg: the SYN
 *
 * A copy gets the same answer. One of another connection must wait, unless nothing but a
 * SYN is known of the first: anybody can send one. Called under RCU in softirq.
 *
 * Return: what it is; if DPR_HANDOVER_SYN_OTHER, dpr_handover_begin() must be asked before what
 * follows it can go another way.
 */
enum dpr_handover_syn dpr_handover_again(struct dpr_net *dn,
					 const struct dpr_config *cfg,
					 const struct dpr_segment *seg)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	enum dpr_handover_syn what = DPR_HANDOVER_SYN_DONE;
	struct dpr_handover_shard *shard;
	struct dpr_handover *one, copy;
	bool same = false;

	if (!all)
		return DPR_HANDOVER_SYN_NEW;
	shard = dpr_handover_table_shard(all, &seg->key);
	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, &seg->key);
	if (!one) {
		what = DPR_HANDOVER_SYN_NEW;
	} else if (one->options.client_isn == seg->seq) {
		copy = *one;
		same = true;
	} else if (one->was.mss && one->was.client_isn == seg->seq) {
		copy = *one;
		copy.options = one->was;
		same = true;
	} else if (!one->busy && one->state == DPR_HANDOVER_SYN) {
		what = DPR_HANDOVER_SYN_OTHER;
	}
	spin_unlock(&shard->lock);
	if (what != DPR_HANDOVER_SYN_DONE)
		return what;
	dpr_stats_inc(dn, same ? DPR_STAT_HANDOVER_SYN : DPR_STAT_HANDOVER_STRAY);
	if (same)
		dpr_handover_answer(dn, cfg, &copy);
	return what;
}

/* Is it time to choose a host? Then the connection is the caller's. */
static bool dpr_handover_claim(struct dpr_net *dn, struct dpr_handover *one)
{
	if (one->busy || one->gone || one->state == DPR_HANDOVER_SYN ||
	    one->state == DPR_HANDOVER_ASKED)
		return false;
	if (one->state == DPR_HANDOVER_SENT)
		one->busy = READ_ONCE(one->peer->dead);
	else
		one->busy = dpr_handover_begins(one) &&
			    dpr_handover_decide(dn, one,
						skb_queue_len(&one->kept) >=
						DPR_HANDOVER_PACKETS);
	return one->busy;
}

/* Has the host that was handed the connection a flow, which no flood has evicted? */
static bool dpr_handover_flows(struct dpr_net *dn, const struct dpr_handover *one)
{
	const struct dpr_flow *flow = dpr_flow_find(dn, &one->key);

	return flow && flow->peer == one->peer;
}

/*
 * A peer has the connection, of which the client wants the byte @ack next: it is like any that was
 * redirected now.
 */
static void dpr_handover_taken(struct dpr_net *dn, const struct dpr_config *cfg,
			       const struct dpr_handover *one, u32 ack)
{
	const struct dpr_segment seg = {
		.key = one->key,
		.seq = one->options.client_isn,
		.end = one->options.client_isn,
		.ack = ack,
		.has_ack = true,
	};
	struct dpr_flow *flow = dpr_flow_find(dn, &one->key);

	if (!flow)
		flow = dpr_flow_insert(dn, cfg, &seg, one->peer, 0, 0);
	if (!IS_ERR(flow) && flow->peer == one->peer)
		dpr_flow_track(dn, flow, &seg);
	dpr_stats_inc(dn, DPR_STAT_HANDOVER_TAKEN);
}

/* See dpr_handover_segment(). */
noinline bool __dpr_handover_segment(struct dpr_net *dn, const struct dpr_config *cfg,
				     struct sk_buff *skb,
				     const struct dpr_segment *seg, bool came,
				     unsigned int *verdict)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_shard *shard;
	struct dpr_peer *peer = NULL;
	struct dpr_handover *one;
	struct sk_buff_head out;
	bool answered, place, gone;

	if (!all || !atomic_read(&all->count))
		return false;
	__skb_queue_head_init(&out);
	shard = dpr_handover_table_shard(all, &seg->key);
	spin_lock(&shard->lock);
	one = dpr_handover_table_find(all, &seg->key);
	if (!one) {
		spin_unlock(&shard->lock);
		return false;
	}
	/* Who gets the connection takes what is kept without asking. */
	if (came && !dpr_protected(skb, seg->key.wide)) {
		spin_unlock(&shard->lock);
		dpr_stats_inc(dn, DPR_STAT_HANDOVER_STRAY);
		*verdict = NF_DROP;
		return true;
	}
	answered = dpr_handover_keep_answered(one, skb, seg) &&
		   dpr_handover_flows(dn, one);
	*verdict = dpr_handover_keep(dn, cfg, all, one, skb, seg, &out) ?
		   NF_STOLEN : NF_DROP;
	/* Nobody else may get what its host has answered, whatever becomes of that host. */
	if (answered)
		dpr_handover_table_unlink(all, one);
	gone = one->gone;
	place = dpr_handover_claim(dn, one);
	/* It is not freed before this RCU section ends. */
	peer = one->peer;
	spin_unlock(&shard->lock);
	if (answered)
		dpr_handover_taken(dn, cfg, one, seg->ack);
	if (gone)
		dpr_handover_table_free(all, one);
	else if (place)
		dpr_handover_place(dn, cfg, all, one);
	if (!skb_queue_empty(&out))
		dpr_handover_send(dn, cfg, peer, &out);
	return true;
}

/*
 * How many connections in a row a peer could not make of what it can be left alone for; NULL if it
 * cannot be. Its firewall may drop one service, or one family, and nothing else.
 */
static u8 *dpr_handover_failed(struct dpr_net *dn, const struct dpr_handover *one)
{
	const struct dpr_service *service = dpr_service_match(dn, &one->key);

	return service && service->bit ?
	       &one->peer->failed[one->key.wide][__ffs64(service->bit)] : NULL;
}

/* A peer says that it has made a connection. */
static void dpr_handover_made(struct dpr_net *dn, const struct dpr_handover *one)
{
	u8 *failed = dpr_handover_failed(dn, one);

	if (failed && READ_ONCE(*failed))
		WRITE_ONCE(*failed, 0);
}

/* Can a peer make no such connection at all, as far as one can tell? It has just failed again. */
static bool dpr_handover_failing(struct dpr_net *dn, const struct dpr_handover *one)
{
	u8 *failed = dpr_handover_failed(dn, one);
	u8 n;

	if (!failed)
		return false;
	n = READ_ONCE(*failed) + 1;
	WRITE_ONCE(*failed, n < DPR_HANDOVER_FAILING ? n : 0);
	return n >= DPR_HANDOVER_FAILING;
}

/*
 * A peer has refused it. Another one is chosen; @one is busy by the caller. If the peer just
 * could not make this connection, it gets others all the same: that may be its client's doing.
 */
static void dpr_handover_refused(struct dpr_net *dn, const struct dpr_config *cfg,
				 struct dpr_handovers *all, struct dpr_handover *one,
				 bool failed)
{
	const struct dpr_service *service = dpr_service_match(dn, &one->key);

	dpr_stats_inc(dn, DPR_STAT_HANDOVER_REFUSED);
	if (service && (!failed || dpr_handover_failing(dn, one)))
		dpr_table_refused(dn, one->peer, one->key.wide, service->bit);
	one->refusals++;
	dpr_handover_place(dn, cfg, all, one);
}

/**
 * dpr_handover_answered - a host answers a handover
 * @dn: the namespace
 * @cfg: the configuration
 * @peer: the host
 * @msg: what it says, authenticated
 *
 * Called under RCU in softirq.
 */
void dpr_handover_answered(struct dpr_net *dn, const struct dpr_config *cfg,
			   struct dpr_peer *peer, const struct dpr_handover_msg *msg)
{
	const bool taken = msg->kind == DPR_HANDOVER_MSG_TAKEN;
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_shard *shard;
	struct dpr_handover *one = NULL;

	if (all) {
		shard = dpr_handover_table_shard(all, &msg->key);
		spin_lock(&shard->lock);
		one = dpr_handover_table_find(all, &msg->key);
		if (one && (one->state != DPR_HANDOVER_SENT || one->busy ||
			    one->peer != peer || one->attempt != msg->attempt ||
			    one->options.isn != msg->options.isn ||
			    one->options.client_isn != msg->options.client_isn))
			one = NULL;
		if (one && taken)
			dpr_handover_table_unlink(all, one);
		else if (one)
			one->busy = true;
		spin_unlock(&shard->lock);
	}
	if (!one) {
		dpr_stats_inc(dn, DPR_STAT_HANDOVER_LATE);
	} else if (taken) {
		dpr_handover_made(dn, one);
		dpr_handover_taken(dn, cfg, one, one->options.isn + 1);
		dpr_handover_table_free(all, one);
	} else {
		dpr_handover_refused(dn, cfg, all, one, msg->failed);
	}
}

/*
 * Can a host make a socket of what has come? If not, who gets the connection would neither take
 * nor refuse it: that a client leaves out its first byte must not look like a silent host.
 */
static bool dpr_handover_ready(struct dpr_handover_shard *shard, const struct dpr_handover *one)
{
	bool ready;

	spin_lock(&shard->lock);
	ready = dpr_handover_begins(one);
	spin_unlock(&shard->lock);
	return ready;
}

/*
 * The connection is nobody's any more, until it is due again. What makes the socket goes to the
 * chosen host again, after 1, 2, 4, 8 and 16 s: a client that has nothing to say, or whose data
 * have arrived there, sends nothing that would bring the host's answer.
 */
static void dpr_handover_later(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct dpr_handover_shard *shard, struct dpr_handover *one)
{
	struct sk_buff_head out;
	struct dpr_peer *peer;

	__skb_queue_head_init(&out);
	spin_lock(&shard->lock);
	one->tries++;
	one->due = jiffies + (one->state == DPR_HANDOVER_SYN ? HZ << one->tries : HZ);
	if (one->state == DPR_HANDOVER_SENT && is_power_of_2(one->tries))
		dpr_handover_wrap_first(cfg, one, &out);
	/* It is not freed before this RCU section ends. */
	peer = one->peer;
	one->busy = false;
	spin_unlock(&shard->lock);
	if (!skb_queue_empty(&out))
		dpr_handover_send(dn, cfg, peer, &out);
}

/* What is to be done about a connection whose time has come. It is busy. */
static void dpr_handover_due(struct dpr_net *dn, const struct dpr_config *cfg,
			     struct dpr_handovers *all, struct dpr_handover *one)
{
	struct dpr_handover_shard *shard = dpr_handover_table_shard(all, &one->key);
	const bool old = (u32)jiffies - one->born > DPR_HANDOVER_LIFE;

	switch (one->state) {
	case DPR_HANDOVER_SYN:
		if (one->tries >= DPR_HANDOVER_TRIES) {
			spin_lock(&shard->lock);
			dpr_handover_table_unlink(all, one);
			spin_unlock(&shard->lock);
			dpr_stats_inc(dn, DPR_STAT_HANDOVER_EXPIRED);
			dpr_handover_table_free(all, one);
			return;
		}
		dpr_handover_answer(dn, cfg, one);
		break;
	case DPR_HANDOVER_OPEN:
		if (dpr_handover_ready(shard, one)) {
			dpr_handover_place(dn, cfg, all, one);
			return;
		}
		/* One that moves is known to live. */
		if (one->moved ? old : one->tries >= DPR_HANDOVER_FIRST) {
			dpr_handover_give_up(dn, all, one, DPR_STAT_HANDOVER_EXPIRED);
			return;
		}
		break;
	case DPR_HANDOVER_ASKED:
		if (dpr_handover_splice_again(dn, one))
			break;
		dpr_handover_place(dn, cfg, all, one);
		return;
	default:
		if (READ_ONCE(one->peer->dead)) {
			dpr_handover_place(dn, cfg, all, one);
			return;
		}
		if (old) {
			dpr_handover_give_up(dn, all, one, DPR_STAT_HANDOVER_EXPIRED);
			return;
		}
	}
	dpr_handover_later(dn, cfg, shard, one);
}

/* Those of a shard that are due, at most DPR_HANDOVER_BATCH; they are busy. */
static u32 dpr_handover_collect(struct dpr_handover_shard *shard,
				struct dpr_handover **due)
{
	struct dpr_handover *one;
	u32 n = 0;

	spin_lock(&shard->lock);
	list_for_each_entry(one, &shard->age, age) {
		if (one->busy || (s32)((u32)jiffies - one->due) < 0)
			continue;
		one->busy = true;
		due[n++] = one;
		if (n == DPR_HANDOVER_BATCH)
			break;
	}
	spin_unlock(&shard->lock);
	return n;
}

static void dpr_handover_tick(struct work_struct *work)
{
	struct dpr_handovers *all = container_of(to_delayed_work(work),
						 struct dpr_handovers, tick);
	struct dpr_handover *due[DPR_HANDOVER_BATCH];
	struct dpr_net *dn = all->dn;
	u32 i, k, n;

	for (i = 0; i < DPR_HANDOVER_SHARDS; i++) {
		do {
			local_bh_disable();
			rcu_read_lock();
			n = dpr_handover_collect(&all->shard[i], due);
			for (k = 0; k < n; k++)
				dpr_handover_due(dn, rcu_dereference(dn->config),
						 all, due[k]);
			rcu_read_unlock();
			local_bh_enable();
			cond_resched();
		} while (n == DPR_HANDOVER_BATCH);
	}
	if (atomic_read(&all->count))
		queue_delayed_work(dpr_compat_percpu_wq, &all->tick, DPR_HANDOVER_TICK);
}

/**
 * dpr_handover_setup - get ready for connections that are placed by their data
 * @dn: the namespace; its lock is held
 *
 * Return: 0 or -ENOMEM.
 */
int dpr_handover_setup(struct dpr_net *dn)
{
	return dpr_handover_table_setup(dn, dpr_handover_tick);
}
