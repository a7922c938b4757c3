/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the first host learns that a redirected connection has closed: shortly
 * after a segment that may have closed it, the serving host checks its socket,
 * again at growing intervals while the socket only waits for the other side, and
 * notifies the first host when the socket is gone. A lost message does no harm:
 * clean-up at the first host asks (liveness.c).
 *
 * The client's initial sequence number proves the message: the first host knows
 * it from the SYN and the serving host from its socket. Whoever cannot see the
 * connection has to guess 32 bits.
 */
#ifndef _DPR_CLOSING_H
#define _DPR_CLOSING_H

#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp_states.h>
#include "netns.h"
#include "owner_msg.h"

struct dpr_flow_key;

void dpr_closing_setup(struct dpr_net *dn);
void dpr_closing_teardown(struct dpr_net *dn);
void dpr_closing_watch(struct dpr_net *dn, const struct sock *sk,
		       const struct dpr_flow_key *key,
		       const struct dpr_addr *first, int iif);
enum dpr_owner_msg_kind dpr_closing_state(struct dpr_net *dn,
					  const struct dpr_flow_key *key, int dif,
					  int sdif);

/**
 * dpr_closing_expect - prepare for the end of a redirected connection
 * @dn: the namespace
 *
 * Has the queues allocated, once. Until then no connection is watched.
 */
static inline void dpr_closing_expect(struct dpr_net *dn)
{
	if (unlikely(!READ_ONCE(dn->closing.queue)))
		schedule_delayed_work(&dn->closing.work, 0);
}

/**
 * dpr_closing_segment - may a segment close its connection
 * @sk: the connection's socket, past LISTEN
 * @th: the segment, from the client
 *
 * It does if it resets the connection, acknowledges the server's FIN, or is the
 * FIN that a socket in FIN-WAIT-2 waits for. As a rule one segment of a
 * connection does.
 *
 * Return: true if dpr_closing_watch() should check the socket.
 */
static inline bool dpr_closing_segment(const struct sock *sk,
				       const struct tcphdr *th)
{
	switch (sk->sk_state) {
	case TCP_FIN_WAIT1:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return th->rst || ntohl(th->ack_seq) ==
				  READ_ONCE(tcp_sk(sk)->write_seq);
	case TCP_FIN_WAIT2:
		return th->rst || th->fin;
	default:
		return th->rst;
	}
}

#endif /* _DPR_CLOSING_H */
