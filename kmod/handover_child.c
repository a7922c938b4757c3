// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/security.h>
#include <net/inet_connection_sock.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/mptcp.h>
#include <net/route.h>
#include <net/tcp.h>
#include "compat.h"
#include "deliver.h"
#include "handover_child.h"
#include "local.h"
#include "netns.h"
#include "socket.h"

/**
 * dpr_handover_child_possible - can a listener's connections begin without a handshake
 * @dn: the namespace
 * @lsk: the listener, under RCU
 *
 * Not those whose segments are signed. Those of a listener of MPTCP can: they are plain
 * TCP, as if the client knew of nothing else. From Linux 6.9 on the stack wants SYN cookies
 * to be allowed.
 */
bool dpr_handover_child_possible(struct dpr_net *dn, const struct sock *lsk)
{
	return !dpr_compat_signed(lsk) &&
	       (!DPR_COMPAT_REQUEST_BY_PACKET ||
		READ_ONCE(dn->net->ipv4.sysctl_tcp_syncookies));
}

/* The operations of requests of a family. Another one's listener may have the request. */
static const struct request_sock_ops *
dpr_handover_child_ops(const struct sock *lsk, bool wide)
{
	return wide ? lsk->sk_prot->rsk_prot : tcp_prot.rsk_prot;
}

/* What both ends have agreed on. */
static void dpr_handover_child_fill(struct request_sock *req,
				    const struct dpr_handover_options *options)
{
	struct inet_request_sock *ireq = inet_rsk(req);
	struct tcp_request_sock *treq = tcp_rsk(req);

	req->mss = options->mss;
	req->ts_recent = options->timestamps ? options->ts_recent : 0;
	ireq->snd_wscale = options->client_scale;
	ireq->rcv_wscale = options->scale;
	ireq->wscale_ok = options->scales;
	ireq->tstamp_ok = options->timestamps;
	ireq->sack_ok = options->sack;
	ireq->ecn_ok = options->ecn;
	/* Timestamps go on from where the host was that sent the SYN-ACK. */
	treq->ts_off = options->timestamps ?
		       options->ts_now -
		       (u32)div_u64(ktime_get_ns(), NSEC_PER_MSEC) : 0;
}

#if DPR_COMPAT_REQUEST_BY_PACKET
/*
 * A request whose memory is of the listener's kind: of one of MPTCP's the stack looks for
 * what MPTCP keeps behind a TCP request, as it does after its own SYN cookies, and makes a
 * TCP socket when the segment has no options of MPTCP. Nothing in it is set but its
 * operations.
 */
static struct request_sock *
dpr_handover_child_alloc(struct sock *lsk, const struct request_sock_ops *ops)
{
	struct request_sock *req;

	if (sk_is_mptcp(lsk))
		return mptcp_subflow_reqsk_alloc(ops, lsk, false);
	req = kmem_cache_alloc(ops->slab, GFP_ATOMIC | __GFP_NOWARN);
	if (req)
		req->rsk_ops = ops;
	return req;
}

/*
 * Gives the packet a request as bpf_sk_assign_tcp_reqsk() does. Whoever drops the packet
 * frees it. Readers without a lock may look at what it was made of (SLAB_TYPESAFE_BY_RCU),
 * so what links it to others is not touched. All that follows is cleared: the request may
 * be freed before the stack has looked at it.
 */
static bool dpr_handover_child_prepare(struct dpr_net *dn, struct sock *lsk,
				       struct sk_buff *skb,
				       const struct dpr_flow_key *key,
				       const struct dpr_handover_options *options)
{
	const struct request_sock_ops *ops = dpr_handover_child_ops(lsk, key->wide);
	struct request_sock *req;

	req = dpr_handover_child_alloc(lsk, ops);
	if (!req)
		return false;
	ops = req->rsk_ops;
	memset((void *)req + sizeof(req->__req_common), 0,
	       ops->obj_size - sizeof(req->__req_common));
	req->rsk_ops = ops;
	req_to_sk(req)->sk_prot = lsk->sk_prot;
	sk_node_init(&req_to_sk(req)->sk_node);
	sk_tx_queue_clear(req_to_sk(req));
	refcount_set(&req->rsk_refcnt, 0);
	atomic64_set(&inet_rsk(req)->ir_cookie, 0);
	inet_rsk(req)->ireq_state = TCP_NEW_SYN_RECV;
	write_pnet(&inet_rsk(req)->ireq_net, dn->net);
	inet_rsk(req)->ireq_family = lsk->sk_family;
	req->timeout = TCP_TIMEOUT_INIT;
	/* Not counted: the packet is delivered before this RCU section ends. */
	req->rsk_listener = lsk;
	req->syncookie = 1;
	dpr_handover_child_fill(req, options);
	skb_orphan(skb);
	skb->sk = req_to_sk(req);
	skb->destructor = sock_pfree;
	return true;
}

