// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/xfrm.h>
#include "answer.h"
#include "closing.h"
#include "compat.h"
#include "config.h"
#include "core/parse.h"
#include "deliver.h"
#include "dpr.h"
#include "fwd_direct.h"
#include "fwd_ipip.h"
#include "group.h"
#include "handover.h"
#include "handover_back.h"
#include "handover_msg.h"
#include "handover_take.h"
#include "icmp_about.h"
#include "inner.h"
#include "listener.h"
#include "load_table.h"
#include "local.h"
#include "migrate.h"
#include "miss.h"
#include "mss.h"
#include "netns.h"
#include "offer.h"
#include "owner_msg.h"
#include "peer.h"
#include "receive.h"
#include "refuse.h"
#include "reset.h"
#include "service.h"
#include "socket.h"
#include "stats.h"
#include "through.h"

/* Keeps fragments that came by a tunnel apart from others ("drp"). */
#define DPR_RECEIVE_DEFRAG_USER	0x64727000

/*
 * As dpr_inner_local(), for a segment of a connection that has had one before, by
 * the route that its socket caches: what the stack's early demultiplexing does for
 * segments that were not redirected, under the same conditions. This, too, requires
 * an address of this host, but does not check the sender's again.
 */
static __always_inline bool dpr_receive_early(struct dpr_net *dn,
					      struct sk_buff *skb,
					      struct dpr_inner *in)
{
	struct dst_entry *dst;

	if (in->routed || !in->refcounted || !sk_fullsock(in->sk) ||
	    unlikely(in->wide != in->outer6) ||
	    !READ_ONCE(dn->net->ipv4.sysctl_ip_early_demux) ||
	    !READ_ONCE(dn->net->ipv4.sysctl_tcp_early_demux))
		return false;
	dst = rcu_dereference(in->sk->sk_rx_dst);
	if (!dst || in->sk->sk_rx_dst_ifindex != skb->skb_iif ||
	    !dst_check(dst, in->outer6 ? in->sk->sk_rx_dst_cookie : 0) ||
	    unlikely(netif_is_l3_slave(skb->dev)) ||
	    !dpr_local_has(dn->net, skb->dev, &in->local))
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
static __always_inline bool dpr_receive_protected(struct sk_buff *skb,
						  struct dpr_inner *in,
						  u16 family)
{
	if (likely(xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family)))
		return true;
	return dpr_inner_local(skb, in) &&
	       xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family);
}

/* Has the socket lost its owner for good? A subflow of MPTCP may get one again. */
static __always_inline bool dpr_receive_orphan(const struct sock *sk)
{
	return sock_flag(sk, SOCK_DEAD) && !sk_is_mptcp(sk);
}

