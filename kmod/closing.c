// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include "ask.h"
#include "closing.h"
#include "compat.h"
#include "core/parse.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"
#include "socket.h"

/*
 * How often a connection is checked, and how long after the segment first: by
 * then the segment has reached the socket, even if a program is using it. Each
 * delay is DPR_CLOSING_LATER times the one before, 15 s in all: that is how long a
 * server that has closed waits for its client. The first host asks about what
 * takes longer (liveness.c).
 */
#define DPR_CLOSING_CHECKS	5
#define DPR_CLOSING_DELAY	max(HZ / 50, 1)
#define DPR_CLOSING_LATER	5

#define DPR_CLOSING_ENTRIES	2048	/* a power of two; of each queue */

/**
 * struct dpr_closing_entry - a connection to check
 * @key: the connection
 * @isn: the client's initial sequence number
 * @first: address of the host that redirects it
 * @iif: device that its socket is bound to, 0: none
 * @due: jiffies when to check it
 */
struct dpr_closing_entry {
	struct dpr_flow_key key;
	u32 isn;
	struct dpr_addr first;
	int iif;
	u32 due;
};

/**
 * struct dpr_closing_queue - connections with the same delay, oldest first
 * @head: how many entries were written
 * @tail: how many were read
 * @entry: the entries; those that find no room are not written
 */
struct dpr_closing_queue {
	u32 head;
	u32 tail;
	struct dpr_closing_entry entry[DPR_CLOSING_ENTRIES];
};

/*
 * The client's initial sequence number, computed from what its socket has received
 * since. If another CPU changes the socket meanwhile it may be wrong, and the
 * first host refuses the message.
 */
static u32 dpr_closing_isn(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return READ_ONCE(tp->rcv_nxt) - 1 - (u32)READ_ONCE(tp->bytes_received);
}

/* Jiffies before the nth check, counted from 0. */
static u32 dpr_closing_delay(u32 nth)
{
	u32 delay = DPR_CLOSING_DELAY;

	while (nth--)
		delay *= DPR_CLOSING_LATER;
	return delay;
}

/* Schedules @work for a jiffy, unless it runs sooner. Under the lock. */
static void dpr_closing_wake(struct dpr_closing *closing, u32 due)
{
	if (closing->waking && (s32)(due - closing->wake) >= 0)
		return;
	closing->waking = true;
	closing->wake = due;
	mod_delayed_work(dpr_compat_percpu_wq, &closing->work,
			 max((s32)(due - (u32)jiffies), 1));
}

/* Queues a connection for the nth check, counted from 0. */
static void dpr_closing_put(struct dpr_closing *closing, u32 nth,
			    struct dpr_closing_entry *entry)
{
	struct dpr_closing_queue *queue = READ_ONCE(closing->queue);

	if (!queue)
		return;
	queue += nth;
	entry->due = (u32)jiffies + dpr_closing_delay(nth);
	spin_lock_bh(&closing->lock);
	if (queue->head - queue->tail < DPR_CLOSING_ENTRIES) {
		queue->entry[queue->head++ % DPR_CLOSING_ENTRIES] = *entry;
		dpr_closing_wake(closing, entry->due);
	}
	spin_unlock_bh(&closing->lock);
}

/**
 * dpr_closing_watch - check soon whether a connection has closed
 * @dn: the namespace, hooked
 * @sk: its socket
 * @key: the connection
 * @first: address of the host that redirects it
 * @iif: device that @sk is bound to, 0: none
 *
 * Called under RCU in any context. Ignores request and TIME_WAIT sockets: the
 * first host asks about these.
 */
void dpr_closing_watch(struct dpr_net *dn, const struct sock *sk,
		       const struct dpr_flow_key *key,
		       const struct dpr_addr *first, int iif)
{
	struct dpr_closing_entry entry = {
		.key = *key,
		.first = *first,
		.iif = iif,
	};

	if (!sk_fullsock(sk))
		return;
	entry.isn = dpr_closing_isn(sk);
	dpr_closing_put(&dn->closing, 0, &entry);
}

/**
 * dpr_closing_state - what this host has left of a connection
 * @dn: the namespace
 * @key: the connection
 * @dif: as in dpr_socket_find()
 * @sdif: as in dpr_socket_find()
 *
 * Called under RCU with bottom halves off.
 *
 * Return: DPR_OWNER_MSG_CLAIM if it has a socket, DPR_OWNER_MSG_TIME_WAIT if that
 * is all, DPR_OWNER_MSG_GONE if there is nothing; 0 if its handshake is not over.
 */
