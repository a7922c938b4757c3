// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include "core/parse.h"
#include "dpr.h"
#include "local.h"
#include "netns.h"
#include "splice_icmp.h"
#include "splice_out.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "stats.h"

/* The quoted packet bears this host's translation: what its own addresses add to a checksum. */
static __wsum dpr_splice_icmp_undo(const struct dpr_splice *splice,
				   enum dpr_splice_from from)
{
	const __wsum sum = csum_unfold(splice->sum);

	return from == DPR_SPLICE_CLIENT ? ~sum : sum;
}

/*
 * Gives the quoted segment the ports that its sender gave it. @room are the bytes from @th
 * on; a quote may end after eight.
 */
static void dpr_splice_icmp_segment(struct tcphdr *th, unsigned int room,
				    const struct dpr_splice *splice,
				    enum dpr_splice_from from)
{
	const bool whole = room >= offsetofend(struct tcphdr, check);
	const struct dpr_splice_end *sender = &splice->end[from];
	const u32 isn = READ_ONCE(splice->isn);
	__wsum sum;

	/* The SYN, that had another number: nothing is heard of one that was not sent. */
	if (splice->proxy_len && from == DPR_SPLICE_CLIENT &&
	    ntohl(th->seq) == isn - splice->proxy_len) {
		if (whole)
			csum_replace4(&th->check, th->seq, htonl(isn));
		th->seq = htonl(isn);
	}
	/* The client knows the backend's segments by other numbers. */
	if (splice->shift && from == DPR_SPLICE_BACKEND) {
		const __be32 seq = htonl(ntohl(th->seq) - splice->shift);

		if (whole)
			csum_replace4(&th->check, th->seq, seq);
		th->seq = seq;
	}
	sum = dpr_splice_tcp_ports(th, sender->client_port, sender->port);
	th->source = sender->client_port;
	th->dest = sender->port;
	if (whole)
		csum_replace_by_diff(&th->check,
				     csum_add(sum, dpr_splice_icmp_undo(splice, from)));
}

/* Rewrites an error so that it is about what its sender, @from, has sent to this host. */
static bool dpr_splice_icmp_rewrite4(struct sk_buff *skb,
				     const struct dpr_splice *splice,
				     enum dpr_splice_from from)
{
	const struct dpr_splice_end *sender = &splice->end[from];
	const unsigned int offset = ip_hdrlen(skb);
	struct iphdr *iph = ip_hdr(skb), *quoted;
	struct icmphdr *icmph;
	unsigned int at;

	at = offset + sizeof(*icmph);
	quoted = (void *)skb->data + at;
	if (skb->len < at + sizeof(*quoted) ||
	    skb->len < at + quoted->ihl * 4 + 8)
		return false;
	csum_replace_by_diff(&quoted->check,
			     dpr_splice_icmp_undo(splice, from));
	quoted->saddr = sender->client;
	quoted->daddr = sender->address;
	at += quoted->ihl * 4;
	dpr_splice_icmp_segment((void *)skb->data + at, skb->len - at, splice,
				from);

	icmph = (void *)skb->data + offset;
	icmph->checksum = 0;
	icmph->checksum = csum_fold(csum_partial(icmph, skb->len - offset, 0));
	iph->saddr = sender->address;
	iph->daddr = sender->client;
	iph->ttl--;
	ip_send_check(iph);
	return true;
}

static bool dpr_splice_icmp_rewrite6(struct sk_buff *skb,
				     const struct dpr_splice *splice,
				     enum dpr_splice_from from)
{
	const struct dpr_splice_addresses *sender = &splice->wide[from];
	const unsigned int offset = sizeof(struct ipv6hdr);
	struct ipv6hdr *ip6h = ipv6_hdr(skb), *quoted;
	const unsigned int len = skb->len - offset;
	struct icmp6hdr *icmph;
	unsigned int at;

	at = offset + sizeof(*icmph) + sizeof(*quoted);
	if (skb->len < at + 8)
		return false;
	quoted = (void *)skb->data + offset + sizeof(*icmph);
	quoted->saddr = *dpr_local_in6(&sender->client);
	quoted->daddr = *dpr_local_in6(&sender->address);
	dpr_splice_icmp_segment((void *)skb->data + at, skb->len - at, splice,
				from);

	ip6h->saddr = *dpr_local_in6(&sender->address);
	ip6h->daddr = *dpr_local_in6(&sender->client);
	ip6h->hop_limit--;
	icmph = (void *)skb->data + offset;
	icmph->icmp6_cksum = 0;
	icmph->icmp6_cksum = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len,
					     IPPROTO_ICMPV6,
					     csum_partial(icmph, len, 0));
	return true;
}

static bool dpr_splice_icmp_right(struct sk_buff *skb, bool wide)
{
	if (wide)
		return !nf_ip6_checksum(skb, NF_INET_PRE_ROUTING,
					sizeof(struct ipv6hdr), IPPROTO_ICMPV6);
	return !nf_ip_checksum(skb, NF_INET_PRE_ROUTING, ip_hdrlen(skb),
			       IPPROTO_ICMP);
}

/* Sends the error to who has sent what it is about. */
static unsigned int dpr_splice_icmp_send(struct dpr_net *dn, struct sk_buff *skb,
					 struct dpr_splice *splice,
					 enum dpr_splice_from from)
{
	const bool wide = dpr_local_wide(skb);
	struct dst_entry *dst;

	if ((wide ? ipv6_hdr(skb)->hop_limit : ip_hdr(skb)->ttl) <= 1)
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_HOPS);
	/* Such an error is small, and goes the way that its reason came. */
	dst = dpr_splice_route(dn, splice, !from);
	if (!dst)
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_ERROR);
	if (skb->len > dst_mtu(dst) || skb_is_gso(skb) ||
	    !dpr_splice_icmp_right(skb, wide))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
	if (skb_ensure_writable(skb, skb->len))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_ERROR);
	skb->ip_summed = CHECKSUM_NONE;
	if (!(wide ? dpr_splice_icmp_rewrite6(skb, splice, from) :
		     dpr_splice_icmp_rewrite4(skb, splice, from)))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
	if (dpr_splice_output(dn, skb, dst, true))
		dpr_stats_inc(dn, DPR_STAT_SPLICE_ICMP);
	return NF_STOLEN;
}

/**
 * dpr_splice_icmp - handle an ICMP error about a splice's packet
 * @dn: the namespace
 * @skb: the error, as it came to PRE_ROUTING
 * @key: the connection that it is about, as dpr_icmp_about() says
 * @verdict: set to the netfilter verdict
 *
 * It changes nothing here: who has sent the quoted segment knows best whether it is about
 * something that is under way, and what fits the path. Called under RCU in softirq.
 *
 * Return: false if there is no such splice.
 */
bool dpr_splice_icmp(struct dpr_net *dn, struct sk_buff *skb,
		     const struct dpr_flow_key *key, unsigned int *verdict)
{
	struct dpr_splice_end *end = dpr_splice_table_find(dn, key);

	if (!end)
		return false;
	/* The quoted packet went to @end; who has sent it is the other. */
	*verdict = dpr_splice_icmp_send(dn, skb, dpr_splice_of(end), !end->from);
	return true;
}
