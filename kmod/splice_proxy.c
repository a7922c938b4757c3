// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "compat.h"
#include "dpr.h"
#include "local.h"
#include "netns.h"
#include "splice_make.h"
#include "splice_out.h"
#include "splice_proxy.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "splice_track.h"
#include "stats.h"

/*
 * The client's data have the header sent again before them after that long: before the
 * first of them comes again (Linux repeats after 200 ms at the least).
 */
#define DPR_SPLICE_PROXY_AGAIN	(HZ / 10)

/**
 * struct dpr_splice_proxy_header - the header, as it is sent
 * @signature: says what it is
 * @command: version 2, PROXY
 * @family: of addresses, and TCP
 * @len: of the addresses and ports
 * @v4: of IPv4
 * @v6: of IPv6
 */
struct dpr_splice_proxy_header {
	u8 signature[12];
	u8 command;
	u8 family;
	__be16 len;
	union {
		struct {
			__be32 client, address;
			__be16 client_port, port;
		} __packed v4;
		struct {
			struct in6_addr client, address;
			__be16 client_port, port;
		} __packed v6;
	};
} __packed;

#define DPR_SPLICE_PROXY_PROXY	0x21
#define DPR_SPLICE_PROXY_TCP4	0x11
#define DPR_SPLICE_PROXY_TCP6	0x21

static void dpr_splice_proxy_fill(struct dpr_splice_proxy_header *at,
				  const struct dpr_splice *splice)
{
	const struct dpr_splice_end *client = &splice->end[DPR_SPLICE_CLIENT];
	const struct dpr_splice_addresses *wide = &splice->wide[DPR_SPLICE_CLIENT];

	BUILD_BUG_ON(offsetofend(typeof(*at), v4) != DPR_SPLICE_PROXY_LEN4);
	BUILD_BUG_ON(offsetofend(typeof(*at), v6) != DPR_SPLICE_PROXY_LEN6);
	memcpy(at->signature, "\r\n\r\n\0\r\nQUIT\n", sizeof(at->signature));
	at->command = DPR_SPLICE_PROXY_PROXY;
	if (client->wide) {
		at->family = DPR_SPLICE_PROXY_TCP6;
		at->len = htons(sizeof(at->v6));
		at->v6.client = *dpr_local_in6(&wide->client);
		at->v6.address = *dpr_local_in6(&wide->address);
		at->v6.client_port = client->client_port;
		at->v6.port = client->port;
		return;
	}
	at->family = DPR_SPLICE_PROXY_TCP4;
	at->len = htons(sizeof(at->v4));
	at->v4.client = client->client;
	at->v4.address = client->address;
	at->v4.client_port = client->client_port;
	at->v4.port = client->port;
}

/*
 * Sends the header to the backend, in a segment with the acknowledgment, window, flags and
 * options of @what. Returns false if there is no memory.
 */
static bool dpr_splice_proxy_send(struct dpr_net *dn, struct dpr_splice *splice,
				  struct dst_entry *dst,
				  struct dpr_splice_make *what)
{
	struct tcphdr *th = &what->th;
	struct sk_buff *skb;

	th->seq = htonl(READ_ONCE(splice->isn) + 1 - splice->proxy_len);
	th->fin = 0;
	th->syn = 0;
	th->rst = 0;
	th->urg = 0;
	th->urg_ptr = 0;
	th->psh = 1;
	th->ack = 1;
	skb = dpr_splice_make(dn, splice, dst, what, splice->proxy_len);
	if (!skb) {
		dpr_stats_inc(dn, DPR_STAT_SPLICE_ERROR);
		return false;
	}
	dpr_splice_proxy_fill(skb_put(skb, splice->proxy_len), splice);
	WRITE_ONCE(splice->proxy_sent, (u16)jiffies);
	cmpxchg(&splice->proxy, DPR_SPLICE_PROXY_DUE, DPR_SPLICE_PROXY_SENT);
	dpr_stats_inc(dn, DPR_STAT_SPLICE_PROXY);
	dpr_splice_make_send(dn, splice, dst, skb);
	return true;
}

