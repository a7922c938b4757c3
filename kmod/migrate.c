// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <linux/workqueue.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "deliver.h"
#include "dpr.h"
#include "fwd.h"
#include "handover.h"
#include "handover_back.h"
#include "handover_msg.h"
#include "inner.h"
#include "local.h"
#include "migrate.h"
#include "migrate_socket.h"
#include "migrate_where.h"
#include "netns.h"
#include "peer.h"
#include "protected.h"
#include "service.h"
#include "socket.h"
#include "stats.h"

/* Requests held at a time; the connections of others stay. */
#define DPR_MIGRATE_HELD	1024
/* How long they wait for a program that is using the socket. */
#define DPR_MIGRATE_PATIENCE	(HZ / 10)
/* A RST that belongs to a connection let go comes at once. */
#define DPR_MIGRATE_RESETS	HZ

/**
 * struct dpr_migrate_held - what is known of a request that is held: its control block
 * @ip: IP's own, as it was
 * @sk: the connection's socket, a reference is held
 * @first: the first host, a reference is held; NULL if it is this one
 * @since: jiffies when it came
 */
struct dpr_migrate_held {
	union {
		struct inet_skb_parm h4;
		struct inet6_skb_parm h6;
	} ip;
	struct sock *sk;
	struct dpr_peer *first;
	u32 since;
};

static struct dpr_migrate_held *dpr_migrate_held(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct dpr_migrate_held) > sizeof(skb->cb));
	return (struct dpr_migrate_held *)skb->cb;
}

/*
 * Holds a request: its IP header is at skb->data, its TCP header at @offset. Takes the packet
 * and the socket's reference over.
 */
static void dpr_migrate_hold(struct dpr_net *dn, struct sk_buff *skb,
			     unsigned int offset, struct sock *sk,
			     struct dpr_peer *first)
{
	struct dpr_migrate_held *held = dpr_migrate_held(skb);

	skb_dst_drop(skb);
	skb_set_transport_header(skb, offset);
	/* Outside RCU only a reference keeps the device. */
	dev_hold(skb->dev);
	held->sk = sk;
	held->first = first;
	held->since = jiffies;
	dpr_stats_inc(dn, DPR_STAT_MIGRATE_HELD);
	skb_queue_tail(&dn->leaving, skb);
	/* On this CPU: what came before the request has been delivered by then. */
	mod_delayed_work(system_highpri_wq, &dn->leave, 0);
}

/* May one more request be held? Takes a reference on the first host. */
static bool dpr_migrate_room(struct dpr_net *dn, struct dpr_peer *first)
{
	if (skb_queue_len_lockless(&dn->leaving) < DPR_MIGRATE_HELD &&
	    (!first || dpr_peer_get(first)))
		return true;
	dpr_stats_inc(dn, DPR_STAT_MIGRATE_STAYED_FULL);
	return false;
}

/* Reads the segment of a packet, its IP header at skb->data, its transport header set. */
static void dpr_migrate_read(struct sk_buff *skb, struct dpr_segment *seg)
{
	const unsigned int offset = skb_transport_offset(skb);

	if (dpr_local_wide(skb))
		dpr_parse_segment6(ipv6_hdr(skb), (void *)skb->data + offset,
				   skb->len - offset, offset, seg);
	else
		dpr_parse_segment(ip_hdr(skb), skb->len, 0, seg);
}

/* Makes the message that gives a connection back to its first host, with a packet of it. */
static struct sk_buff *dpr_migrate_wrap(const struct dpr_config *cfg,
					const struct dpr_flow_key *key,
					const struct dpr_handover_options *options,
					struct sk_buff *skb,
					const struct dpr_peer *first)
{
	const struct dpr_handover_msg msg = {
		.kind = DPR_HANDOVER_MSG_BACK,
		.key = *key,
		.options = *options,
	};

	if (!cfg->keys || skb_is_gso(skb) ||
	    (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)))
		return NULL;
	return dpr_handover_msg_encode(cfg, &msg, skb, &first->address);
}

/* Sends it. Called under RCU with bottom halves off, without a lock. */
static void dpr_migrate_send(struct dpr_net *dn, const struct dpr_config *cfg,
			     struct sk_buff *skb, struct dpr_peer *first)
{
	skb->dev = dn->net->loopback_dev;
	dpr_stats_inc(dn, DPR_STAT_TX_HANDOVER);
	dpr_fwd_send(dn, cfg, skb, first);
}

