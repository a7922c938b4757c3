// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/xfrm.h>
#include "answer.h"
#include "closing.h"
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "fwd_ipip.h"
#include "icmp.h"
#include "inner.h"
#include "listener.h"
#include "netns.h"
#include "offer.h"
#include "owner_msg.h"
#include "peer.h"
#include "receive.h"
#include "refuse.h"
#include "reset.h"
#include "service.h"
#include "stats.h"

/* Keeps fragments that came by a tunnel apart from others ("drp"). */
#define DPR_RECEIVE_DEFRAG_USER	0x64727000

/*
 * As dpr_inner_local(), for a segment of a connection that has had one before, by
 * the route that its socket caches: what the stack's early demultiplexing does for
 * segments that were not redirected, under the same conditions. This, too, requires
 * an address of this host, but does not check the sender's again.
 */
static bool dpr_receive_early(struct dpr_net *dn, struct sk_buff *skb,
			      struct dpr_inner *in)
{
	struct dst_entry *dst;

	if (in->routed || !in->refcounted || !sk_fullsock(in->sk) ||
	    !READ_ONCE(dn->net->ipv4.sysctl_ip_early_demux) ||
	    !READ_ONCE(dn->net->ipv4.sysctl_tcp_early_demux))
		return false;
	dst = rcu_dereference(in->sk->sk_rx_dst);
	if (!dst || in->sk->sk_rx_dst_ifindex != skb->skb_iif ||
	    !dst_check(dst, 0) || unlikely(netif_is_l3_slave(skb->dev)) ||
	    !__ip_dev_find(dn->net, in->local, false))
		return false;
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, dst);
	in->routed = true;
	return true;
}

/*
 * Does IPsec policy accept the outer packet? Its protection ends there: the
 * client's packet inside had none, and is judged by itself. Only the route knows
 * whether the packet came by a device without policy (disable_policy).
 */
static bool dpr_receive_protected(struct sk_buff *skb, struct dpr_inner *in)
{
	if (likely(xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb)))
		return true;
	return dpr_inner_local(skb, in) &&
	       xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb);
}

/* Has the socket lost its owner for good? A subflow of MPTCP may get one again. */
static bool dpr_receive_orphan(const struct sock *sk)
{
	return sock_flag(sk, SOCK_DEAD) && !sk_is_mptcp(sk);
}

/* Can the socket answer from another host's address, all its life? */
static bool dpr_receive_answers(const struct sock *sk)
{
	if (likely(sk_fullsock(sk)))
		return dpr_receive_orphan(sk) ? dpr_compat_transparent(sk) :
						dpr_compat_anysrc(sk);
	return inet_sk_transparent(sk);
}

/*
 * Prepares a socket that has no owner, or none yet, for what the kernel sends in
 * its name: RSTs, and acknowledgments in TIME_WAIT and before there is a
 * connection. The socket inherited the flag that data needs, but these need the
 * other one, which owners must not have. Nobody else writes the bit-fields here,
 * but for an "acked" that only saves a retransmission.
 */
static void dpr_receive_prepare(struct sock *sk)
{
	if (sk->sk_state == TCP_TIME_WAIT)
		inet_twsk(sk)->tw_transparent = 1;
	else if (sk->sk_state == TCP_NEW_SYN_RECV)
		inet_rsk(inet_reqsk(sk))->no_srccheck = 1;
	else if (dpr_receive_orphan(sk))
		dpr_compat_set_orphan(sk);
}

/*
 * Would the stack answer a segment for a listener by a RST? It finds no route for
 * a RST from another host's address.
 */
static bool dpr_receive_stray(const struct sock *listener,
			      const struct iphdr *iph, const struct tcphdr *th)
{
	return th->ack && !th->rst &&
	       (th->syn || tcp_synq_no_recent_overflow(listener) ||
		!dpr_compat_cookie_valid(iph, th));
}