/* Can the socket answer from another host's address, all its life? */
static __always_inline bool dpr_receive_answers(const struct sock *sk, bool wide)
{
	if (unlikely(wide))
		return true;
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
 * a RST from another host's address. What does not acknowledge the answer to a
 * request for a connection is for the listener, too.
 */
static __always_inline bool dpr_receive_stray(const struct sk_buff *skb,
					      const struct dpr_inner *in)
{
	const struct tcphdr *th = dpr_inner_tcp(skb, in);
	const struct sock *listener = in->sk;
	const struct request_sock *request;

	if (unlikely(in->sk->sk_state == TCP_NEW_SYN_RECV)) {
		request = inet_reqsk(in->sk);
		if (ntohl(th->ack_seq) == tcp_rsk(request)->snt_isn + 1)
			return false;
		listener = request->rsk_listener;
	} else if (in->sk != in->listener) {
		return false;
	}
	if (!th->ack || th->rst)
		return false;
	if (th->syn || tcp_synq_no_recent_overflow(listener))
		return true;
	return unlikely(in->wide) ?
	       !dpr_compat_cookie_valid6(dpr_inner_header6(skb, in), th) :
	       !dpr_compat_cookie_valid(dpr_inner_header(skb, in), th);
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
	unsigned int verdict = NF_ACCEPT, len;

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
	len = skb->len;
	if (unlikely(in->wide != in->outer6))
		verdict = dpr_deliver(dn, skb);
	if (unlikely(verdict == NF_DROP)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	dpr_stats_inc(dn, DPR_STAT_RX_PACKETS);
	dpr_stats_add(dn, DPR_STAT_RX_BYTES, len);
	return verdict;
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

/* Is the listener bound to this host's own address? */
static noinline bool dpr_receive_own(struct dpr_net *dn,
				     const struct net_device *dev,
				     const struct sock *listener)
{
	const struct dpr_addr address = dpr_listener_address(listener);

	return !dpr_addr_none(&address) && dpr_local_has(dn->net, dev, &address);
}

/*
 * Finds the socket: a connection, else a listener if there is a service, or was
 * one: peers that do not know that it was removed still redirect to it.
 */
static __always_inline void dpr_receive_lookup(struct dpr_net *dn,
					       struct sk_buff *skb,
					       struct dpr_inner *in)
{
	const struct dpr_flow_key *key = &in->seg.key;

	in->sk = dpr_socket_find(dn, key, dpr_compat_dif(skb),
				 dpr_compat_sdif(skb));
	in->refcounted = in->sk;
	in->answers = in->sk && dpr_receive_answers(in->sk, in->wide);
	/* In place of a connection in TIME_WAIT the listener may take a SYN. */
	if (in->sk && (in->sk->sk_state != TCP_TIME_WAIT ||
		       !dpr_inner_tcp(skb, in)->syn))
		return;
	if (dpr_service_ours(dn, ntohs(key->port)))
		in->listener = dpr_listener_find(dn->net, skb, &in->seg,
						 &in->local);
	if (in->sk && in->listener &&
	    dpr_listener_ready(in->listener, in->wide) &&
	    dpr_receive_own(dn, skb->dev, in->listener) &&
	    dpr_receive_supersedes(in->sk, dpr_inner_tcp(skb, in))) {
		inet_twsk_deschedule_put(inet_twsk(in->sk));
		in->sk = NULL;
		in->refcounted = false;
	}
	if (!in->sk)
		in->sk = in->listener;
}

/* Prepares a socket past LISTEN for a segment, and watches it if that closes it. */
static __always_inline void dpr_receive_socket(struct dpr_net *dn,
					       const struct dpr_config *cfg,
					       struct sk_buff *skb,
					       const struct dpr_inner *in)
{
	const struct dpr_peer *first;

	if (unlikely(!in->answers))
		dpr_receive_prepare(in->sk);
	if (likely(!dpr_closing_segment(in->sk, dpr_inner_tcp(skb, in))))
		return;
	/*
	 * One that came direct says only which address the first host has, as several may. Its
	 * link says who sent it, if that is known.
	 */
	first = in->olen ? NULL : dpr_miss_first(dn, cfg, skb, in) ?:
				  dpr_peer_by_any(dn, &in->first);
	dpr_closing_watch(dn, in->sk, &in->seg.key,
			  first ? &first->address : &in->first,
			  in->sk->sk_bound_dev_if);
}

static unsigned int dpr_receive_tcp(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb, struct dpr_inner *in);

/*
 * Is the packet whole, of which this is a fragment without outer header? If not, it is
 * gone.
 */
static bool dpr_receive_gather(struct dpr_net *dn, struct sk_buff *skb,
			       const struct dpr_inner *in)
{
	if (!in->wide) {
		if (ip_defrag(dn->net, skb, DPR_RECEIVE_DEFRAG_USER))
			return false;
		ip_send_check(ip_hdr(skb));
		return true;
	}
	if (!skb_dst(skb) && !dpr_deliver_prepare(dn, skb)) {
		kfree_skb(skb);
		return false;
	}
	return dpr_inner_gather6(skb);
}

/*
 * May a client have sent a fragment to the first host? One that has no mark may as well be
 * of a tunnel of the hosts' own, and says nothing of a service.
 */
static bool dpr_receive_for_first(struct dpr_net *dn, const struct sk_buff *skb,
				  const struct dpr_inner *in)
{
	const struct dpr_addr to =
		in->wide ? dpr_addr_of6(&dpr_inner_header6(skb, in)->daddr) :
			   dpr_addr_of4(dpr_inner_header(skb, in)->daddr);
	const struct dpr_peer *first;

	if (in->marked || dpr_addr_equal(&to, &in->first))
		return true;
	first = dpr_peer_find(dn, &in->first);
	return first && dpr_peer_may_have(first, &to);
}

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
	/* One with this host's own source may be of an answer. */
	if (!dpr_inner_own(dn, skb, in) &&
	    (!dpr_inner_addresses(dn, skb, in) ||
	     !dpr_receive_for_first(dn, skb, in)))
		return dpr_inner_refuse(dn, skb, in,
					DPR_STAT_RX_BAD_ADDRESS);
	if (!dpr_inner_unwrap(skb, in)) {
		dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		return NF_DROP;
	}
	if (!dpr_receive_gather(dn, skb, in)) {
		dpr_stats_inc(dn, DPR_STAT_RX_FRAGMENTS);
		return NF_STOLEN;
	}
	dpr_stats_inc(dn, DPR_STAT_FRAGMENTS_GATHERED);
	/* The packet can no longer be one of this host's own tunnels. */
	in->marked = true;
	in->offer = false;
	in->number = 0;
	in->ce = false;
	in->olen = 0;
	if (!dpr_inner_valid(skb, in))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_MALFORMED);
	/* Of IPv6 the first fragment says what the packet is, this one says what it likes. */
	if (in->protocol != IPPROTO_TCP || in->fragment)
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NOT_SERVED);
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

/* Can its addresses be on any link at all? */
static bool dpr_receive_possible(const struct sk_buff *skb,
				 const struct dpr_inner *in)
{
	const struct iphdr *iph = dpr_inner_header(skb, in);

	if (unlikely(in->wide))
		return dpr_local_unicast6(&dpr_inner_header6(skb, in)->saddr);
	return !ipv4_is_loopback(iph->saddr) && !ipv4_is_loopback(iph->daddr);
}

/* Gives a segment to its socket, or answers it by a RST if there is none. */
static __always_inline unsigned int
dpr_receive_segment(struct dpr_net *dn, const struct dpr_config *cfg,
		    struct sk_buff *skb, struct dpr_inner *in)
{
	unsigned int verdict;

	if (in->refcounted)
		dpr_receive_socket(dn, cfg, skb, in);
	if (dpr_migrate_on() && dpr_migrate_redirected(dn, skb, in, &verdict))
		return verdict;
	if (!in->sk || dpr_receive_stray(skb, in)) {
		if (!in->sk && dpr_through_astray(dn, in)) {
			dpr_stats_inc(dn, DPR_STAT_RX_ANSWER_REFUSED);
			return NF_DROP;
		}
		dpr_inner_numbers(skb, in);
		if (dpr_miss_tell(dn, cfg, skb, in)) {
			dpr_receive_put(in);
			return NF_DROP;
		}
		if (dpr_inner_unwrap(skb, in))
			dpr_reset_reply(dn, skb, &in->seg, in->offset - in->olen);
		else
			dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
		dpr_receive_put(in);
		return NF_DROP;
	}
	if (in->listener && !dpr_listener_ready(in->listener, in->wide)) {
		dpr_receive_put(in);
		dpr_stats_inc(dn, DPR_STAT_RX_LISTENER_DEFERRED);
		/*
		 * It comes in again by its outer header. A SYN has one; what answers a
		 * cookie without one the client sends again.
		 */
		return in->olen && dpr_listener_defer(dn, skb, in->olen) ? NF_STOLEN :
								 NF_DROP;
	}
	verdict = dpr_receive_accept(dn, skb, in);
	if (in->seg.syn && verdict != NF_DROP) {
		dpr_stats_inc(dn, DPR_STAT_RX_SYN);
		dpr_closing_expect(dn);
	}
	return verdict;
}

/* Notes whether the first host says that what follows its SYN comes direct. */
static void dpr_receive_announced(struct dpr_net *dn, const struct dpr_inner *in)
{
	struct dpr_peer *first;

	if (likely(!in->direct && !READ_ONCE(dn->direct)))
		return;
	first = dpr_peer_find(dn, &in->first);
	/* In numbers of older versions that bit means nothing. */
	if (!first || READ_ONCE(first->protocol) < DPR_PEER_PROTOCOL6 ||
	    READ_ONCE(first->sends_direct) == in->direct)
		return;
	WRITE_ONCE(first->sends_direct, in->direct);
	WRITE_ONCE(dn->direct, true);
}

/*
 * Decides on a segment that cannot be from a client of a peer's, as @why says: it may be
 * the peer's answer to one of this host's.
 */
static noinline unsigned int dpr_receive_own_source(struct dpr_net *dn,
						    const struct dpr_config *cfg,
						    struct sk_buff *skb,
						    struct dpr_inner *in,
						    enum dpr_stat why)
{
	if (!in->seg.syn && dpr_inner_local(skb, in) && dpr_inner_own(dn, skb, in))
		return dpr_through_receive(dn, cfg, skb, in);
	return dpr_inner_refuse(dn, skb, in, why);
}

static unsigned int dpr_receive_tcp(struct dpr_net *dn,
				    const struct dpr_config *cfg,
				    struct sk_buff *skb, struct dpr_inner *in)
{
	unsigned int verdict;
	bool syn;

	if (unlikely(in->fragment))
		return in->bulk ? NF_ACCEPT :
				  dpr_receive_fragment(dn, cfg, skb, in);
	if (!dpr_inner_connection(skb, in))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_MALFORMED);
	if (unlikely(in->bulk) &&
	    (in->seg.syn || !dpr_service_ours(dn, ntohs(in->seg.key.port))))
		return NF_ACCEPT;
	if (!in->marked && !dpr_service_ours(dn, ntohs(in->seg.key.port)))
		return dpr_receive_own_source(dn, cfg, skb, in,
					      DPR_STAT_RX_NOT_SERVED);
	syn = in->seg.syn;
	if (syn && !dpr_inner_local(skb, in))
		return NF_ACCEPT;
	dpr_receive_lookup(dn, skb, in);
	if (unlikely(in->bulk && !in->refcounted)) {
		/* It may have had a socket until a moment ago. */
		if (dpr_migrate_on() &&
		    dpr_migrate_redirected(dn, skb, in, &verdict))
			return verdict;
		dpr_miss_tell_bulk(dn, cfg, skb, in);
		return NF_ACCEPT;
	}
	if (!dpr_receive_early(dn, skb, in) && !dpr_inner_local(skb, in)) {
		dpr_receive_put(in);
		return NF_ACCEPT;
	}
	if (!dpr_inner_addresses(dn, skb, in)) {
		dpr_receive_put(in);
		if (syn && in->number && dpr_inner_own(dn, skb, in))
			return dpr_refuse(dn, cfg, skb, in,
					  DPR_STAT_REFUSED_OWN);
		return dpr_receive_own_source(dn, cfg, skb, in,
					      DPR_STAT_RX_BAD_ADDRESS);
	}
	if (syn) {
		dpr_receive_announced(dn, in);
		if (!in->direct)
			dpr_mss_expect(dn, &in->seg.key);
		verdict = dpr_receive_refuse(dn, cfg, skb, in);
		if (verdict != NF_ACCEPT)
			return verdict;
		if (unlikely(cfg->answers == DPR_ANSWERS_THROUGH))
			dpr_through_syn(dn, cfg, skb, in);
	}
	return dpr_receive_segment(dn, cfg, skb, in);
}

