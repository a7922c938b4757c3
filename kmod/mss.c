// SPDX-License-Identifier: GPL-2.0
/*
 * The MSS that we offer to a client whose packets come through a tunnel:
 * smaller by what forwarding adds, so that its full-sized segments fit.
 */
#include <linux/inetdevice.h>
#include <linux/percpu.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "closing.h"
#include "config.h"
#include "core/parse.h"
#include "dpr.h"
#include "fwd.h"
#include "local.h"
#include "mss.h"
#include "netns.h"
#include "peer.h"
#include "service.h"
#include "stats.h"

/* RFC 9293, section 3.7.1: no MSS means 536, and none need be smaller. */
#define DPR_MSS_MIN	536

/* Writes another MSS; @offset is the option's value's, from the writable header @th. */
static __always_inline void dpr_mss_write(struct sk_buff *skb, struct tcphdr *th,
					  unsigned int offset, u16 old, u16 new)
{
	/* An option at an odd offset has its bytes swapped in the checksum. */
	if (offset & 1)
		inet_proto_csum_replace2(&th->check, skb, htons(swab16(old)),
					 htons(swab16(new)), false);
	else
		inet_proto_csum_replace2(&th->check, skb, htons(old),
					 htons(new), false);
	put_unaligned_be16(new, (u8 *)th + offset);
}

/**
 * dpr_mss_limit - lower the MSS that a client's SYN offers
 * @dn: the namespace
 * @skb: the packet; pointers into it are stale afterwards
 * @offset: of its TCP header from skb->data; the packet has all that the header promises
 * @most: to this, if it is larger
 *
 * If there is no memory the MSS stays: what is too large the server learns by itself.
 */
void dpr_mss_limit(struct dpr_net *dn, struct sk_buff *skb, unsigned int offset,
		   unsigned int most)
{
	struct tcphdr *th = (void *)skb->data + offset;
	unsigned int option, end = offset + th->doff * 4;
	u16 old;

	if (!pskb_may_pull(skb, end))
		return;
	th = (void *)skb->data + offset;
	option = dpr_parse_mss(th);
	if (!option)
		return;
	old = get_unaligned_be16((u8 *)th + option);
	most = max_t(unsigned int, most, DPR_MSS_MIN);
	if (old <= most || skb_ensure_writable(skb, end))
		return;
	th = (void *)skb->data + offset;
	dpr_mss_write(skb, th, option, old, most);
	dpr_stats_inc(dn, DPR_STAT_SYN_MSS_LOWERED);
}

static void dpr_mss_lower(struct dpr_net *dn, struct sk_buff *skb)
{
	const struct dpr_config *cfg = rcu_dereference(dn->config);
	const unsigned int overhead =
		dpr_fwd_overhead(!dpr_addr_is4(&cfg->address));
	struct tcphdr *th = tcp_hdr(skb);
	unsigned int offset = dpr_parse_mss(th);
	u16 old, new;

	if (!offset)
		return;
	old = get_unaligned_be16((u8 *)th + offset);
	if (old < DPR_MSS_MIN + overhead)
		return;
	new = old - overhead;
	dpr_mss_write(skb, th, offset, old, new);
	dpr_stats_inc(dn, DPR_STAT_MSS_LOWERED);
}

/*
 * Does the first host send the rest of the connection without an outer header? As far as
 * this host knows, that is the host that has the address which the client talks to.
 */
static bool dpr_mss_direct(struct dpr_net *dn, const struct dpr_flow_key *key)
{
	const struct dpr_peer *first;

	if (likely(!READ_ONCE(dn->direct)))
		return false;
	first = dpr_peer_by_any(dn, &key->address);
	return first && READ_ONCE(first->sends_direct);
}

/* The redirected SYN that this CPU has handed to the stack last, and in which namespace. */
struct dpr_mss_syn {
	const struct dpr_net *dn;
	struct dpr_flow_key key;
};

static DEFINE_PER_CPU(struct dpr_mss_syn, dpr_mss_expected);

/**
 * dpr_mss_expect - a redirected SYN goes to the stack, and more comes by the tunnel
 * @dn: the namespace
 * @key: its connection
 *
 * If the address that the client talks to is this host's, too, nothing in the SYN-ACK
 * shows that it answers a redirected SYN. It is sent before this CPU does anything else;
 * of a SYN-ACK that is sent again nothing is known. Called in softirq.
 */
void dpr_mss_expect(const struct dpr_net *dn, const struct dpr_flow_key *key)
{
	struct dpr_mss_syn *expected = this_cpu_ptr(&dpr_mss_expected);

	expected->dn = dn;
	expected->key = *key;
}

/* Does a SYN-ACK with an address of this host answer a redirected SYN? */
static bool dpr_mss_expects(const struct dpr_net *dn,
			    const struct dpr_flow_key *key)
{
	struct dpr_mss_syn *expected;

	/* In process context another SYN may come meanwhile. */
	if (!softirq_count())
		return false;
	expected = this_cpu_ptr(&dpr_mss_expected);
	if (expected->dn != dn || expected->key.port != key->port ||
	    expected->key.client_port != key->client_port ||
	    !dpr_addr_equal(&expected->key.client, &key->client) ||
	    !dpr_addr_equal(&expected->key.address, &key->address))
		return false;
	expected->dn = NULL;
	return true;
}