static void dpr_receive_put(struct dpr_inner *in)
{
	if (in->sk && in->refcounted)
		sock_gen_put(in->sk);
}

/* Hands the client's packet to the stack, with its socket if known. */
static unsigned int dpr_receive_accept(struct dpr_net *dn, struct sk_buff *skb,
				       struct dpr_inner *in)
{
	if (!dpr_inner_unwrap(skb, in)) {
		dpr_receive_put(in);
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	/*
	 * With a reference, a listener's too: among those that share a port the
	 * stack would choose anew without one (6.6), by another hash than the
	 * lookup's, and may take one that was not made ready.
	 */
	if (in->sk && (in->refcounted ||
		       refcount_inc_not_zero(&in->sk->sk_refcnt))) {
		skb_orphan(skb);
		skb->sk = in->sk;
		skb->destructor = sock_edemux;
	}
	dpr_stats_inc(dn, DPR_STAT_RX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_RX_BYTES, skb->len);
	return NF_ACCEPT;
}

/*
 * May the SYN replace a connection in TIME_WAIT? The stack has the same test, but
 * would look for a listener on the SYN's own destination.
 */
static bool dpr_receive_supersedes(const struct sock *sk,
				   const struct tcphdr *th)
{
	return inet_twsk(sk)->tw_substate == TCP_TIME_WAIT && !th->ack &&
	       !th->rst &&
	       after(ntohl(th->seq), tcp_twsk(sk)->tw_rcv_nxt);
}

/*
 * Finds the socket: a connection, else a listener if there is a service, or was
 * one: peers that do not know that it was removed still redirect to it.
 */
static void dpr_receive_lookup(struct dpr_net *dn, struct sk_buff *skb,
			       struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);
	const struct tcphdr *th = (void *)iph + iph->ihl * 4;

	in->sk = dpr_compat_lookup_established(dn->net, iph->saddr, th->source,
					       iph->daddr, ntohs(th->dest),
					       dpr_compat_dif(skb),
					       dpr_compat_sdif(skb));
	in->refcounted = in->sk;
	in->answers = in->sk && dpr_receive_answers(in->sk);
	/* In place of a connection in TIME_WAIT the listener may take a SYN. */
	if (in->sk && (in->sk->sk_state != TCP_TIME_WAIT || !th->syn))
		return;
	if (dpr_service_ours(dn, ntohs(th->dest)))
		in->listener = dpr_listener_find(dn->net, skb, in->olen,
						 in->local);
	/* A program of the listener's may have had the data moved. */
	iph = dpr_inner_header(skb, in);
	th = (void *)iph + iph->ihl * 4;
	if (in->sk && in->listener && dpr_listener_ready(in->listener) &&
	    inet_sk(in->listener)->inet_rcv_saddr == in->local &&
	    dpr_receive_supersedes(in->sk, th)) {
		inet_twsk_deschedule_put(inet_twsk(in->sk));
		in->sk = NULL;
		in->refcounted = false;
	}
	if (!in->sk)
		in->sk = in->listener;
}

/* Prepares a socket past LISTEN for a segment, and watches it if that closes it. */
static void dpr_receive_socket(struct dpr_net *dn, struct sk_buff *skb,
			       const struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);
	const struct tcphdr *th = (void *)iph + iph->ihl * 4;
	struct dpr_segment seg;

	if (unlikely(!in->answers))
		dpr_receive_prepare(in->sk);
	if (likely(!dpr_closing_segment(in->sk, th)))
		return;
	dpr_parse_segment(iph, ntohs(iph->tot_len), &seg);
	dpr_closing_watch(dn, in->sk, &seg.key, in->first, dpr_compat_dif(skb));
}

static unsigned int dpr_receive_tcp(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb, struct dpr_inner *in);

/*
 * A fragment does not say which service it is for, so fragments are reassembled
 * first. The result is a client's packet without an outer header.
 */
