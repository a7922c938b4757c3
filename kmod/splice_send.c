// SPDX-License-Identifier: GPL-2.0
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "compat.h"
#include "core/parse.h"
#include "dpr.h"
#include "fwd.h"
#include "local.h"
#include "netns.h"
#include "splice_out.h"
#include "splice_proxy.h"
#include "splice_send.h"
#include "splice_shift.h"
#include "splice_table.h"
#include "splice_tcp.h"
#include "splice_track.h"
#include "stats.h"

static bool dpr_splice_fits(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/* Mends a checksum (RFC 1624), or the sum over the pseudo header if the rest is to come. */
static void dpr_splice_mend(const struct sk_buff *skb, struct tcphdr *th,
			    __wsum addresses, __wsum ports)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		th->check = ~csum_fold(csum_add(addresses,
						csum_unfold(th->check)));
	else
		csum_replace_by_diff(&th->check, csum_add(addresses, ports));
}

/* Has the packet come from this host, and go to the end that has not sent it. */
static void dpr_splice_translate(struct sk_buff *skb, unsigned int offset,
				 const struct dpr_splice *splice,
				 enum dpr_splice_from from)
{
	const struct dpr_splice_end *to = &splice->end[!from];
	struct tcphdr *th = (void *)skb->data + offset;
	struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct iphdr *iph = ip_hdr(skb);
	__wsum addresses = csum_unfold(splice->sum);

	if (from == DPR_SPLICE_BACKEND)
		addresses = ~addresses;
	skb_forward_csum(skb);
	dpr_splice_mend(skb, th, addresses,
			dpr_splice_tcp_ports(th, to->port, to->client_port));
	th->source = to->port;
	th->dest = to->client_port;
	if (to->wide) {
		ip6h->saddr = *dpr_local_in6(&splice->wide[!from].address);
		ip6h->daddr = *dpr_local_in6(&splice->wide[!from].client);
		ip6h->hop_limit--;
		return;
	}
	csum_replace_by_diff(&iph->check, addresses);
	iph->saddr = to->address;
	iph->daddr = to->client;
	ip_decrease_ttl(iph);
}

static void dpr_splice_count(struct dpr_net *dn, enum dpr_splice_from from,
			     unsigned int len)
{
	if (from == DPR_SPLICE_CLIENT) {
		dpr_stats_inc(dn, DPR_STAT_SPLICE_TX_PACKETS);
		dpr_stats_add(dn, DPR_STAT_SPLICE_TX_BYTES, len);
	} else {
		dpr_stats_inc(dn, DPR_STAT_SPLICE_RX_PACKETS);
		dpr_stats_add(dn, DPR_STAT_SPLICE_RX_BYTES, len);
	}
}

/*
 * What the header of the PROXY protocol changes of a segment. Returns false if it goes no
 * further; @verdict is set then.
 */
static noinline bool dpr_splice_with_proxy(struct dpr_net *dn, struct sk_buff *skb,
					   const struct dpr_segment *seg,
					   struct dpr_splice *splice,
					   enum dpr_splice_from from, bool credible,
					   struct dst_entry *dst, bool count,
					   unsigned int *verdict)
{
	const unsigned int len = skb->len;

	if (from == DPR_SPLICE_BACKEND) {
		if (dpr_splice_proxy_backend(dn, skb, seg, splice, credible))
			return true;
		/* This host's stack answers by a RST. */
		dpr_stats_inc(dn, DPR_STAT_SPLICE_REFUSED);
		*verdict = NF_ACCEPT;
		return false;
	}
	if (!seg->syn) {
		if (!dpr_splice_proxy_client(dn, skb, seg, splice, credible,
					     dst, verdict))
			return true;
		if (count && *verdict == NF_STOLEN)
			dpr_splice_count(dn, from, len);
		return false;
	}
	if (dpr_splice_proxy_syn(skb, seg, splice))
		return true;
	*verdict = dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
	return false;
}

/* Is it too large for the way on, and its sender told so? @skb is consumed then. */
static noinline bool dpr_splice_large(struct dpr_net *dn, struct sk_buff *skb,
				      unsigned int mtu)
{
	if (dpr_fwd_refuse_large(dn, skb, mtu))
		return true;
	/* This host is where the packet was sent to, so it may fragment one of IPv6. */
	skb->ignore_df = 1;
	return false;
}

static unsigned int dpr_splice_send_uncounted(struct dpr_net *dn, struct sk_buff *skb,
					      const struct dpr_segment *seg,
					      struct dpr_splice *splice,
					      enum dpr_splice_from from);

/*
 * Sends a segment of a super-packet; @like is the first one, @shift what its numbers are shifted
 * by. Returns the netfilter verdict.
 */
static unsigned int dpr_splice_send_part(struct dpr_net *dn, struct sk_buff *skb,
					 const struct dpr_segment *like, u32 shift,
					 struct dpr_splice *splice,
					 enum dpr_splice_from from)
{
	const unsigned int offset = like->offset;
	struct dpr_segment seg;

	if (!pskb_may_pull(skb, offset + sizeof(struct tcphdr)))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_ERROR);
	if (like->key.wide)
		dpr_parse_segment6(ipv6_hdr(skb), (void *)skb->data + offset,
				   skb->len - offset, offset, &seg);
	else
		dpr_parse_segment(ip_hdr(skb), skb->len, 0, &seg);
	seg.seq += shift;
	seg.end += shift;
	return dpr_splice_send_uncounted(dn, skb, &seg, splice, from);
}