/*
 * Ends a connection's socket, which is locked, if it may be. From then on it is remembered here,
 * and, if this is the first host, waits for another one. Returns why it stays.
 */
static enum dpr_stat dpr_migrate_end(struct dpr_net *dn, struct sock *sk,
				     struct sk_buff *skb,
				     const struct dpr_segment *seg,
				     struct dpr_peer *first, struct sk_buff **back)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	struct dpr_handover_options options;
	enum dpr_stat why;
	u32 ts_off;

	why = dpr_migrate_socket_stays(sk, seg);
	if (why)
		return why;
	ts_off = dpr_migrate_socket_options(sk, seg, &options);
	options.ts_now = (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC) + ts_off;
	if (first) {
		*back = dpr_migrate_wrap(cfg, &seg->key, &options, skb, first);
		if (!*back)
			return DPR_STAT_MIGRATE_STAYED_FULL;
	}
	if (!dpr_migrate_watch_leave(dn, &seg->key, &options, ts_off))
		return DPR_STAT_MIGRATE_STAYED_BUSY;
	if (!first && !dpr_handover_back_own(dn, &seg->key, &options, ts_off)) {
		dpr_migrate_watch_forget(dn, &seg->key);
		return DPR_STAT_MIGRATE_STAYED_FULL;
	}
	if (dpr_migrate_socket_end(sk))
		return DPR_STAT_UNSPEC;
	dpr_migrate_watch_forget(dn, &seg->key);
	if (!first)
		dpr_handover_back_undo(dn, &seg->key);
	return DPR_STAT_MIGRATE_STAYED_SOCKET;
}

/* Gives a request to the socket after all; the packet is consumed. */
static void dpr_migrate_stay(struct dpr_net *dn, struct sk_buff *skb)
{
	if (dpr_deliver_prepare(dn, skb))
		dpr_deliver_routed(dn, skb);
	else
		kfree_skb(skb);
}

/* Passes a request on whose connection was let go; the packet is consumed. */
static void dpr_migrate_go(struct dpr_net *dn, struct sk_buff *skb,
			   const struct dpr_segment *seg, struct dpr_peer *first,
			   struct sk_buff *back)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	unsigned int verdict;

	dpr_stats_inc(dn, DPR_STAT_MIGRATE_AWAY);
	if (first) {
		dpr_migrate_send(dn, cfg, back, first);
		consume_skb(skb);
	} else if (!dpr_handover_segment_kept(dn, cfg, skb, seg, &verdict) ||
		   verdict != NF_STOLEN) {
		kfree_skb(skb);
	}
}

/*
 * Decides on a held request, which is consumed, unless a program is using the socket: false. A
 * program can do so for as long as it likes, in a page fault for instance, so it is not waited
 * for with the others' requests behind this one.
 */
static bool dpr_migrate_leave(struct dpr_net *dn, struct sk_buff *skb)
{
	const struct dpr_migrate_held held = *dpr_migrate_held(skb);
	enum dpr_stat why = DPR_STAT_MIGRATE_STAYED_BUSY;
	struct net_device *dev = skb->dev;
	struct sk_buff *back = NULL;
	struct dpr_segment seg;
	bool owned;

	dpr_migrate_read(skb, &seg);
	local_bh_disable();
	rcu_read_lock();
	bh_lock_sock(held.sk);
	owned = sock_owned_by_user(held.sk);
	if (!owned)
		why = dpr_migrate_end(dn, held.sk, skb, &seg, held.first, &back);
	bh_unlock_sock(held.sk);
	if (owned && (u32)jiffies - held.since < DPR_MIGRATE_PATIENCE) {
		rcu_read_unlock();
		local_bh_enable();
		return false;
	}
	sock_put(held.sk);
	memset(skb->cb, 0, sizeof(skb->cb));
	memcpy(skb->cb, &held.ip, sizeof(held.ip));
	if (why) {
		kfree_skb(back);
		dpr_stats_inc(dn, why);
		dpr_migrate_stay(dn, skb);
	} else {
		dpr_migrate_go(dn, skb, &seg, held.first, back);
	}
	rcu_read_unlock();
	local_bh_enable();
	if (held.first)
		dpr_peer_put(held.first);
	dev_put(dev);
	return true;
}