static unsigned int dpr_receive_fragment(struct dpr_net *dn,
					 const struct dpr_config *cfg,
					 struct sk_buff *skb,
					 struct dpr_inner *in)
{
	if (!dpr_inner_local(skb, in))
		return NF_ACCEPT;
	if (!dpr_inner_addresses(dn, skb, in))
		return dpr_inner_refuse(dn, skb, in,
					DPR_STAT_RX_BAD_ADDRESS);
	if (!dpr_inner_unwrap(skb, in)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	if (ip_defrag(dn->net, skb, DPR_RECEIVE_DEFRAG_USER)) {
		dpr_stats_inc(dn, DPR_STAT_RX_FRAGMENTS);
		return NF_STOLEN;
	}
	dpr_stats_inc(dn, DPR_STAT_FRAGMENTS_GATHERED);
	ip_send_check(ip_hdr(skb));
	/* The packet can no longer be one of this host's own tunnels. */
	in->marked = true;
	in->offer = false;
	in->number = 0;
	in->ce = false;
	in->olen = 0;
	return dpr_receive_tcp(dn, cfg, skb, in);
}

/* Sends a SYN back if this host refuses it; NF_ACCEPT if it does not. */
static unsigned int dpr_receive_refuse(struct dpr_net *dn,
				       const struct dpr_config *cfg,
				       struct sk_buff *skb,
				       struct dpr_inner *in)
{
	enum dpr_stat why = dpr_refuse_why(dn, cfg, skb, in);
	unsigned int verdict;

	if (likely(!why))
		return NF_ACCEPT;
	verdict = dpr_refuse(dn, cfg, skb, in, why);
	if (verdict != NF_ACCEPT)
		dpr_receive_put(in);
	return verdict;
}

static unsigned int dpr_receive_tcp(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb, struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);
	unsigned int hlen = iph->ihl * 4;
	const struct tcphdr *th;
	unsigned int verdict;
	bool syn;

	if (ip_is_fragment(iph))
		return dpr_receive_fragment(dn, cfg, skb, in);
	if (!pskb_may_pull(skb, in->olen + hlen + sizeof(*th)))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_MALFORMED);
	th = (void *)dpr_inner_header(skb, in) + hlen;
	if (!dpr_parse_tcp_whole(dpr_inner_header(skb, in), th))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_MALFORMED);
	if (!in->marked && !dpr_service_ours(dn, ntohs(th->dest)))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NOT_SERVED);
	syn = th->syn && !th->ack;
	if (syn && !dpr_inner_local(skb, in))
		return NF_ACCEPT;
	dpr_receive_lookup(dn, skb, in);
	if (!dpr_receive_early(dn, skb, in) && !dpr_inner_local(skb, in)) {
		dpr_receive_put(in);
		return NF_ACCEPT;
	}
	if (!dpr_inner_addresses(dn, skb, in)) {
		dpr_receive_put(in);
		if (syn && in->number && dpr_inner_own(dn, skb, in))
			return dpr_refuse(dn, cfg, skb, in,
					  DPR_STAT_REFUSED_OWN);
		return dpr_inner_refuse(dn, skb, in,
					DPR_STAT_RX_BAD_ADDRESS);
	}
	if (syn) {
		verdict = dpr_receive_refuse(dn, cfg, skb, in);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	if (in->refcounted)
		dpr_receive_socket(dn, skb, in);
	if (in->listener && !dpr_listener_ready(in->listener)) {
		dpr_receive_put(in);
		dpr_stats_inc(dn, DPR_STAT_RX_LISTENER_DEFERRED);
		/* It comes in again by its outer header. */
		return in->olen && dpr_listener_defer(dn, skb) ? NF_STOLEN :
								 NF_DROP;
	}
	iph = dpr_inner_header(skb, in);
	if (!in->sk || (in->sk == in->listener &&
			dpr_receive_stray(in->sk, iph, (void *)iph + hlen))) {
		if (dpr_inner_unwrap(skb, in))
			dpr_reset_reply(dn, skb);
		else
			dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	verdict = dpr_receive_accept(dn, skb, in);
	if (syn && verdict == NF_ACCEPT) {
		dpr_stats_inc(dn, DPR_STAT_RX_SYN);
		dpr_closing_expect(dn);
	}
	return verdict;
}

static unsigned int dpr_receive_icmp(struct dpr_net *dn, struct sk_buff *skb,
				     struct dpr_inner *in)
{
	struct dpr_flow_key key;
	unsigned int verdict;

	if (!dpr_icmp_about(skb, in->olen, IPPROTO_TCP, &key) ||
	    (!in->marked && !dpr_service_ours(dn, ntohs(key.port))))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NOT_SERVED);
	if (!dpr_inner_addresses(dn, skb, in))
		return dpr_inner_refuse(dn, skb, in,
					DPR_STAT_RX_BAD_ADDRESS);
	verdict = dpr_receive_accept(dn, skb, in);
	if (verdict == NF_ACCEPT)
		dpr_stats_inc(dn, DPR_STAT_RX_ICMP);
	return verdict;
}