static void dpr_handover_child_wake(struct sock *lsk)
{
}
#else
#ifdef CONFIG_TCP_MD5SIG
static struct tcp_md5sig_key *
dpr_handover_child_no_md5(const struct sock *sk, const struct sock *addr)
{
	return NULL;
}
#endif

/* Asked once, while the socket is made. */
static const struct tcp_request_sock_ops dpr_handover_child_af = {
	.mss_clamp = TCP_MSS_DEFAULT,
#ifdef CONFIG_TCP_MD5SIG
	.req_md5_lookup = dpr_handover_child_no_md5,
#endif
};

static struct dst_entry *dpr_handover_child_route4(struct dpr_net *dn,
						   struct sock *lsk,
						   struct request_sock *req,
						   struct flowi4 *fl4)
{
	const struct inet_request_sock *ireq = inet_rsk(req);
	struct rtable *rt;

	flowi4_init_output(fl4, ireq->ir_iif, ireq->ir_mark, RT_CONN_FLAGS(lsk),
			   RT_SCOPE_UNIVERSE, IPPROTO_TCP,
			   inet_sk_flowi_flags(lsk), ireq->ir_rmt_addr,
			   ireq->ir_loc_addr, ireq->ir_rmt_port,
			   htons(ireq->ir_num), dpr_compat_uid(lsk));
	security_req_classify_flow(req, flowi4_to_flowi_common(fl4));
	rt = ip_route_output_key(dn->net, fl4);
	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *dpr_handover_child_route6(struct dpr_net *dn,
						   struct sock *lsk,
						   struct request_sock *req)
{
	const struct inet_request_sock *ireq = inet_rsk(req);
	struct flowi6 fl6 = {
		.flowi6_proto = IPPROTO_TCP,
		.daddr = ireq->ir_v6_rmt_addr,
		.saddr = ireq->ir_v6_loc_addr,
		.flowi6_oif = ireq->ir_iif,
		.flowi6_mark = ireq->ir_mark,
		.fl6_dport = ireq->ir_rmt_port,
		.fl6_sport = htons(ireq->ir_num),
		.flowi6_uid = dpr_compat_uid(lsk),
	};
	struct dst_entry *dst;

	security_req_classify_flow(req, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(dn->net, lsk, &fl6, NULL);
	return IS_ERR(dst) ? NULL : dst;
}

static void dpr_handover_child_address(struct request_sock *req,
				       const struct dpr_flow_key *key)
{
	struct inet_request_sock *ireq = inet_rsk(req);

	ireq->ir_num = ntohs(key->port);
	ireq->ir_rmt_port = key->client_port;
	if (key->wide) {
		ireq->ir_v6_rmt_addr = *dpr_local_in6(&key->client);
		ireq->ir_v6_loc_addr = *dpr_local_in6(&key->address);
	} else {
		sk_rcv_saddr_set(req_to_sk(req), key->address.word[3]);
		sk_daddr_set(req_to_sk(req), key->client.word[3]);
	}
}

/* As the stack does after a SYN cookie; what is left is the windows. */
static struct request_sock *
dpr_handover_child_request(struct sock *lsk, struct sk_buff *skb,
			   const struct dpr_flow_key *key,
			   const struct dpr_handover_options *options)
{
	struct tcp_request_sock *treq;
	struct inet_request_sock *ireq;
	struct request_sock *req;

	req = inet_reqsk_alloc(dpr_handover_child_ops(lsk, key->wide), lsk, false);
	if (!req)
		return NULL;
	ireq = inet_rsk(req);
	treq = tcp_rsk(req);
	treq->af_specific = &dpr_handover_child_af;
	treq->tfo_listener = false;
#if IS_ENABLED(CONFIG_MPTCP)
	treq->is_mptcp = false;
	treq->drop_req = false;
#endif
	treq->rcv_isn = options->client_isn;
	treq->snt_isn = options->isn;
	treq->txhash = net_tx_rndhash();
	treq->snt_synack = 0;
	treq->last_oow_ack_time = 0;
	treq->syn_tos = 0;
	req->num_retrans = 0;
	req->num_timeout = 0;
	dpr_handover_child_fill(req, options);
	dpr_handover_child_address(req, key);
	ireq->ir_mark = inet_request_mark(lsk, skb);
	ireq->ir_iif = inet_request_bound_dev_if(lsk, skb);
	ireq->no_srccheck = 0;
	ireq->smc_ok = 0;
	if (!security_inet_conn_request(lsk, skb, req))
		return req;
	reqsk_free(req);
	return NULL;
}

static void dpr_handover_child_window(struct sock *lsk, struct request_sock *req,
				      const struct dst_entry *dst)
{
	const int full_space = tcp_full_space(lsk);
	const u32 clamp = READ_ONCE(tcp_sk(lsk)->window_clamp);
	u8 scale;

	req->rsk_window_clamp = clamp ?: dst_metric(dst, RTAX_WINDOW);
	if (lsk->sk_userlocks & SOCK_RCVBUF_LOCK &&
	    (req->rsk_window_clamp > full_space || !req->rsk_window_clamp))
		req->rsk_window_clamp = full_space;
	tcp_select_initial_window(lsk, full_space, req->mss, &req->rsk_rcv_wnd,
				  &req->rsk_window_clamp, inet_rsk(req)->wscale_ok,
				  &scale, dst_metric(dst, RTAX_INITRWND));
}

/*
 * What the stack looks for of a packet of IPv6 once TCP has it; where it is not yet. The
 * packet goes on as it was.
 */
static struct sock *dpr_handover_child_make6(struct sock *lsk, struct sk_buff *skb,
					     struct request_sock *req,
					     struct dst_entry *dst)
{
	const struct inet6_skb_parm parm = *IP6CB(skb);
	struct sock *child;