/* Among so many peers one is looked for by any of its addresses. */
#define DPR_RECEIVE_ANY	64

/*
 * The host that a segment which came without a tunnel may be from: the peer whose address
 * it is for. Anybody can send any number of those, so it is found by its own address only
 * if there are many.
 */
static const struct dpr_peer *dpr_receive_first(struct dpr_net *dn,
						const struct dpr_addr *address)
{
	const struct dpr_table *table = rcu_dereference(dn->table);

	return table && table->known <= DPR_RECEIVE_ANY ?
	       dpr_peer_by_any(dn, address) : dpr_peer_find(dn, address);
}

/**
 * dpr_receive_direct - accept a client's packet if a peer sent it here as it is
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: a segment, whole and no SYN, as it came to PRE_ROUTING; without the mark
 * @seg: the same, parsed
 * @marked: it had the mark. If not, its destination is no address of this host
 *
 * If there is a socket it is for that: whoever can send to this host can send the same
 * by the first host. If there is none, only a packet that a peer has put on the link was
 * redirected; others are for somebody whom this host routes for. A mark is enough, too:
 * what becomes of such a packet then is a RST, as of any that nobody has a socket for.
 * Called under RCU in softirq.
 *
 * Return: the netfilter verdict; NF_ACCEPT, too, if it is not redirected.
 */