/**
 * dpr_receive - accept a protocol 4 packet if a peer redirected it
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, as it came to PRE_ROUTING
 *
 * A redirected packet leaves without its outer header but with the outer
 * header's input route: the rest of the way in sees the client's own packet
 * and asks neither whether its destination is local nor whether its source
 * came in by the right device. Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_receive(struct dpr_net *dn, const struct dpr_config *cfg,
			 struct sk_buff *skb)
{
	const struct iphdr *outer = ip_hdr(skb), *iph;
	struct dpr_inner in = {
		.olen = outer->ihl * 4,
		.marked = outer->frag_off & htons(DPR_FWD_IPIP_MARK),
		.offer = !(outer->frag_off & htons(IP_DF)),
		.number = ntohs(outer->id),
		.local = outer->daddr,
		.first = outer->saddr,
	};
	u8 otos = outer->tos;
	enum dpr_stat why;
	int ecn;

	if (!in.marked && cfg->marker == DPR_MARKER_FRAGBIT)
		return NF_ACCEPT;
	if (!dpr_peer_find(dn, in.first))
		return dpr_inner_refuse(dn, skb, &in, DPR_STAT_RX_STRANGER);
	if (!dpr_receive_protected(skb, &in))
		return dpr_inner_refuse(dn, skb, &in, DPR_STAT_RX_POLICY);
	outer = ip_hdr(skb);
	if (ip_is_fragment(outer) || !dpr_inner_valid(skb, &in))
		return dpr_inner_refuse(dn, skb, &in, DPR_STAT_RX_MALFORMED);
	iph = dpr_inner_header(skb, &in);
	if (ipv4_is_loopback(iph->saddr) || ipv4_is_loopback(iph->daddr))
		return dpr_inner_refuse(dn, skb, &in,
					DPR_STAT_RX_BAD_ADDRESS);
	ecn = __INET_ECN_decapsulate(otos, iph->tos, &in.ce);
	if (ecn > 1)
		return dpr_inner_refuse(dn, skb, &in, DPR_STAT_RX_ECN);
	if (iph->protocol != IPPROTO_TCP && !dpr_inner_local(skb, &in))
		return NF_ACCEPT;
	switch (iph->protocol) {
	case IPPROTO_IPIP:
		return dpr_offer_returned(dn, cfg, skb, &in);
	case IPPROTO_TCP:
		return dpr_receive_tcp(dn, cfg, skb, &in);
	case IPPROTO_ICMP:
		return dpr_receive_icmp(dn, skb, &in);
	case DPR_OWNER_MSG_PROTOCOL:
		why = dpr_answer_receive(dn, cfg, skb, in.olen);
		return why ? dpr_inner_refuse(dn, skb, &in, why) : NF_DROP;
	default:
		return dpr_inner_refuse(dn, skb, &in,
					DPR_STAT_RX_NOT_SERVED);
	}
}
