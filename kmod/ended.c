// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include "ask.h"
#include "core/parse.h"
#include "ended.h"
#include "netns.h"
#include "owner_msg.h"
#include "peer.h"
#include "socket.h"

/*
 * How often a connection is looked at, and after which time first: then a segment
 * has reached its socket, even one that a program uses just now. Each look is so
 * many times as late as the one before, 15 s in all: a server that has closed
 * waits for its client that long. What takes longer is asked for.
 */
#define DPR_ENDED_LOOKS	5
#define DPR_ENDED_DELAY	max(HZ / 50, 1)
#define DPR_ENDED_LATER	5

#define DPR_ENDED_NOTES	2048	/* a power of two; for each look */

/**
 * struct dpr_ended_note - a connection to look at
 * @key: the connection
 * @isn: the client's initial sequence number
 * @first: address of the host that redirects it
 * @iif: device that its packets come by
 * @due: jiffies when to look
 */
struct dpr_ended_note {
	struct dpr_flow_key key;
	u32 isn;
	__be32 first;
	int iif;
	u32 due;
};

/**
 * struct dpr_ended_queue - what is looked at after the same time, oldest first
 * @head: how many notes were written
 * @tail: how many were read
 * @note: the notes; those that find no room are not written
 */
struct dpr_ended_queue {
	u32 head;
	u32 tail;
	struct dpr_ended_note note[DPR_ENDED_NOTES];
};

/*
 * The client's initial sequence number, from what its socket has received since.
 * Wrong if another CPU changes the socket just now: then the first host refuses
 * the message.
 */
static u32 dpr_ended_isn(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return READ_ONCE(tp->rcv_nxt) - 1 - (u32)READ_ONCE(tp->bytes_received);
}

/* The time to the look of that number, from 0. */
static u32 dpr_ended_delay(u32 look)
{
	u32 delay = DPR_ENDED_DELAY;

	while (look--)
		delay *= DPR_ENDED_LATER;
	return delay;
}

/* Has @work run at a jiffy, or sooner. Under the lock. */
static void dpr_ended_wake(struct dpr_ended *ended, u32 due)
{
	if (ended->waking && (s32)(due - ended->wake) >= 0)
		return;
	ended->waking = true;
	ended->wake = due;
	mod_delayed_work(system_wq, &ended->work,
			 max((s32)(due - (u32)jiffies), 1));
}

/* Has a connection looked at, for the so many-th time, from 0. */
static void dpr_ended_put(struct dpr_ended *ended, u32 look,
			  struct dpr_ended_note *note)
{
	struct dpr_ended_queue *queue = READ_ONCE(ended->queue);

	if (!queue)
		return;
	queue += look;
	note->due = (u32)jiffies + dpr_ended_delay(look);
	spin_lock_bh(&ended->lock);
	if (queue->head - queue->tail < DPR_ENDED_NOTES) {
		queue->note[queue->head++ % DPR_ENDED_NOTES] = *note;
		dpr_ended_wake(ended, note->due);
	}
	spin_unlock_bh(&ended->lock);
}

/**
 * dpr_ended_note - look at a connection in a moment
 * @dn: the namespace, hooked
 * @sk: its socket
 * @key: the connection
 * @first: address of the host that redirects it
 * @iif: device that its packets come by
 *
 * Called under RCU in any context. What is no full socket is left to the first
 * host's questions.
 */
void dpr_ended_note(struct dpr_net *dn, const struct sock *sk,
		    const struct dpr_flow_key *key, __be32 first, int iif)
{
	struct dpr_ended_note note = {
		.key = *key,
		.first = first,
		.iif = iif,
	};

	if (!sk_fullsock(sk))
		return;
	note.isn = dpr_ended_isn(sk);
	dpr_ended_put(&dn->ended, 0, &note);
}

/**
 * dpr_ended_state - what is left of a connection here
 * @dn: the namespace
 * @key: the connection
 * @iif: device that its packets come by
 *
 * Called under RCU with bottom halves off.
 *
 * Return: DPR_OWNER_MSG_CLAIM if it has a socket, DPR_OWNER_MSG_TIME_WAIT if that is all,
 * DPR_OWNER_MSG_ENDED if there is nothing; 0 if its handshake is not over.
 */