unsigned int dpr_receive_direct(struct dpr_net *dn, const struct dpr_config *cfg,
				struct sk_buff *skb,
				const struct dpr_segment *seg, bool marked)
{
	struct dpr_inner in __uninitialized;
	const struct dpr_peer *first;

	dpr_inner_clear(&in);
	in.wide = seg->key.wide;
	in.outer6 = in.wide;
	in.marked = true;
	in.local = cfg->address;
	in.first = seg->key.address;
	in.seg = *seg;
	in.offset = seg->offset;
	in.len = skb->len;
	in.protocol = IPPROTO_TCP;
	dpr_receive_lookup(dn, skb, &in);
	if (!in.refcounted && !marked) {
		first = dpr_receive_first(dn, &seg->key.address);
		if (!first || !dpr_fwd_direct_from(dn, skb, first))
			return NF_ACCEPT;
	}
	dpr_stats_inc(dn, DPR_STAT_RX_DIRECT);
	if (!dpr_receive_early(dn, skb, &in)) {
		in.routed = dpr_deliver_prepare(dn, skb);
		if (!in.routed) {
			dpr_receive_put(&in);
			dpr_stats_inc(dn, DPR_STAT_RX_NO_MEMORY);
			return NF_DROP;
		}
	}
	if (!dpr_receive_possible(skb, &in) ||
	    !dpr_inner_addresses(dn, skb, &in)) {
		dpr_receive_put(&in);
		dpr_stats_inc(dn, DPR_STAT_RX_BAD_ADDRESS);
		return NF_DROP;
	}
	return dpr_receive_segment(dn, cfg, skb, &in);
}