/*
 * A super-packet whose segments keep their own headers (rx-gro-list): the kernel gives all of them
 * the addresses and ports of the first, but nothing else. So each is sent by itself. Returns the
 * netfilter verdict.
 */
static noinline unsigned int dpr_splice_send_list(struct dpr_net *dn, struct sk_buff *skb,
						  const struct dpr_segment *seg,
						  struct dpr_splice *splice,
						  enum dpr_splice_from from, bool count)
{
	const struct tcphdr *th = (const void *)skb->data + seg->offset;
	/* Of a placed connection's backend, @seg is in the client's numbers. */
	const u32 shift = seg->seq - ntohl(th->seq);
	const unsigned int len = skb->len;
	struct sk_buff *segs, *part, *next;

	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_ERROR);
	consume_skb(skb);
	skb_list_walk_safe(segs, part, next) {
		skb_mark_not_on_list(part);
		if (dpr_splice_send_part(dn, part, seg, shift, splice, from) != NF_STOLEN)
			kfree_skb(part);
	}
	if (count)
		dpr_splice_count(dn, from, len);
	return NF_STOLEN;
}

/* See dpr_splice_send(). @count: the packet was not counted before. */
static __always_inline unsigned int
__dpr_splice_send(struct dpr_net *dn, struct sk_buff *skb,
		  const struct dpr_segment *seg, struct dpr_splice *splice,
		  enum dpr_splice_from from, bool count)
{
	const unsigned int len = skb->len;
	struct dst_entry *dst;
	unsigned int mtu, head, verdict;
	bool fits, credible;

	if (unlikely(!dpr_splice_plain(skb, seg)) ||
	    unlikely(skb_is_gso(skb) && skb_warn_if_lro(skb)))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_REFUSED);
	if (unlikely((seg->key.wide ? ipv6_hdr(skb)->hop_limit :
				      ip_hdr(skb)->ttl) <= 1))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_HOPS);
	dst = dpr_splice_route(dn, splice, from);
	if (unlikely(!dst))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_ERROR);
	mtu = dst_mtu(dst);
	fits = dpr_splice_fits(skb, mtu);
	if (unlikely(!fits) && dpr_splice_large(dn, skb, mtu))
		return NF_STOLEN;
	head = sizeof(struct tcphdr);
	if (splice->proxy_len || splice->flags) {
		if (unlikely(skb_is_gso(skb) &&
			     skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST))
			return dpr_splice_send_list(dn, skb, seg, splice, from, count);
		head = ((struct tcphdr *)(skb->data + seg->offset))->doff * 4;
	}
	if (unlikely(skb_ensure_writable(skb, seg->offset + head)))
		return dpr_splice_drop(dn, DPR_STAT_SPLICE_ERROR);
	credible = dpr_splice_track(dn, splice, from, seg,
				    (void *)skb->data + seg->offset);
	if (splice->flags && from == DPR_SPLICE_CLIENT)
		dpr_splice_shift_client(skb, (void *)skb->data + seg->offset, splice);
	if (splice->proxy_len &&
	    !dpr_splice_with_proxy(dn, skb, seg, splice, from, credible, dst,
				   count, &verdict))
		return verdict;
	if (splice->flags && from == DPR_SPLICE_BACKEND)
		dpr_splice_shift_backend(skb, (void *)skb->data + seg->offset, splice);
	dpr_splice_translate(skb, seg->offset, splice, from);
	if (likely(dpr_splice_output(dn, skb, dst, fits)) && count)
		dpr_splice_count(dn, from, len);
	return NF_STOLEN;
}

/**
 * dpr_splice_send - translate a segment and send it to the other end
 * @dn: the namespace
 * @skb: the packet, as it came to PRE_ROUTING
 * @seg: the segment, in the client's sequence numbers; if it is a SYN all of its TCP header
 *	is in the linear part
 * @splice: its splice
 * @from: who has sent it
 *
 * If it is too large, its sender gets an ICMP error. Called under RCU in softirq.
 *
 * Return: the netfilter verdict.
 */
unsigned int dpr_splice_send(struct dpr_net *dn, struct sk_buff *skb,
			     const struct dpr_segment *seg,
			     struct dpr_splice *splice,
			     enum dpr_splice_from from)
{
	return __dpr_splice_send(dn, skb, seg, splice, from, true);
}

static unsigned int dpr_splice_send_uncounted(struct dpr_net *dn, struct sk_buff *skb,
					      const struct dpr_segment *seg,
					      struct dpr_splice *splice,
					      enum dpr_splice_from from)
{
	return __dpr_splice_send(dn, skb, seg, splice, from, false);
}

/**
 * dpr_splice_send_kept - the same for a client's segment that was kept, and counted then
 * @dn: the namespace
 * @skb: the packet, with the device that it came by
 * @seg: the segment
 * @splice: its splice
 */
unsigned int dpr_splice_send_kept(struct dpr_net *dn, struct sk_buff *skb,
				  const struct dpr_segment *seg,
				  struct dpr_splice *splice)
{
	return dpr_splice_send_uncounted(dn, skb, seg, splice, DPR_SPLICE_CLIENT);
}