/* Is a checksum wrong? What is wrong must not become right by a new one. */
static bool dpr_splice_proxy_corrupt(struct sk_buff *skb, const struct dpr_segment *seg)
{
	/* Those of what makes up a super-packet have been looked at. */
	if (skb_is_gso(skb))
		return false;
	return seg->key.wide ?
	       nf_ip6_checksum(skb, NF_INET_PRE_ROUTING, seg->offset, IPPROTO_TCP) :
	       nf_ip_checksum(skb, NF_INET_PRE_ROUTING, seg->offset, IPPROTO_TCP);
}

/* Removes a SYN's data: they would have the header's place. */
static bool dpr_splice_proxy_trim(struct sk_buff *skb, const struct dpr_segment *seg)
{
	const unsigned int offset = seg->offset;
	const unsigned int len = ((struct tcphdr *)(skb->data + offset))->doff * 4;
	struct ipv6hdr *ip6h;
	struct tcphdr *th;
	struct iphdr *iph;

	if (skb_is_gso(skb) || dpr_splice_proxy_corrupt(skb, seg) ||
	    pskb_trim(skb, offset + len))
		return false;
	th = (void *)skb->data + offset;
	th->check = 0;
	skb->ip_summed = CHECKSUM_NONE;
	if (seg->key.wide) {
		ip6h = ipv6_hdr(skb);
		ip6h->payload_len = htons(len);
		th->check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len,
					    IPPROTO_TCP, csum_partial(th, len, 0));
		return true;
	}
	iph = ip_hdr(skb);
	iph->tot_len = htons(skb->len);
	ip_send_check(iph);
	th->check = tcp_v4_check(len, iph->saddr, iph->daddr,
				 csum_partial(th, len, 0));
	return true;
}

/*
 * Leaves a SYN the options that concern the ends alone. Others would have the backend wait
 * for something else first (TCP Fast Open, SMC), or tell where data begin (MPTCP).
 */
static void dpr_splice_proxy_options(u8 *at, const u8 *end)
{
	u8 len;

	while (at < end) {
		if (*at == TCPOPT_NOP) {
			at++;
			continue;
		}
		if (*at == TCPOPT_EOL || end - at < 2 || at[1] < 2 ||
		    at[1] > end - at) {
			memset(at, TCPOPT_EOL, end - at);
			return;
		}
		len = at[1];
		if (*at != TCPOPT_MSS && *at != TCPOPT_WINDOW &&
		    *at != TCPOPT_SACK_PERM && *at != TCPOPT_TIMESTAMP)
			memset(at, TCPOPT_NOP, len);
		at += len;
	}
}

/**
 * dpr_splice_proxy_syn - make room for the header behind a client's SYN
 * @skb: the packet, its headers writable
 * @seg: the SYN, all of its TCP header in the linear part
 * @splice: its splice
 *
 * Return: false if it cannot go on. Pointers into the packet are stale.
 */
bool dpr_splice_proxy_syn(struct sk_buff *skb, const struct dpr_segment *seg,
			  const struct dpr_splice *splice)
{
	struct tcphdr *th = (void *)skb->data + seg->offset;
	__wsum sum;

	if (skb->len > seg->offset + th->doff * 4 &&
	    !dpr_splice_proxy_trim(skb, seg))
		return false;
	th = (void *)skb->data + seg->offset;
	sum = dpr_splice_tcp_begin(th);
	dpr_splice_proxy_options((u8 *)(th + 1), (u8 *)th + th->doff * 4);
	th->seq = htonl(seg->seq - splice->proxy_len);
	dpr_splice_tcp_end(skb, th, sum);
	return true;
}

/* A header that goes before a client's segment, or in place of it. */
static bool dpr_splice_proxy_before(struct dpr_net *dn, const struct sk_buff *skb,
				    const struct dpr_segment *seg,
				    struct dpr_splice *splice,
				    struct dst_entry *dst)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;
	struct dpr_splice_make what = { .like = skb, .th = *th };

	memcpy(what.options, th + 1, th->doff * 4 - sizeof(*th));
	if (!seg->has_ack)
		what.th.ack_seq =
			htonl(READ_ONCE(splice->seen[DPR_SPLICE_CLIENT].ack) -
			      splice->shift);
	return dpr_splice_proxy_send(dn, splice, dst, &what);
}