enum dpr_owner_msg_kind dpr_closing_state(struct dpr_net *dn,
					  const struct dpr_flow_key *key, int dif,
					  int sdif)
{
	enum dpr_owner_msg_kind kind;
	struct sock *sk;

	sk = dpr_socket_find(dn, key, dif, sdif);
	if (!sk)
		return DPR_OWNER_MSG_GONE;
	if (sk->sk_state == TCP_TIME_WAIT)
		kind = inet_twsk(sk)->tw_substate == TCP_TIME_WAIT ?
		       DPR_OWNER_MSG_TIME_WAIT : DPR_OWNER_MSG_CLAIM;
	else
		kind = sk_fullsock(sk) ? DPR_OWNER_MSG_CLAIM : 0;
	sock_gen_put(sk);
	return kind;
}

/* Has the server closed the connection, which now waits for its client? */
static bool dpr_closing_waits(struct dpr_net *dn,
			      const struct dpr_closing_entry *entry)
{
	const u32 waits = TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSING |
			  TCPF_LAST_ACK | TCPF_TIME_WAIT;
	struct sock *sk;
	bool waiting;

	sk = dpr_socket_find(dn, &entry->key, entry->iif, 0);
	if (!sk)
		return false;
	waiting = 1 << sk->sk_state & waits;
	sock_gen_put(sk);
	return waiting;
}

static void dpr_closing_check(struct dpr_closing *closing, u32 nth,
			      struct dpr_closing_entry *entry)
{
	struct dpr_net *dn = container_of(closing, struct dpr_net, closing);
	enum dpr_owner_msg_kind kind;
	struct dpr_peer *peer;

	local_bh_disable();
	rcu_read_lock();
	kind = dpr_closing_state(dn, &entry->key, entry->iif, 0);
	peer = dpr_peer_find(dn, &entry->first);
	if (peer && (kind == DPR_OWNER_MSG_GONE || kind == DPR_OWNER_MSG_TIME_WAIT))
		dpr_ask_send(dn, rcu_dereference(dn->config),
			     dn->net->loopback_dev, peer, kind, entry->isn,
			     &entry->key);
	else if (nth + 1 < DPR_CLOSING_CHECKS && dpr_closing_waits(dn, entry))
		dpr_closing_put(closing, nth + 1, entry);
	rcu_read_unlock();
	local_bh_enable();
}

/* Takes the next due connection off a queue. */
static bool dpr_closing_next(struct dpr_closing *closing, u32 nth,
			     struct dpr_closing_entry *entry)
{
	struct dpr_closing_queue *queue = &closing->queue[nth];
	bool due = false;

	spin_lock_bh(&closing->lock);
	if (queue->tail != queue->head) {
		*entry = queue->entry[queue->tail % DPR_CLOSING_ENTRIES];
		due = (s32)((u32)jiffies - entry->due) >= 0;
		queue->tail += due;
	}
	spin_unlock_bh(&closing->lock);
	return due;
}

/* Schedules @work for what is left in the queues. */
static void dpr_closing_rest(struct dpr_closing *closing)
{
	u32 nth;

	spin_lock_bh(&closing->lock);
	closing->waking = false;
	for (nth = 0; nth < DPR_CLOSING_CHECKS; nth++) {
		const struct dpr_closing_queue *queue = &closing->queue[nth];

		if (queue->tail != queue->head)
			dpr_closing_wake(closing, queue->entry[queue->tail %
					      DPR_CLOSING_ENTRIES].due);
	}
	spin_unlock_bh(&closing->lock);
}

static void dpr_closing_work(struct work_struct *work)
{
	struct dpr_closing *closing = container_of(to_delayed_work(work),
						   struct dpr_closing, work);
	struct dpr_closing_entry entry;
	u32 nth;

	if (!closing->queue)
		WRITE_ONCE(closing->queue,
			   kvcalloc(DPR_CLOSING_CHECKS, sizeof(*closing->queue),
				    GFP_KERNEL_ACCOUNT));
	if (!closing->queue)
		return;
	for (nth = 0; nth < DPR_CLOSING_CHECKS; nth++) {
		while (dpr_closing_next(closing, nth, &entry)) {
			dpr_closing_check(closing, nth, &entry);
			cond_resched();
		}
	}
	dpr_closing_rest(closing);
}

/**
 * dpr_closing_setup - prepare to watch connections
 * @dn: the namespace
 *
 * The queues are allocated when the first redirected connection begins.
 */
void dpr_closing_setup(struct dpr_net *dn)
{
	spin_lock_init(&dn->closing.lock);
	INIT_DELAYED_WORK(&dn->closing.work, dpr_closing_work);
}

/**
 * dpr_closing_teardown - forget all watched connections
 * @dn: the namespace; no hook runs in it any more, its peers are still there
 */
void dpr_closing_teardown(struct dpr_net *dn)
{
	cancel_delayed_work_sync(&dn->closing.work);
	kvfree(dn->closing.queue);
}