static bool dpr_receive_icmp_about(const struct sk_buff *skb,
				   const struct dpr_inner *in,
				   struct dpr_flow_key *key)
{
	if (in->protocol == IPPROTO_ICMPV6)
		return in->wide && !in->fragment &&
		       dpr_icmp_about6(skb, in->offset, IPPROTO_TCP, key);
	return !in->wide && dpr_icmp_about(skb, in->olen, IPPROTO_TCP, key);
}

static unsigned int dpr_receive_icmp(struct dpr_net *dn, struct sk_buff *skb,
				     struct dpr_inner *in)
{
	struct dpr_flow_key key;
	unsigned int verdict;

	if (!dpr_receive_icmp_about(skb, in, &key) ||
	    (!in->marked && !dpr_service_ours(dn, ntohs(key.port))))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NOT_SERVED);
	if (!dpr_inner_addresses(dn, skb, in))
		return dpr_inner_refuse(dn, skb, in,
					DPR_STAT_RX_BAD_ADDRESS);
	verdict = dpr_receive_accept(dn, skb, in);
	if (verdict != NF_DROP)
		dpr_stats_inc(dn, DPR_STAT_RX_ICMP);
	return verdict;
}

/* A connection is handed over to this host, or one that this host has handed over. */
static noinline unsigned int dpr_receive_handover(struct dpr_net *dn,
						  const struct dpr_config *cfg,
						  struct sk_buff *skb,
						  struct dpr_inner *in)
{
	struct dpr_peer *peer = dpr_peer_find(dn, &in->first);
	struct dpr_handover_msg msg;
	unsigned int verdict;
	enum dpr_stat why;

