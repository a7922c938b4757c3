// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/mptcp.h>
#include <net/tcp.h>
#include "compat.h"
#include "core/parse.h"
#include "migrate_socket.h"

/*
 * Is it an ordinary socket of a program: nothing between the two but TCP (TLS, a sockmap,
 * a user in the kernel), no other kind of TCP?
 */
static bool dpr_migrate_socket_plain(const struct sock *sk)
{
	const struct proto *prot = READ_ONCE(sk->sk_prot);

	return prot->disconnect == tcp_prot.disconnect &&
	       prot->recvmsg == tcp_prot.recvmsg &&
	       prot->sendmsg == tcp_prot.sendmsg &&
	       prot->close == tcp_prot.close && !inet_csk(sk)->icsk_ulp_ops &&
	       !sk->sk_user_data && !sk_is_mptcp(sk) && !dpr_compat_signed(sk) &&
	       !tcp_sk(sk)->repair && !dpr_compat_usec_ts(tcp_sk(sk)) &&
	       !dpr_compat_accecn(tcp_sk(sk));
}

/*
 * After so many bytes of the client its first host could not say any more that where the
 * connection leaves is behind where it came (handover_back.c).
 */
#define DPR_MIGRATE_SOCKET_MOST	(S32_MAX - U16_MAX)

/**
 * dpr_migrate_socket_stays - must a connection stay where it is
 * @sk: its socket, locked by the caller (bh_lock_sock()), and no program is using it
 * @seg: the client's segment that is to be its first elsewhere
 *
 * All that came before the segment must have been read, all that was written must have been
 * sent, and the segment must acknowledge it.
 *
 * Return: why; DPR_STAT_UNSPEC if it may go.
 */
enum dpr_stat dpr_migrate_socket_stays(const struct sock *sk,
				       const struct dpr_segment *seg)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	if (!dpr_migrate_socket_plain(sk) ||
	    tp->bytes_received > DPR_MIGRATE_SOCKET_MOST)
		return DPR_STAT_MIGRATE_STAYED_SOCKET;
	if (sk->sk_state != TCP_ESTABLISHED || sk->sk_shutdown ||
	    !sk->sk_socket || sock_flag(sk, SOCK_DEAD) || sk->sk_err)
		return DPR_STAT_MIGRATE_STAYED_BUSY;
	if (!skb_queue_empty(&sk->sk_receive_queue) ||
	    !RB_EMPTY_ROOT(&tp->out_of_order_queue) || tp->urg_data ||
	    tp->rcv_nxt != seg->seq || READ_ONCE(tp->copied_seq) != seg->seq)
		return DPR_STAT_MIGRATE_STAYED_BUSY;
	if (tp->write_seq != tp->snd_nxt || tp->snd_nxt != seg->ack)
		return DPR_STAT_MIGRATE_STAYED_BUSY;
	return DPR_STAT_UNSPEC;
}

/**
 * dpr_migrate_socket_takes - does TCP keep the data of a segment, as far as one can tell
 * @sk: the connection's socket, no lock is held
 * @seg: the segment, of which nothing has come before
 *
 * By its numbers: what somebody sends who does not see the connection has wrong ones.
 */
bool dpr_migrate_socket_takes(const struct sock *sk, const struct dpr_segment *seg)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return seg->has_ack &&
	       !after(seg->seq, READ_ONCE(tp->rcv_wup) + READ_ONCE(tp->rcv_wnd)) &&
	       !after(seg->ack, READ_ONCE(tp->write_seq)) &&
	       !before(seg->ack, READ_ONCE(tp->snd_una) - READ_ONCE(tp->max_window));
}

/**
 * dpr_migrate_socket_options - what another host has to know of a connection
 * @sk: its socket, locked as above
 * @seg: as above
 * @options: set, but for the timestamp of this end, which depends on when it is asked for
 *
 * Return: what to add to this host's clock for that timestamp: more than any that the client
 * has got.
 */
u32 dpr_migrate_socket_options(const struct sock *sk, const struct dpr_segment *seg,
			       struct dpr_handover_options *options)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	*options = (struct dpr_handover_options){
		.client_isn = seg->seq - 1,
		.isn = seg->ack - 1,
		.ts_recent = tp->rx_opt.ts_recent,
		.mss = tp->rx_opt.mss_clamp,
		.client_scale = tp->rx_opt.snd_wscale,
		.scale = tp->rx_opt.rcv_wscale,
		.scales = tp->rx_opt.wscale_ok,
		.timestamps = tp->rx_opt.tstamp_ok,
		.sack = tcp_is_sack(tp),
		.ecn = dpr_compat_ecn(tp),
	};
	return tp->tsoffset + 1;
}

static void dpr_migrate_socket_quiet(struct sock *sk)
{
}

/**
 * dpr_migrate_socket_end - end a connection without a word to its client
 * @sk: the socket, locked as above, of which dpr_migrate_socket_stays() has nothing to say
 *
 * The program finds the end of the client's data, as when a client closes an idle
 * connection. A socket under repair is disconnected without a RST; that would be an
 * error, which nobody may see. Called with bottom halves off.
 *
 * Return: false if it is not to be, and nothing changed.
 */
bool dpr_migrate_socket_end(struct sock *sk)
{
	void (*report)(struct sock *sk) = sk->sk_error_report;
	int err;

	sk->sk_error_report = dpr_migrate_socket_quiet;
	tcp_sk(sk)->repair = 1;
	err = sk->sk_prot->disconnect(sk, 0);
	tcp_sk(sk)->repair = 0;
	sk->sk_error_report = report;
	if (err)
		return false;
	WRITE_ONCE(sk->sk_err, 0);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	sock_set_flag(sk, SOCK_DONE);
	sk->sk_state_change(sk);
	return true;
}