enum dpr_owner_msg_kind dpr_ended_state(struct dpr_net *dn,
					const struct dpr_flow_key *key, int iif)
{
	enum dpr_owner_msg_kind kind;
	struct sock *sk;

	sk = dpr_socket_find(dn, key, iif, 0);
	if (!sk)
		return DPR_OWNER_MSG_ENDED;
	if (sk->sk_state == TCP_TIME_WAIT)
		kind = inet_twsk(sk)->tw_substate == TCP_TIME_WAIT ?
		       DPR_OWNER_MSG_TIME_WAIT : DPR_OWNER_MSG_CLAIM;
	else
		kind = sk_fullsock(sk) ? DPR_OWNER_MSG_CLAIM : 0;
	sock_gen_put(sk);
	return kind;
}

/* Does a connection only wait for its client, the server being done with it? */
static bool dpr_ended_soon(struct dpr_net *dn,
			   const struct dpr_ended_note *note)
{
	const u32 waits = TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSING |
			  TCPF_LAST_ACK | TCPF_TIME_WAIT;
	struct sock *sk;
	bool soon;

	sk = dpr_socket_find(dn, &note->key, note->iif, 0);
	if (!sk)
		return false;
	soon = 1 << sk->sk_state & waits;
	sock_gen_put(sk);
	return soon;
}

static void dpr_ended_look(struct dpr_ended *ended, u32 look,
			   struct dpr_ended_note *note)
{
	struct dpr_net *dn = container_of(ended, struct dpr_net, ended);
	enum dpr_owner_msg_kind kind;
	struct dpr_peer *peer;

	local_bh_disable();
	rcu_read_lock();
	kind = dpr_ended_state(dn, &note->key, note->iif);
	peer = dpr_peer_find(dn, note->first);
	if (peer && (kind == DPR_OWNER_MSG_ENDED || kind == DPR_OWNER_MSG_TIME_WAIT))
		dpr_ask_send(dn, rcu_dereference(dn->config),
			     dn->net->loopback_dev, peer, kind, note->isn,
			     &note->key);
	else if (look + 1 < DPR_ENDED_LOOKS && dpr_ended_soon(dn, note))
		dpr_ended_put(ended, look + 1, note);
	rcu_read_unlock();
	local_bh_enable();
}

/* Takes the next connection of a queue that is to be looked at by now. */
static bool dpr_ended_next(struct dpr_ended *ended, u32 look,
			   struct dpr_ended_note *note)
{
	struct dpr_ended_queue *queue = &ended->queue[look];
	bool due = false;

	spin_lock_bh(&ended->lock);
	if (queue->tail != queue->head) {
		*note = queue->note[queue->tail % DPR_ENDED_NOTES];
		due = (s32)((u32)jiffies - note->due) >= 0;
		queue->tail += due;
	}
	spin_unlock_bh(&ended->lock);
	return due;
}

/* Has @work run again for what waits. */
static void dpr_ended_rest(struct dpr_ended *ended)
{
	u32 look;

	spin_lock_bh(&ended->lock);
	ended->waking = false;
	for (look = 0; look < DPR_ENDED_LOOKS; look++) {
		const struct dpr_ended_queue *queue = &ended->queue[look];

		if (queue->tail != queue->head)
			dpr_ended_wake(ended, queue->note[queue->tail %
					      DPR_ENDED_NOTES].due);
	}
	spin_unlock_bh(&ended->lock);
}

static void dpr_ended_work(struct work_struct *work)
{
	struct dpr_ended *ended = container_of(to_delayed_work(work),
					       struct dpr_ended, work);
	struct dpr_ended_note note;
	u32 look;

	if (!ended->queue)
		WRITE_ONCE(ended->queue,
			   kvcalloc(DPR_ENDED_LOOKS, sizeof(*ended->queue),
				    GFP_KERNEL_ACCOUNT));
	if (!ended->queue)
		return;
	for (look = 0; look < DPR_ENDED_LOOKS; look++) {
		while (dpr_ended_next(ended, look, &note)) {
			dpr_ended_look(ended, look, &note);
			cond_resched();
		}
	}
	dpr_ended_rest(ended);
}

/**
 * dpr_ended_setup - get ready to take notes
 * @dn: the namespace
 *
 * There is room for them from the first redirected connection on.
 */
void dpr_ended_setup(struct dpr_net *dn)
{
	spin_lock_init(&dn->ended.lock);
	INIT_DELAYED_WORK(&dn->ended.work, dpr_ended_work);
}

/**
 * dpr_ended_teardown - forget the notes
 * @dn: the namespace; no hook runs in it any more, its peers are still there
 */
void dpr_ended_teardown(struct dpr_net *dn)
{
	cancel_delayed_work_sync(&dn->ended.work);
	kvfree(dn->ended.queue);
}