	why = peer ? dpr_handover_msg_decode(cfg, skb, in, &msg) :
		     DPR_STAT_RX_STRANGER;
	if (why)
		return dpr_inner_refuse(dn, skb, in, why);
	if (msg.kind == DPR_HANDOVER_MSG_TAKEN ||
	    msg.kind == DPR_HANDOVER_MSG_REFUSED) {
		dpr_handover_answered(dn, cfg, peer, &msg);
		return NF_DROP;
	}
	if (!dpr_receive_possible(skb, in))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_BAD_ADDRESS);
	in->marked = true;
	if (msg.kind == DPR_HANDOVER_MSG_BACK)
		return dpr_handover_back(dn, cfg, skb, in, &msg, peer);
	verdict = dpr_handover_take(dn, cfg, skb, in, &msg, peer);
	return verdict == DPR_HANDOVER_ORDINARY ?
	       dpr_receive_tcp(dn, cfg, skb, in) : verdict;
}

/*
 * What a peer has sent in a tunnel that does not end here: a question to the group that this
 * host belongs to, too.
 */
static noinline unsigned int dpr_receive_group(struct dpr_net *dn,
					       const struct dpr_config *cfg,
					       struct sk_buff *skb,
					       const struct dpr_inner *in)
{
	const struct dpr_peer *first;
	enum dpr_stat why;

	if (in->protocol != DPR_OWNER_MSG_PROTOCOL ||
	    !dpr_group_is(cfg, &in->local))
		return NF_ACCEPT;
	first = dpr_peer_find(dn, &in->first);
	/* Where IPsec protects what peers send, it does not come so. */
	why = first && dpr_group_link(dn, cfg, first) ?
	      dpr_answer_receive(dn, cfg, skb, in, true) :
	      DPR_STAT_RX_BAD_ADDRESS;
	if (why)
		dpr_stats_inc(dn, why);
	return NF_DROP;
}

/* What every redirected packet goes through, whatever its outer header's @family. */
static __always_inline unsigned int
dpr_receive_any(struct dpr_net *dn, const struct dpr_config *cfg,
		struct sk_buff *skb, struct dpr_inner *in, u16 family, u8 otos)
{
	enum dpr_stat why;
	int ecn;