/* A client's RST must find the backend where the client believes that it is. */
static bool dpr_splice_proxy_reset(struct dpr_net *dn, struct sk_buff *skb,
				   const struct dpr_segment *seg,
				   struct dpr_splice *splice, struct dst_entry *dst)
{
	struct tcphdr *th = (void *)skb->data + seg->offset;
	__wsum sum;

	if (READ_ONCE(splice->proxy) == DPR_SPLICE_PROXY_SENT)
		return dpr_splice_proxy_before(dn, skb, seg, splice, dst);
	sum = dpr_splice_tcp_begin(th);
	th->seq = htonl(seg->seq - splice->proxy_len);
	dpr_splice_tcp_end(skb, th, sum);
	return true;
}

/*
 * What the client cannot have sent establishes nothing at the backend either. It could begin
 * another connection there, with a header of the client's own. If the header is there, a
 * segment may be older than what is noted, but acknowledges nothing that was not sent.
 */
static bool dpr_splice_proxy_foreign(const struct dpr_splice *splice, u8 state,
				     const struct dpr_segment *seg)
{
	return state < DPR_SPLICE_PROXY_ACKED || !seg->has_ack ||
	       after(seg->ack, READ_ONCE(splice->seen[DPR_SPLICE_BACKEND].end));
}

/**
 * dpr_splice_proxy_client - have a client's segment find the header before it
 * @dn: the namespace
 * @skb: the packet, its headers writable and in the linear part
 * @seg: the segment, no SYN
 * @splice: its splice, with a header
 * @credible: the client can have sent it
 * @dst: the way to the backend
 * @verdict: set to the netfilter verdict if the packet goes no further
 *
 * Called under RCU in softirq.
 *
 * Return: true if it does not; it is counted if it is dropped.
 */
bool dpr_splice_proxy_client(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     struct dpr_splice *splice, bool credible,
			     struct dst_entry *dst, unsigned int *verdict)
{
	const u32 first = READ_ONCE(splice->isn) + 1;
	const u8 state = READ_ONCE(splice->proxy);

	if (!credible && !seg->rst && dpr_splice_proxy_foreign(splice, state, seg)) {
		*verdict = dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
		return true;
	}
	if (state >= DPR_SPLICE_PROXY_ACKED || !credible)
		return false;
	/* The header has the segment's fields. */
	if (dpr_splice_proxy_corrupt(skb, seg)) {
		*verdict = dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
		return true;
	}
	*verdict = NF_DROP;
	if (seg->rst)
		return !dpr_splice_proxy_reset(dn, skb, seg, splice, dst);
	/* What begins before the client's first byte would have the header's place. */
	if (seg->end != seg->seq && !before(seg->seq, first)) {
		/* 65536 jiffies later this may be wrong: then the backend's answer asks for it. */
		if (state == DPR_SPLICE_PROXY_SENT &&
		    (u16)(jiffies - READ_ONCE(splice->proxy_sent)) <
		    DPR_SPLICE_PROXY_AGAIN)
			return false;
		return !dpr_splice_proxy_before(dn, skb, seg, splice, dst);
	}
	if (!dpr_splice_proxy_before(dn, skb, seg, splice, dst))
		return true;
	consume_skb(skb);
	*verdict = NF_STOLEN;
	return true;
}

/* The backend has something of the client's, or of its handshake, but not the header. */
static void dpr_splice_proxy_again(struct dpr_net *dn, const struct tcphdr *th,
				   struct dpr_splice *splice)
{
	const struct dpr_splice_seen *client = &splice->seen[DPR_SPLICE_CLIENT];
	const u32 ack = READ_ONCE(client->ack);
	const u32 window = (READ_ONCE(client->edge) - ack) >>
			   dpr_splice_window_scale(splice, DPR_SPLICE_CLIENT);
	struct dpr_splice_make what = {
		.th = {
			.ack_seq = htonl(ack - splice->shift),
			.doff = sizeof(what.th) >> 2,
			.window = htons(min_t(u32, window, U16_MAX)),
		},
	};
	struct dst_entry *dst = dpr_splice_route(dn, splice, DPR_SPLICE_CLIENT);
	const u8 *at;

