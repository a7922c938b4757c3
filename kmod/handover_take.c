// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/inet_timewait_sock.h>
#include <net/tcp.h>
#include "closing.h"
#include "compat.h"
#include "config.h"
#include "deliver.h"
#include "dpr.h"
#include "fwd.h"
#include "handover_child.h"
#include "handover_msg.h"
#include "handover_seen.h"
#include "handover_table.h"
#include "handover_take.h"
#include "inner.h"
#include "listener.h"
#include "migrate_watch.h"
#include "netns.h"
#include "peer.h"
#include "service.h"
#include "socket.h"
#include "stats.h"
#include "through.h"

/* Older data than so much are no longer on their way. */
#define DPR_HANDOVER_TAKE_OLD	(1 << 20)

/**
 * struct dpr_handover_take - a handover that is looked at
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet
 * @in: what is known of the client's packet in it
 * @msg: the handover
 * @peer: whom it is from
 * @lsk: the listener
 */
struct dpr_handover_take {
	struct dpr_net *dn;
	const struct dpr_config *cfg;
	struct sk_buff *skb;
	struct dpr_inner *in;
	const struct dpr_handover_msg *msg;
	struct dpr_peer *peer;
	struct sock *lsk;
};

static void dpr_handover_take_answer(const struct dpr_handover_take *take,
				     struct net_device *dev,
				     enum dpr_handover_seen_as as)
{
	struct dpr_handover_msg msg = *take->msg;
	struct sk_buff *skb;

	msg.kind = as == DPR_HANDOVER_SEEN_TAKEN ? DPR_HANDOVER_MSG_TAKEN :
						   DPR_HANDOVER_MSG_REFUSED;
	msg.failed = as == DPR_HANDOVER_SEEN_FAILED || as == DPR_HANDOVER_SEEN_FULL;
	skb = dpr_handover_msg_encode(take->cfg, &msg, NULL, &take->peer->address);
	if (!skb)
		return;
	skb->dev = dev;
	dpr_stats_inc(take->dn, DPR_STAT_TX_HANDOVER);
	dpr_fwd_send(take->dn, take->cfg, skb, take->peer);
}

/* Is a socket that of this connection, and not of an earlier one of its 4-tuple? */
static bool dpr_handover_take_fits(const struct sock *sk, const struct dpr_segment *seg)
{
	const struct tcp_sock *tp;

	if (!sk_fullsock(sk))
		return false;
	tp = tcp_sk(sk);
	return seg->ack - READ_ONCE(tp->snd_una) + DPR_HANDOVER_TAKE_OLD <
	       2 * DPR_HANDOVER_TAKE_OLD &&
	       seg->seq - READ_ONCE(tp->rcv_nxt) + DPR_HANDOVER_TAKE_OLD <
	       2 * DPR_HANDOVER_TAKE_OLD;
}

enum dpr_handover_take_socket {
	DPR_HANDOVER_TAKE_NONE,
	DPR_HANDOVER_TAKE_OURS,
	DPR_HANDOVER_TAKE_OTHER,
};

static enum dpr_handover_take_socket
dpr_handover_take_socket(const struct dpr_handover_take *take)
{
	enum dpr_handover_take_socket what = DPR_HANDOVER_TAKE_NONE;
	struct sock *sk;

	sk = dpr_socket_find(take->dn, &take->msg->key, dpr_compat_dif(take->skb),
			     dpr_compat_sdif(take->skb));
	if (!sk)
		return what;
	if (sk->sk_state != TCP_TIME_WAIT)
		what = dpr_handover_take_fits(sk, &take->in->seg) ?
		       DPR_HANDOVER_TAKE_OURS : DPR_HANDOVER_TAKE_OTHER;
	sock_gen_put(sk);
	return what;
}

/* Can this host not take it? Sets the listener if it can. */
static bool dpr_handover_take_refuses(struct dpr_handover_take *take)
{
	struct dpr_net *dn = take->dn;

	if ((take->cfg->state != DPR_STATE_ACTIVE && !take->msg->must) ||
	    !dpr_service_ours(dn, ntohs(take->msg->key.port)) ||
	    dpr_handover_take_socket(take) == DPR_HANDOVER_TAKE_OTHER ||
	    !dpr_inner_addresses(dn, take->skb, take->in))
		return true;
	take->lsk = dpr_listener_find(dn->net, take->skb, &take->in->seg,
				      &take->in->local);
	return !take->lsk || sk_acceptq_is_full(take->lsk) ||
	       !dpr_handover_child_possible(dn, take->lsk);
}

/* Can a socket begin with this segment? */
static bool dpr_handover_take_begins(const struct dpr_handover_take *take)
{
	const struct dpr_segment *seg = &take->in->seg;
	const struct dpr_handover_options *options = &take->msg->options;

	return seg->has_ack && !seg->syn && !seg->rst &&
	       !dpr_inner_tcp(take->skb, take->in)->syn &&
	       seg->seq == options->client_isn + 1 &&
	       seg->ack == options->isn + 1;
}

/* A connection in TIME_WAIT is over: the client's SYN, which the first host has seen, says so. */
static void dpr_handover_take_end_old(const struct dpr_handover_take *take)
{
	struct sock *sk;

	sk = dpr_socket_find(take->dn, &take->msg->key, dpr_compat_dif(take->skb),
			     dpr_compat_sdif(take->skb));
	if (!sk)
		return;
	if (sk->sk_state == TCP_TIME_WAIT)
		inet_twsk_deschedule_put(inet_twsk(sk));
	else
		sock_gen_put(sk);
}