static void dpr_migrate_work(struct work_struct *work)
{
	struct dpr_net *dn = container_of(to_delayed_work(work), struct dpr_net,
					  leave);
	struct sk_buff_head busy;
	struct sk_buff *skb;

	__skb_queue_head_init(&busy);
	while ((skb = skb_dequeue(&dn->leaving)))
		if (!dpr_migrate_leave(dn, skb))
			__skb_queue_tail(&busy, skb);
	if (skb_queue_empty(&busy))
		return;
	spin_lock_irq(&dn->leaving.lock);
	skb_queue_splice(&busy, &dn->leaving);
	spin_unlock_irq(&dn->leaving.lock);
	queue_delayed_work(system_highpri_wq, &dn->leave, 1);
}

/**
 * dpr_migrate_setup - get ready to hold requests
 * @dn: the namespace
 */
void dpr_migrate_setup(struct dpr_net *dn)
{
	skb_queue_head_init(&dn->leaving);
	INIT_DELAYED_WORK(&dn->leave, dpr_migrate_work);
}

/**
 * dpr_migrate_teardown - drop what is held
 * @dn: the namespace; no hook runs in it any more, its peers are still there
 */
void dpr_migrate_teardown(struct dpr_net *dn)
{
	struct sk_buff *skb;

	cancel_delayed_work_sync(&dn->leave);
	while ((skb = skb_dequeue(&dn->leaving))) {
		const struct dpr_migrate_held *held = dpr_migrate_held(skb);

		sock_put(held->sk);
		if (held->first)
			dpr_peer_put(held->first);
		dev_put(skb->dev);
		kfree_skb(skb);
	}
}

/* Is the TCP header where the stack looks for it that gets the packet again? */
static bool dpr_migrate_simple(const struct dpr_segment *seg, unsigned int offset)
{
	return !seg->key.wide || offset == sizeof(struct ipv6hdr);
}

/* The first host of a redirected packet. One that came direct says only its address. */
static struct dpr_peer *dpr_migrate_first(struct dpr_net *dn,
					  const struct dpr_inner *in)
{
	return in->olen ? dpr_peer_find(dn, &in->first) :
			  dpr_peer_by_any(dn, &in->first);
}

/*
 * Gives a segment of a connection that was let go back to the host that has sent it here: it
 * may not know. A SYN is of another connection.
 */
static bool dpr_migrate_bounce(struct dpr_net *dn, struct sk_buff *skb,
			       struct dpr_inner *in, unsigned int *verdict)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	struct dpr_handover_options options;
	struct dpr_peer *first;
	struct sk_buff *back;

	if (in->seg.syn ||
	    !dpr_migrate_watch_left(dn, &in->seg.key, DPR_MIGRATE_WATCH_LIFE,
				    &options))
		return false;
	*verdict = NF_DROP;
	dpr_stats_inc(dn, DPR_STAT_MIGRATE_BOUNCED);
	first = dpr_migrate_first(dn, in);
	if (!first || READ_ONCE(first->protocol) < DPR_PEER_MIGRATE ||
	    !dpr_inner_unwrap(skb, in))
		return true;
	back = dpr_migrate_wrap(cfg, &in->seg.key, &options, skb, first);
	if (back)
		dpr_migrate_send(dn, cfg, back, first);
	return true;
}

/**
 * dpr_migrate_redirected - does a redirected segment make its connection leave, or has it left
 * @dn: the namespace
 * @skb: the packet; pointers into it are stale afterwards
 * @in: what is known of it, its socket included, whose reference is taken over if so
 * @verdict: set to the netfilter verdict if so
 *
 * Called under RCU in softirq.
 */
bool dpr_migrate_redirected(struct dpr_net *dn, struct sk_buff *skb,
			    struct dpr_inner *in, unsigned int *verdict)
{
	struct dpr_peer *first;
	struct sock *sk = in->sk;