	if (!dst)
		return;
	/* The client's last timestamp is what the backend echoes. */
	dpr_splice_tcp_each(at, th) {
		if (at[0] != TCPOPT_TIMESTAMP || at[1] != TCPOLEN_TIMESTAMP)
			continue;
		what.options[0] = TCPOPT_NOP;
		what.options[1] = TCPOPT_NOP;
		what.options[2] = TCPOPT_TIMESTAMP;
		what.options[3] = TCPOLEN_TIMESTAMP;
		memcpy(what.options + 4, at + 6, 4);
		memcpy(what.options + 8, at + 2, 4);
		what.th.doff += TCPOLEN_TSTAMP_ALIGNED >> 2;
		break;
	}
	dpr_splice_proxy_send(dn, splice, dst, &what);
}

/* Is something said of bytes before the client's first one (RFC 2883)? */
static bool dpr_splice_proxy_sacked(const u8 *at, u32 first)
{
	int i;

	for (i = TCPOLEN_SACK_BASE; i + TCPOLEN_SACK_PERBLOCK <= at[1];
	     i += TCPOLEN_SACK_PERBLOCK)
		if (before(get_unaligned_be32(at + i), first))
			return true;
	return false;
}

/*
 * Removes a SACK option that the client must not see: one that is about the header, or that
 * has what is behind the header while the client is to see that this was acknowledged.
 */
static void dpr_splice_proxy_sack(const struct sk_buff *skb, struct tcphdr *th,
				  u32 first, bool all)
{
	__wsum sum;
	u8 *at;

	dpr_splice_tcp_each(at, th) {
		if (at[0] != TCPOPT_SACK ||
		    !(all || dpr_splice_proxy_sacked(at, first)))
			continue;
		sum = dpr_splice_tcp_begin(th);
		memset(at, TCPOPT_NOP, at[1]);
		dpr_splice_tcp_end(skb, th, sum);
		return;
	}
}

/*
 * Has the client see that nothing was acknowledged, instead of less. The window ends where
 * it did.
 */
static void dpr_splice_proxy_clamp(const struct sk_buff *skb,
				   const struct dpr_splice *splice,
				   struct tcphdr *th, u32 missing)
{
	const u8 shift = th->syn ? 0 : splice->end[DPR_SPLICE_BACKEND].scale &
				       DPR_SPLICE_SHIFT;
	const u32 window = (u32)ntohs(th->window) << shift;
	const __wsum sum = dpr_splice_tcp_begin(th);

	th->ack_seq = htonl(ntohl(th->ack_seq) + missing);
	th->window = htons(window > missing ? (window - missing) >> shift : 0);
	dpr_splice_tcp_end(skb, th, sum);
}

/**
 * dpr_splice_proxy_backend - have a backend's segment say nothing of the header
 * @dn: the namespace
 * @skb: the packet, its headers writable and in the linear part
 * @seg: the segment
 * @splice: its splice, with a header
 * @credible: the backend can have sent it
 *
 * Sends the header again if it shows that the backend misses it. Called under RCU in
 * softirq.
 *
 * Return: false if the backend begins a connection that the header is not for. The client
 * could write one itself, as the last connection's is acknowledged, or has another place.
 */
bool dpr_splice_proxy_backend(struct dpr_net *dn, struct sk_buff *skb,
			      const struct dpr_segment *seg,
			      struct dpr_splice *splice, bool credible)
{
	const u8 state = READ_ONCE(splice->proxy);
	const u32 first = READ_ONCE(splice->isn) + 1;
	struct tcphdr *th = (void *)skb->data + seg->offset;
	const u32 missing = first - seg->ack;
	const bool clamped = missing - 1 < splice->proxy_len;

	if (th->syn && (state >= DPR_SPLICE_PROXY_ACKED ||
			!dpr_splice_answers(splice, seg)))
		return false;
	if (!seg->has_ack || state == DPR_SPLICE_PROXY_PAST)
		return true;
	if (clamped) {
		if (credible && state == DPR_SPLICE_PROXY_SENT && !seg->rst &&
		    !dpr_splice_proxy_corrupt(skb, seg))
			dpr_splice_proxy_again(dn, th, splice);
		dpr_splice_proxy_clamp(skb, splice, th, missing);
	}
	if (!th->syn)
		dpr_splice_proxy_sack(skb, th, first, clamped);
	return true;
}