/* Makes the socket; the packet is consumed. */
static bool dpr_handover_take_make(const struct dpr_handover_take *take)
{
	struct dpr_handover_options options = take->msg->options;
	struct dpr_net *dn = take->dn;
	struct sk_buff *skb = take->skb;
	struct dpr_inner *in = take->in;
	unsigned int most = 0;

	if (unlikely(take->cfg->answers == DPR_ANSWERS_THROUGH))
		most = dpr_through_mss(dn, take->cfg, skb, in);
	if (most && most < options.mss)
		options.mss = most;
	dpr_handover_take_end_old(take);
	if (!dpr_inner_unwrap(skb, in) ||
	    (!skb_dst(skb) && !dpr_deliver_prepare(dn, skb))) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		kfree_skb(skb);
		return false;
	}
	dpr_stats_inc(dn, DPR_STAT_RX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_RX_BYTES, skb->len);
	dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER);
	if (dpr_migrate_on()) {
		dpr_migrate_watch_begin(dn, &take->msg->key, &options);
		skb_set_transport_header(skb, in->offset - in->olen);
		dpr_migrate_watch_kept(dn, &take->msg->key, skb);
		if (in->wide)
			dpr_inner_transport6(skb);
	}
	return dpr_handover_child_deliver(dn, take->lsk, skb, &take->msg->key,
					  &options);
}

/* The first copy of a handover. The packet is consumed unless the verdict is NF_DROP. */
static unsigned int dpr_handover_take_new(struct dpr_handover_take *take,
					  struct dpr_handover_seen *seen, u64 tag)
{
	struct net_device *dev = take->skb->dev;
	struct dpr_net *dn = take->dn;

	if (dpr_handover_take_refuses(take)) {
		dpr_handover_seen_end(seen, tag, DPR_HANDOVER_SEEN_REFUSED);
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_REFUSED);
		dpr_handover_take_answer(take, dev, DPR_HANDOVER_SEEN_REFUSED);
		return NF_DROP;
	}
	if (!dpr_handover_take_begins(take)) {
		dpr_handover_seen_end(seen, tag, DPR_HANDOVER_SEEN_NEW);
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_WAITED);
		return NF_DROP;
	}
	if (!dpr_listener_ready(take->lsk, take->in->wide)) {
		dpr_handover_seen_end(seen, tag, DPR_HANDOVER_SEEN_NEW);
		dpr_stats_inc(dn, DPR_STAT_RX_LISTENER_DEFERRED);
		return dpr_listener_defer(dn, take->skb, take->in->olen) ?
		       NF_STOLEN : NF_DROP;
	}
	if (!dpr_handover_take_make(take)) {
		/* For all that is known the client's segment is at fault. */
		dpr_handover_seen_end(seen, tag, DPR_HANDOVER_SEEN_FAILED);
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_FAILED);
		dpr_handover_take_answer(take, dev, DPR_HANDOVER_SEEN_FAILED);
		return NF_STOLEN;
	}
	dpr_handover_seen_end(seen, tag, DPR_HANDOVER_SEEN_TAKEN);
	dpr_closing_expect(dn);
	dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_TAKEN);
	dpr_handover_take_answer(take, dev, DPR_HANDOVER_SEEN_TAKEN);
	return NF_STOLEN;
}

/**
 * dpr_handover_take - take a connection over, or refuse it
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what is known of the client's packet in it
 * @msg: the handover, authenticated
 * @peer: whom it is from
 *
 * There is one socket at most, and no host has one that has refused: what became of the
 * first copy holds for all. Who has the socket needs no memory to say so, and its word
 * does not depend on how long ago that was. Called under RCU in softirq.
 *
 * Return: the netfilter verdict; DPR_HANDOVER_ORDINARY if the client's packet goes the way
 * of all that are redirected.
 */
unsigned int dpr_handover_take(struct dpr_net *dn, const struct dpr_config *cfg,
			       struct sk_buff *skb, struct dpr_inner *in,
			       const struct dpr_handover_msg *msg,
			       struct dpr_peer *peer)
{
	struct dpr_handovers *all = rcu_dereference(dn->handovers);
	struct dpr_handover_take take = {
		.dn = dn, .cfg = cfg, .skb = skb, .in = in, .msg = msg, .peer = peer,
	};
	enum dpr_handover_seen_as as;
	u64 tag;

	if (dpr_handover_take_socket(&take) == DPR_HANDOVER_TAKE_OURS) {
		dpr_handover_take_answer(&take, skb->dev, DPR_HANDOVER_SEEN_TAKEN);
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER);
		return DPR_HANDOVER_ORDINARY;
	}
	if (!all) {
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_REFUSED);
		dpr_handover_take_answer(&take, skb->dev, DPR_HANDOVER_SEEN_REFUSED);
		return NF_DROP;
	}
	tag = dpr_handover_seen_tag(&all->seen, msg, &peer->address);
	as = dpr_handover_seen_begin(&all->seen, tag);
	switch (as) {
	case DPR_HANDOVER_SEEN_NEW:
		return dpr_handover_take_new(&take, &all->seen, tag);
	case DPR_HANDOVER_SEEN_TAKEN:
		dpr_handover_take_answer(&take, skb->dev, DPR_HANDOVER_SEEN_TAKEN);
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER);
		return DPR_HANDOVER_ORDINARY;
	case DPR_HANDOVER_SEEN_REFUSED:
	case DPR_HANDOVER_SEEN_FAILED:
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_REFUSED);
		dpr_handover_take_answer(&take, skb->dev, as);
		return NF_DROP;
	case DPR_HANDOVER_SEEN_FULL:
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_FULL);
		dpr_handover_take_answer(&take, skb->dev, as);
		return NF_DROP;
	default:
		dpr_stats_inc(dn, DPR_STAT_RX_HANDOVER_WAITED);
		return NF_DROP;
	}
}