	TCP_SKB_CB(skb)->header.h6 = parm;
	child = tcp_get_cookie_sock(lsk, skb, req, dst, tcp_rsk(req)->ts_off);
	memset(skb->cb, 0, sizeof(skb->cb));
	*IP6CB(skb) = parm;
	return child;
}

/*
 * Makes the socket, in state SYN_RECV, and puts it into the accept queue: the packet finds
 * it there.
 */
static bool dpr_handover_child_prepare(struct dpr_net *dn, struct sock *lsk,
				       struct sk_buff *skb,
				       const struct dpr_flow_key *key,
				       const struct dpr_handover_options *options)
{
	struct request_sock *req;
	struct dst_entry *dst;
	struct sock *child;
	struct flowi4 fl4;

	req = dpr_handover_child_request(lsk, skb, key, options);
	if (!req)
		return false;
	dst = key->wide ? dpr_handover_child_route6(dn, lsk, req) :
			  dpr_handover_child_route4(dn, lsk, req, &fl4);
	if (!dst) {
		reqsk_free(req);
		return false;
	}
	dpr_handover_child_window(lsk, req, dst);
	if (key->wide) {
		child = dpr_handover_child_make6(lsk, skb, req, dst);
	} else {
		child = tcp_get_cookie_sock(lsk, skb, req, dst,
					    tcp_rsk(req)->ts_off);
		if (child)
			inet_sk(child)->cork.fl.u.ip4 = fl4;
	}
	if (!child)
		return false;
	/* Made locked, which is said nowhere. */
	__acquire(&child->sk_lock.slock);
	bh_unlock_sock(child);
	sock_put(child);
	return true;
}

/* There is something to accept. */
static void dpr_handover_child_wake(struct sock *lsk)
{
	void (*ready)(struct sock *sk) = READ_ONCE(lsk->sk_data_ready);

	ready(lsk);
}
#endif

/**
 * dpr_handover_child_deliver - make a connection's socket, and give it its first segment
 * @dn: the namespace
 * @lsk: the listener, as dpr_handover_child_possible() asked, its accept queue not full
 * @skb: the segment, its network header at skb->data, its transport header set, with a
 *	route to this host; consumed. Its numbers are those that follow @options' and it has
 *	an acknowledgment, no SYN or RST
 * @key: the connection, which has no socket here
 * @options: what its ends have agreed on
 *
 * Called under RCU in softirq.
 *
 * Return: true if there is a socket now.
 */
bool dpr_handover_child_deliver(struct dpr_net *dn, struct sock *lsk,
				struct sk_buff *skb,
				const struct dpr_flow_key *key,
				const struct dpr_handover_options *options)
{
	const int dif = dpr_compat_dif(skb), sdif = dpr_compat_sdif(skb);
	struct sock *sk;
	bool made;

	if (!dpr_handover_child_prepare(dn, lsk, skb, key, options)) {
		kfree_skb(skb);
		return false;
	}
	dpr_deliver_routed(dn, skb);
	dpr_handover_child_wake(lsk);
	sk = dpr_socket_find(dn, key, dif, sdif);
	made = sk && sk->sk_state != TCP_NEW_SYN_RECV;
	if (sk)
		sock_gen_put(sk);
	return made;
}
