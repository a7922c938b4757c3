/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the first host learns that a redirected connection has ended: the host
 * that serves it looks at its socket a moment after a segment that may have
 * ended it, again ever later if it only waits for the other side, and tells the
 * first host when the socket is gone. What gets lost does no harm: clean-up at
 * the first host asks (liveness.c).
 *
 * The message is proved by the client's initial sequence number, which the
 * first host knows from the SYN and the serving host from its socket: who
 * cannot see the connection has to guess 32 bits.
 */
#ifndef _DPR_ENDED_H
#define _DPR_ENDED_H

#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp_states.h>
#include "netns.h"
#include "owner_msg.h"

struct dpr_flow_key;

void dpr_ended_setup(struct dpr_net *dn);
void dpr_ended_teardown(struct dpr_net *dn);
void dpr_ended_note(struct dpr_net *dn, const struct sock *sk,
		    const struct dpr_flow_key *key, __be32 first, int iif);
enum dpr_owner_msg_kind dpr_ended_state(struct dpr_net *dn,
					const struct dpr_flow_key *key, int iif);

/**
 * dpr_ended_expect - a redirected connection begins here
 * @dn: the namespace
 *
 * Makes room for notes, if there is none. Until then none are taken.
 */
static inline void dpr_ended_expect(struct dpr_net *dn)
{
	if (unlikely(!READ_ONCE(dn->ended.queue)))
		schedule_delayed_work(&dn->ended.work, 0);
}

/**
 * dpr_ended_maybe - is the other side of a connection done with a segment
 * @sk: the connection's socket, past LISTEN
 * @th: the segment, from the client
 *
 * It is if it resets the connection, acknowledges the server's FIN, or is the
 * FIN that a socket in FIN-WAIT-2 waits for. Then what is left of the socket is
 * worth a look; once for a connection, as a rule.
 */
static inline bool dpr_ended_maybe(const struct sock *sk,
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

#endif /* _DPR_ENDED_H */