/*
 * Does a SYN-ACK answer a SYN whose connection comes by a tunnel? It does if its source
 * is another host's, who does not send direct.
 */
static bool dpr_mss_tunnelled(struct dpr_net *dn, const struct sk_buff *skb,
			      const struct dpr_flow_key *key)
{
	if (dpr_local_has(dn->net, skb_dst(skb)->dev, &key->address))
		return dpr_mss_expects(dn, key);
	return !dpr_mss_direct(dn, key);
}

static noinline void dpr_mss_synack(struct dpr_net *dn, struct sk_buff *skb,
				    const struct dpr_flow_key *key)
{
	unsigned int hlen = skb_transport_offset(skb);
	const struct tcphdr *th = tcp_hdr(skb);

	if (!dpr_service_ours(dn, ntohs(th->source)) ||
	    !dpr_mss_tunnelled(dn, skb, key))
		return;
	if (skb_headlen(skb) < hlen + th->doff * 4 ||
	    skb_ensure_writable(skb, hlen + th->doff * 4))
		return;
	dpr_mss_lower(dn, skb);
}

/*
 * The socket of a redirected connection resets it: the first host needs to know.
 * As far as this host knows, that is the host that has the address which the
 * client talks to.
 */
static noinline void dpr_mss_rst(struct dpr_net *dn, const struct sk_buff *skb,
				 const struct dpr_flow_key *key)
{
	const struct tcphdr *th = tcp_hdr(skb);
	const struct sock *sk = skb->sk;

	const struct dpr_peer *first;

	if (!sk || !sk_fullsock(sk) || sk->sk_protocol != IPPROTO_TCP ||
	    inet_sk(sk)->inet_dport != th->dest ||
	    !dpr_service_ours(dn, ntohs(th->source)) ||
	    dpr_local_has(dn->net, skb_dst(skb)->dev, &key->address))
		return;
	first = dpr_peer_by_any(dn, &key->address);
	if (first)
		dpr_closing_watch(dn, sk, key, &first->address,
				  sk->sk_bound_dev_if);
}

/* A segment with SYN or RST goes out. @key is as the client's segments have it. */
static void dpr_mss_segment(struct dpr_net *dn, struct sk_buff *skb,
			    const struct dpr_flow_key *key)
{
	const struct tcphdr *th = tcp_hdr(skb);

	if (th->syn && th->ack)
		dpr_mss_synack(dn, skb, key);
	else if (th->rst)
		dpr_mss_rst(dn, skb, key);
}

/* Not in the hook: few packets are worth a key. */
static noinline void dpr_mss_segment4(struct dpr_net *dn, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th = tcp_hdr(skb);
	const struct dpr_flow_key key = dpr_parse_key4(iph->daddr, th->dest,
						       iph->saddr, th->source);

	dpr_mss_segment(dn, skb, &key);
}

static noinline void dpr_mss_segment6(struct dpr_net *dn, struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const struct tcphdr *th = tcp_hdr(skb);
	const struct dpr_flow_key key = dpr_parse_key6(&ip6h->daddr, th->dest,
						       &ip6h->saddr, th->source);

	dpr_mss_segment(dn, skb, &key);
}

/**
 * dpr_mss_hook - netfilter LOCAL_OUT: lower the MSS of redirected SYN-ACKs, and
 *	notice RSTs
 * @priv: the namespace's struct dpr_net
 * @skb: a packet from the local stack
 * @state: the hook's state
 *
 * All that this host sends passes here.
 */
unsigned int dpr_mss_hook(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th = tcp_hdr(skb);

	if (iph->protocol == IPPROTO_TCP && !ip_is_fragment(iph) &&
	    skb_headlen(skb) >= iph->ihl * 4 + sizeof(*th) &&
	    unlikely(tcp_flag_word(th) & (TCP_FLAG_SYN | TCP_FLAG_RST)))
		dpr_mss_segment4(priv, skb);
	return NF_ACCEPT;
}

/**
 * dpr_mss_hook6 - the same for IPv6
 * @priv: the namespace's struct dpr_net
 * @skb: a packet from the local stack
 * @state: the hook's state
 *
 * What the stack answers has no extension headers before TCP's, unless a program has
 * asked for them.
 */
unsigned int dpr_mss_hook6(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const struct tcphdr *th = (const void *)(ip6h + 1);

	if (ip6h->nexthdr == IPPROTO_TCP &&
	    skb_headlen(skb) >= sizeof(*ip6h) + sizeof(*th) &&
	    unlikely(tcp_flag_word(th) & (TCP_FLAG_SYN | TCP_FLAG_RST))) {
		skb_set_transport_header(skb, sizeof(*ip6h));
		dpr_mss_segment6(priv, skb);
	}
	return NF_ACCEPT;
}