	if (!in->refcounted)
		return dpr_migrate_bounce(dn, skb, in, verdict);
	first = dpr_migrate_first(dn, in);
	dpr_inner_numbers(skb, in);
	if (!sk_fullsock(sk) || !first ||
	    !dpr_migrate_simple(&in->seg, in->offset - in->olen) ||
	    !dpr_migrate_where(dn, skb, &in->seg, in->olen + in->len, first, sk) ||
	    !dpr_migrate_room(dn, first))
		return false;
	if (!dpr_inner_unwrap(skb, in)) {
		sock_put(sk);
		dpr_peer_put(first);
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		*verdict = NF_DROP;
		return true;
	}
	dpr_migrate_hold(dn, skb, in->offset - in->olen, sk, first);
	*verdict = NF_STOLEN;
	return true;
}

/**
 * dpr_migrate_own - does a segment make a connection leave that this first host serves
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, consumed if so
 * @seg: the segment, no SYN, of a connection without a flow
 *
 * Called under RCU in softirq.
 */
bool dpr_migrate_own(struct dpr_net *dn, const struct dpr_config *cfg,
		     struct sk_buff *skb, const struct dpr_segment *seg)
{
	struct sock *sk;

	/* No socket will ask for the policy: that of the next host gets the request from here. */
	if (!dpr_migrate_simple(seg, seg->offset) ||
	    !dpr_migrate_where(dn, skb, seg, skb->len, NULL, NULL) ||
	    !dpr_protected(skb, seg->key.wide) || !dpr_migrate_room(dn, NULL))
		return false;
	sk = dpr_socket_find(dn, &seg->key, dpr_compat_dif(skb),
			     dpr_compat_sdif(skb));
	if (!sk)
		return false;
	if (!sk_fullsock(sk)) {
		sock_gen_put(sk);
		return false;
	}
	dpr_migrate_hold(dn, skb, seg->offset, sk, NULL);
	return true;
}

/*
 * Looks at what leaves. A RST that the stack answers a connection's last packets with, which
 * overtook each other on two processors, does not: another host has it.
 */
static unsigned int dpr_migrate_out(struct dpr_net *dn, struct sk_buff *skb,
				    const struct dpr_flow_key *key,
				    unsigned int offset)
{
	const struct tcphdr *th = (void *)skb->data + offset;
	const unsigned int at = offset + th->doff * 4;
	struct dpr_handover_options options;
	unsigned int verdict = NF_ACCEPT;

	local_bh_disable();
	if (unlikely(th->rst) &&
	    dpr_migrate_watch_left(dn, key, DPR_MIGRATE_RESETS, &options)) {
		dpr_stats_inc(dn, DPR_STAT_MIGRATE_SILENCED);
		verdict = NF_DROP;
	} else if (skb->len > at) {
		dpr_migrate_watch_answer(dn, key, skb, at, skb->len - at,
					 ntohl(th->seq));
	}
	local_bh_enable();
	return verdict;
}

/** dpr_migrate_hook - netfilter's LOCAL_OUT, while connections may move */
unsigned int dpr_migrate_hook(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	const unsigned int offset = ip_hdrlen(skb);
	struct dpr_net *dn = priv;
	const struct tcphdr *th;
	struct dpr_flow_key key;

	if (iph->protocol != IPPROTO_TCP || ip_is_fragment(iph) ||
	    skb_headlen(skb) < offset + sizeof(*th))
		return NF_ACCEPT;
	th = (void *)skb->data + offset;
	if (!dpr_service_ours(dn, ntohs(th->source)))
		return NF_ACCEPT;
	key = dpr_parse_key4(iph->daddr, th->dest, iph->saddr, th->source);
	return dpr_migrate_out(dn, skb, &key, offset);
}

/** dpr_migrate_hook6 - likewise of IPv6 */
unsigned int dpr_migrate_hook6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const unsigned int offset = sizeof(*ip6h);
	struct dpr_net *dn = priv;
	const struct tcphdr *th;
	struct dpr_flow_key key;

	if (ip6h->nexthdr != IPPROTO_TCP || skb_headlen(skb) < offset + sizeof(*th))
		return NF_ACCEPT;
	th = (void *)skb->data + offset;
	if (!dpr_service_ours(dn, ntohs(th->source)))
		return NF_ACCEPT;
	key = dpr_parse_key6(&ip6h->daddr, th->dest, &ip6h->saddr, th->source);
	return dpr_migrate_out(dn, skb, &key, offset);
}