	if (!dpr_peer_find(dn, &in->first))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_STRANGER);
	if (!dpr_receive_protected(skb, in, family))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_POLICY);
	if (!dpr_inner_valid(skb, in))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_MALFORMED);
	if (!dpr_receive_possible(skb, in))
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_BAD_ADDRESS);
	ecn = __INET_ECN_decapsulate(otos, dpr_inner_tos(skb, in), &in->ce);
	if (ecn > 1)
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_ECN);
	if (unlikely(in->bulk && in->protocol != IPPROTO_TCP))
		return NF_ACCEPT;
	if (in->protocol != IPPROTO_TCP && !dpr_inner_local(skb, in))
		return dpr_receive_group(dn, cfg, skb, in);
	switch (in->protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return dpr_offer_returned(dn, cfg, skb, in);
	case IPPROTO_TCP:
		return dpr_receive_tcp(dn, cfg, skb, in);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return dpr_receive_icmp(dn, skb, in);
	case DPR_OWNER_MSG_PROTOCOL:
		if (dpr_handover_msg_is(skb, in))
			return dpr_receive_handover(dn, cfg, skb, in);
		why = dpr_answer_receive(dn, cfg, skb, in, false);
		return why ? dpr_inner_refuse(dn, skb, in, why) : NF_DROP;
	default:
		return dpr_inner_refuse(dn, skb, in, DPR_STAT_RX_NOT_SERVED);
	}
}

/*
 * May a packet without the mark be bulk data that a peer has redirected? Others are of
 * tunnels of this host's own.
 */
static bool dpr_receive_bulk(struct dpr_net *dn, const struct sk_buff *skb,
			     const struct dpr_inner *in)
{
	const struct dpr_peer *peer = dpr_peer_find(dn, &in->first);

	return peer && READ_ONCE(peer->protocol) >= DPR_PEER_PROTOCOL_BULK &&
	       !ip_is_fragment(ip_hdr(skb));
}

/**
 * dpr_receive - accept a packet of protocol 4 or 41 if a peer redirected it
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
	const struct iphdr *outer = ip_hdr(skb);
	struct dpr_inner in __uninitialized;

	dpr_inner_clear(&in);
	in.olen = outer->ihl * 4;
	in.wide = outer->protocol == IPPROTO_IPV6;
	in.marked = outer->frag_off & htons(DPR_FWD_IPIP_MARK);
	in.offer = !(outer->frag_off & htons(IP_DF));
	in.number = ntohs(outer->id) & ~DPR_OFFER_DIRECT;
	in.direct = ntohs(outer->id) & DPR_OFFER_DIRECT;
	dpr_addr_set4(&in.local, outer->daddr);
	dpr_addr_set4(&in.first, outer->saddr);

	in.bulk = !in.marked && cfg->marker == DPR_MARKER_FRAGBIT;
	if (in.bulk && !dpr_receive_bulk(dn, skb, &in))
		return NF_ACCEPT;
	if (unlikely(ip_is_fragment(outer)))
		return dpr_inner_refuse(dn, skb, &in, DPR_STAT_RX_MALFORMED);
	if (in.wide && !dpr_local_ip6())
		return dpr_inner_refuse(dn, skb, &in, DPR_STAT_RX_NOT_SERVED);
	return dpr_receive_any(dn, cfg, skb, &in, AF_INET, outer->tos);
}

/**
 * dpr_receive6 - likewise, a packet of IPv6
 * @dn: the namespace
 * @cfg: the configuration
 * @skb: the packet, as it came to PRE_ROUTING; its next header is IPv4 or IPv6
 *
 * There is no bit that could mark it: the sender does. Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_receive6(struct dpr_net *dn, const struct dpr_config *cfg,
			  struct sk_buff *skb)
{
	const struct ipv6hdr *outer = ipv6_hdr(skb);
	const u32 label = ntohl(ip6_flowlabel(outer));
	struct dpr_inner in __uninitialized;

	dpr_inner_clear(&in);
	in.olen = sizeof(*outer);
	in.outer6 = true;
	in.wide = outer->nexthdr == IPPROTO_IPV6;
	in.offer = label & DPR_FWD_OFFER;
	in.number = label & ~DPR_OFFER_DIRECT;
	in.direct = label & DPR_OFFER_DIRECT;
	in.local = dpr_addr_of6(&outer->daddr);
	in.first = dpr_addr_of6(&outer->saddr);

	return dpr_receive_any(dn, cfg, skb, &in, AF_INET6,
			       ipv6_get_dsfield(outer));
}
